"""The service by its messages; the rules are those of the kernel (af_netlink.c, genetlink.c)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from errno import EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP
from typing import Any

import pytest

from dpif.netlink import answering
from dpif.netlink import constants as c
from dpif.netlink.ack import Ack, unpack_done, unpack_error
from dpif.netlink.answering import PART_BYTES, PART_MESSAGES, Refusal
from dpif.netlink.attributes import attribute
from dpif.netlink.generic import decode_family, get_family, list_families
from dpif.netlink.message import Message, pack_message, split
from dpif.netlink.service import Service

ASK = c.NLM_F_REQUEST | c.NLM_F_ACK
DUMP = c.NLM_F_REQUEST | c.NLM_F_DUMP


class Recorder:
    """A peer that keeps what it is sent."""

    def __init__(self, service: Service) -> None:
        self.port_id = service.new_port_id()
        self.datagrams: list[bytes] = []
        self.accepts = True
        service.connect(self)

    def deliver(self, datagram: bytes) -> bool:
        if self.accepts:
            self.datagrams.append(datagram)
        return self.accepts

    def stream(self, datagrams: Iterator[bytes]) -> bool:
        self.datagrams.extend(datagrams)
        return True

    def take(self) -> list[Message]:
        messages = [message for datagram in self.datagrams for message in split(datagram)]
        self.datagrams.clear()
        return messages


@pytest.fixture
def peer(toy: Any) -> Recorder:
    return Recorder(toy.service)


@pytest.fixture
def other(toy: Any) -> Recorder:
    return Recorder(toy.service)


def send(
    toy: Any, peer: Recorder, payload: bytes, flags: int = ASK, seq: int = 9, type: int | None = None
) -> list[Message]:
    toy.service.handle(pack_message(toy.family.id if type is None else type, flags, seq, 0, payload), peer)
    return peer.take()


def acks(messages: list[Message]) -> list[tuple[int, Ack]]:
    return [(message.seq, unpack_error(message)) for message in messages if message.type == c.NLMSG_ERROR]


def test_reply_then_acknowledgement(toy: Any, peer: Recorder) -> None:
    toy.rows[5] = None
    reply, ack = send(toy, peer, toy.record(5))
    assert (reply.type, reply.flags, reply.seq, reply.port_id) == (toy.family.id, 0, 9, peer.port_id)
    assert toy.decode(reply.payload) == 5
    assert (ack.type, ack.flags, ack.seq, ack.port_id) == (c.NLMSG_ERROR, c.NLM_F_CAPPED, 9, peer.port_id)
    assert unpack_error(ack) == Ack(0)


def test_no_acknowledgement_unless_asked_for(toy: Any, peer: Recorder) -> None:
    assert len(send(toy, peer, toy.record(5, toy.ADD), c.NLM_F_REQUEST)) == 0
    assert len(send(toy, peer, toy.record(5), c.NLM_F_REQUEST)) == 1


def test_a_refusal_always_comes_with_its_explanation(toy: Any, peer: Recorder) -> None:
    toy.rows[5] = None
    (message,) = send(toy, peer, toy.record(5, toy.ADD), c.NLM_F_REQUEST)
    assert message.flags == c.NLM_F_CAPPED | c.NLM_F_ACK_TLVS
    assert unpack_error(message) == Ack(EEXIST, "the row is there", 20)
    length, type_, flags, seq, _ = struct.unpack_from("=IHHII", message.payload, 4)
    assert (length, type_, flags, seq) == (24, toy.family.id, c.NLM_F_REQUEST, 9)


@pytest.mark.parametrize(
    ("payload", "flags", "type", "code"),
    [
        (bytes(8), ASK, 999, ENOENT),
        (bytes(3), ASK, None, EINVAL),
        (b"\x02\x01\0\0", ASK, None, EINVAL),
        (b"\x63\x01\0\0" + bytes(4), ASK, None, EOPNOTSUPP),
        (b"\x03\x01\0\0" + bytes(4), ASK, None, EOPNOTSUPP),
        (b"\x01\x01\0\0" + bytes(4), DUMP, None, EOPNOTSUPP),
    ],
    ids=["family", "short", "short of the family's header", "command", "do of a dump", "dump of a do"],
)
def test_refused_before_any_handler(
    toy: Any, peer: Recorder, payload: bytes, flags: int, type: int | None, code: int
) -> None:
    assert acks(send(toy, peer, payload, flags, type=type)) == [(9, Ack(code))]


def test_one_dump_bit_alone_is_no_dump(toy: Any, peer: Recorder) -> None:
    for bit in (c.NLM_F_EXCL, c.NLM_F_REPLACE):
        assert acks(send(toy, peer, toy.record(bit, toy.ADD), ASK | bit)) == [(9, Ack(0))]


def test_bad_bytes_are_einval_with_the_offset_in_the_request(toy: Any, peer: Recorder) -> None:
    ((_, ack),) = acks(send(toy, peer, toy.record(5) + b"more"))
    assert ack == Ack(EINVAL, "byte 0: 12 bytes are not a row", 16)


def test_what_is_no_request_is_only_acknowledged(toy: Any, peer: Recorder) -> None:
    assert send(toy, peer, toy.record(5, toy.ADD), 0) == []
    assert acks(send(toy, peer, toy.record(5, toy.ADD), c.NLM_F_ACK)) == [(9, Ack(0))]
    assert acks(send(toy, peer, b"", ASK, type=c.NLMSG_NOOP)) == [(9, Ack(0))]
    assert toy.rows == {}


def test_the_messages_of_a_datagram_are_carried_out_in_order_failed_or_not(toy: Any, peer: Recorder) -> None:
    numbers = [1, 1, 2]
    datagram = b"".join(
        pack_message(toy.family.id, c.NLM_F_REQUEST, seq, 0, toy.record(number, toy.ADD))
        for seq, number in enumerate(numbers, 50)
    )
    toy.service.handle(datagram + bytes(20) + datagram, peer)
    assert acks(peer.take()) == [(51, Ack(EEXIST, "the row is there", 20))]
    assert list(toy.rows) == [1, 2]


def test_a_handlers_bug_passes_through(toy: Any, peer: Recorder) -> None:
    with pytest.raises(ZeroDivisionError):
        send(toy, peer, toy.record(0, toy.CRASH))


class TestGroups:
    @pytest.fixture(autouse=True)
    def _join(self, toy: Any, other: Recorder) -> None:
        toy.service.join(other, toy.family.groups["toys"])

    def test_members_are_told_and_the_requester_is_not(self, toy: Any, peer: Recorder, other: Recorder) -> None:
        assert send(toy, peer, toy.record(5, toy.ADD), c.NLM_F_REQUEST) == []
        (event,) = other.take()
        assert (event.type, event.seq, event.port_id) == (toy.family.id, 9, peer.port_id)
        assert bytes(event.payload) == toy.record(5, toy.ADD)

    def test_an_echo_comes_before_the_acknowledgement(self, toy: Any, peer: Recorder, other: Recorder) -> None:
        echo, ack = send(toy, peer, toy.record(5, toy.ADD), ASK | c.NLM_F_ECHO)
        assert bytes(echo.payload) == toy.record(5, toy.ADD)
        assert ack.type == c.NLMSG_ERROR
        assert len(other.take()) == 1

    @pytest.mark.parametrize("echo", [0, c.NLM_F_ECHO])
    def test_a_member_gets_its_own_change_once(self, toy: Any, peer: Recorder, other: Recorder, echo: int) -> None:
        toy.service.join(peer, toy.family.groups["toys"])
        (event,) = send(toy, peer, toy.record(5, toy.ADD), c.NLM_F_REQUEST | echo)
        assert (event.type, event.seq, event.port_id) == (toy.family.id, 9, peer.port_id)
        assert len(other.take()) == 1

    def test_nobody_is_told_of_a_refusal(self, toy: Any, peer: Recorder, other: Recorder) -> None:
        toy.rows[5] = None
        send(toy, peer, toy.record(5, toy.ADD), ASK | c.NLM_F_ECHO)
        assert other.take() == []

    def test_notifications_without_a_cause(self, toy: Any, peer: Recorder, other: Recorder) -> None:
        toy.service.notify("toy", "toys", toy.record(7))
        (event,) = other.take()
        assert (event.flags, event.seq, event.port_id, toy.decode(event.payload)) == (0, 0, 0, 7)
        toy.service.notify("toy", "others", toy.record(7))
        assert other.take() == []

    def test_handlers_learn_whether_the_reply_is_wanted(self, toy: Any, peer: Recorder, other: Recorder) -> None:
        send(toy, peer, toy.record(1, toy.ADD))
        toy.service.leave(other, toy.family.groups["toys"])
        send(toy, peer, toy.record(2, toy.ADD))
        send(toy, peer, toy.record(3, toy.ADD), ASK | c.NLM_F_ECHO)
        assert [call.wanted for call in toy.calls] == [True, False, True]

    def test_membership_ends(self, toy: Any, other: Recorder) -> None:
        toy.service.leave(other, toy.family.groups["toys"])
        toy.service.leave(other, 12345)
        toy.service.notify("toy", "toys", toy.record(7))
        toy.service.join(other, toy.family.groups["toys"])
        toy.service.drop(other)
        toy.service.notify("toy", "toys", toy.record(7))
        assert other.take() == []

    def test_no_such_group(self, toy: Any, other: Recorder) -> None:
        with pytest.raises(Refusal) as caught:
            toy.service.join(other, 12345)
        assert caught.value.errno == ENOENT


def test_unicast(toy: Any, peer: Recorder, other: Recorder) -> None:
    assert toy.service.unicast(other.port_id, "toy", toy.record(7))
    (message,) = other.take()
    assert (message.type, message.flags, message.seq, message.port_id) == (toy.family.id, 0, 0, 0)
    assert peer.take() == []
    other.accepts = False
    assert not toy.service.unicast(other.port_id, "toy", toy.record(7))
    toy.service.drop(other)
    other.accepts = True
    assert not toy.service.unicast(other.port_id, "toy", toy.record(7))
    assert other.take() == []


def test_port_ids_are_not_used_again(toy: Any, peer: Recorder) -> None:
    toy.service.drop(peer)
    assert toy.service.new_port_id() > peer.port_id > 0


class TestDumps:
    def test_rows_then_done_in_one_datagram(self, toy: Any, peer: Recorder) -> None:
        toy.rows = dict.fromkeys(range(3))
        toy.service.handle(pack_message(toy.family.id, DUMP | c.NLM_F_ACK, 9, 0, toy.record(0)), peer)
        assert len(peer.datagrams) == 1
        *rows, done = peer.take()
        assert [toy.decode(row.payload) for row in rows] == [0, 1, 2]
        assert {(row.type, row.flags, row.seq, row.port_id) for row in rows} == {
            (toy.family.id, c.NLM_F_MULTI, 9, peer.port_id)
        }
        assert (done.type, done.flags, done.seq) == (c.NLMSG_DONE, c.NLM_F_MULTI, 9)
        assert unpack_done(done) == Ack(0)

    def test_parts_have_few_messages_since_others_wait_meanwhile(self, toy: Any, peer: Recorder) -> None:
        toy.rows = dict.fromkeys(range(3 * PART_MESSAGES))
        toy.service.handle(pack_message(toy.family.id, DUMP, 9, 0, toy.record(0)), peer)
        assert [len(list(split(datagram))) for datagram in peer.datagrams] == [PART_MESSAGES] * 3 + [1]

    def test_parts_are_no_longer_than_32_kib(self, toy: Any, peer: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(answering, "PART_MESSAGES", 3000)
        toy.rows = dict.fromkeys(range(3000))
        toy.service.handle(pack_message(toy.family.id, DUMP, 9, 0, toy.record(0)), peer)
        sizes = [len(datagram) for datagram in peer.datagrams]
        assert sizes[:-1] == [PART_BYTES // 24 * 24] * 2
        *rows, done = peer.take()
        assert [toy.decode(row.payload) for row in rows] == list(range(3000))
        assert done.type == c.NLMSG_DONE

    def test_long_rows_go_alone(self, toy: Any, peer: Recorder) -> None:
        toy.service.handle(pack_message(toy.family.id, DUMP, 9, 0, toy.record(0, toy.WIDE)), peer)
        assert [len(list(split(datagram))) for datagram in peer.datagrams] == [1, 1, 1, 1, 2]

    def test_empty(self, toy: Any, peer: Recorder) -> None:
        (done,) = send(toy, peer, toy.record(0), DUMP)
        assert unpack_done(done) == Ack(0)

    @pytest.mark.parametrize("explanation", ["it went away"])
    def test_a_refusal_while_rows_are_made_is_in_done(self, toy: Any, peer: Recorder, explanation: str) -> None:
        row, done = send(toy, peer, toy.record(0, toy.LATE), DUMP)
        assert toy.decode(row.payload) == 1
        assert done.type == c.NLMSG_DONE
        assert unpack_done(done) == Ack(ENODEV, explanation)

    def test_a_refusal_of_the_call_is_an_error(self, toy: Any, peer: Recorder) -> None:
        assert acks(send(toy, peer, toy.record(0, toy.REFUSED), DUMP)) == [(9, Ack(ENODEV))]


class TestNlctrl:
    def ask(self, toy: Any, peer: Recorder, attributes: bytes) -> Message:
        return send(toy, peer, b"\x03\x02\0\0" + attributes, type=c.GENL_ID_CTRL)[0]

    def test_by_name_and_by_id(self, toy: Any, peer: Recorder) -> None:
        by_name = send(toy, peer, get_family("toy").payload, type=c.GENL_ID_CTRL)[0]
        by_id = self.ask(toy, peer, attribute(c.CTRL_ATTR_FAMILY_ID, struct.pack("=H", toy.family.id)))
        assert decode_family(by_name.payload) == decode_family(by_id.payload) == toy.family
        assert len(set(toy.family.groups.values())) == 2

    def test_refusals(self, toy: Any, peer: Recorder) -> None:
        assert unpack_error(self.ask(toy, peer, b"")).code == EINVAL
        assert unpack_error(self.ask(toy, peer, attribute(c.CTRL_ATTR_FAMILY_NAME, b"none\0"))).code == ENOENT
        assert unpack_error(self.ask(toy, peer, attribute(c.CTRL_ATTR_FAMILY_ID, b"\xff\xff"))).code == ENOENT
        assert unpack_error(self.ask(toy, peer, attribute(c.CTRL_ATTR_FAMILY_ID, b"\xff"))).code == EINVAL

    def test_dump(self, toy: Any, peer: Recorder) -> None:
        *families, _ = send(toy, peer, list_families().payload, DUMP, type=c.GENL_ID_CTRL)
        assert [decode_family(family.payload).name for family in families] == ["nlctrl", "toy"]

    def test_each_family_has_its_own_numbers(self, toy: Any) -> None:
        second = toy.service.add_family("second", {}, groups=["toys"])
        assert second.id != toy.family.id
        assert second.groups["toys"] not in toy.family.groups.values()
