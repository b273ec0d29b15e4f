"""What one client may do to a server and to its other clients, step by step: the loop is worked by hand."""

from __future__ import annotations

import errno
import os
import resource
import socket
import sys
from collections.abc import Iterator
from errno import EBUSY, EMFILE, EMSGSIZE, ENOMEM
from pathlib import Path

import pytest

import dpif
from dpif.errors import NetlinkError, Unavailable
from dpif.netlink import constants as c
from dpif.netlink.ack import unpack_done, unpack_error
from dpif.netlink.answering import PART_MESSAGES
from dpif.netlink.attributes import attribute
from dpif.netlink.constants import NLM_F_CREATE
from dpif.netlink.message import Message, pack_message, split
from dpif.netlink.policy import Decoded
from dpif.netlink.unix import DATA_HEADER, MAX_FRAME, FrameKind, UnixTransport, pack_frame, unpack_frame
from dpif.odp.constants import CtLimitCmd, DatapathCmd, DummyAttr, FlowCmd, PacketCmd, VportCmd, VportType
from dpif.odp.messages import CtLimitRecord, DatapathRecord, FlowRecord, PacketRecord, Record, VportRecord
from dpif.odp.model.key import FlowKey, parse_match
from dpif.packet import build
from dpif.userspace.client import REQUESTS
from dpif.userspace.engine.limits import Limits
from dpif.userspace.listening import Place
from dpif.userspace.loop import MAX_FAULTS
from dpif.userspace.server import Server
from dpif.userspace.system import UserspaceSystem

ROUNDS = 1000
"""Many more than anything here takes."""


class Peer:
    """A client that never waits, and reads only when it is told to."""

    def __init__(self, by_hand: ByHand) -> None:
        self._by_hand = by_hand
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.setblocking(False)
        self.socket.connect(by_hand.path)
        by_hand.round(3)
        kind, (_, self.port_id) = unpack_frame(self.socket.recv(MAX_FRAME))
        assert kind == FrameKind.HELLO

    def send(self, *requests: bytes) -> None:
        self.socket.send(DATA_HEADER + b"".join(requests))

    def ask(self, record: Record, flags: int = c.NLM_F_ACK) -> bytes:
        family = self._by_hand.system.service._ids[record.FAMILY]
        return pack_message(family, c.NLM_F_REQUEST | flags, 1, 0, record.to_payload())

    def frames(self) -> Iterator[bytes]:
        while True:
            try:
                frame = self.socket.recv(MAX_FRAME)
            except BlockingIOError:
                return
            if not frame:
                return
            yield frame

    def messages(self) -> list[Message]:
        return [message for frame in self.frames() for message in split(frame[len(DATA_HEADER) :])]

    def codes(self) -> list[int]:
        return [unpack_error(message).code for message in self.messages() if message.type == c.NLMSG_ERROR]


class ByHand:
    """A server whose loop takes a round when it is told to."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = str(path)
        self.time = self.tick = 0.0
        self.system = UserspaceSystem(self._clock, limits=limits)
        self.server = Server(self.system, self.path)
        self._peers: list[Peer] = []

    def _clock(self) -> float:
        """Tell a time that goes on by a tick with each look: none, unless a test says so."""
        self.time += self.tick
        return self.time

    def round(self, times: int = 1) -> None:
        for _ in range(times):
            self.system.loop.run_once(0)

    def peer(self) -> Peer:
        self._peers.append(Peer(self))
        return self._peers[-1]

    def datapath(self) -> int:
        peer = self.peer()
        peer.send(peer.ask(DatapathRecord(command=DatapathCmd.NEW, name="dp0", upcall_pid=0)))
        self.round(2)
        assert peer.codes() == [0]
        (number,) = self.system.namespace.datapaths
        return number

    def close(self) -> None:
        for peer in self._peers:
            peer.socket.close()
        self.server.close()
        self.system.close()


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def served(tmp_path: Path, limits: Limits) -> Iterator[ByHand]:
    made = ByHand(tmp_path / "dpif.sock", limits)
    yield made
    made.close()


def put(datapath: int, number: int, actions: bytes = b"") -> FlowRecord:
    key = FlowKey(in_port=1, eth={}, eth_type=0x5000 + number).to_bytes()
    return FlowRecord(command=FlowCmd.NEW, dp_ifindex=datapath, key=key, actions=actions)


GET = DatapathRecord(command=DatapathCmd.GET, name="dp0")


# Turns.


def test_the_requests_of_one_frame_are_carried_out_in_turn_with_those_of_others(served: ByHand) -> None:
    number = served.datapath()
    busy, other = served.peer(), served.peer()
    busy.send(*[busy.ask(put(number, index), c.NLM_F_ACK | NLM_F_CREATE) for index in range(4 * REQUESTS)])
    other.send(other.ask(GET))
    served.round()
    assert len(busy.codes()) == REQUESTS
    assert other.messages(), "the other has its answer in the same round"
    served.round(3)
    assert busy.codes() == [0] * 3 * REQUESTS
    assert not served.server.clients[next(iter(served.server.clients))]._requests


def test_requests_that_take_long_are_carried_out_one_in_a_turn(served: ByHand) -> None:
    number = served.datapath()
    busy, other = served.peer(), served.peer()
    served.tick = 1.0
    busy.send(*[busy.ask(put(number, index), c.NLM_F_ACK | NLM_F_CREATE) for index in range(3)])
    other.send(other.ask(GET))
    for number_of_round in range(3):
        served.round()
        assert busy.codes() == [0]
        assert bool(other.messages()) == (number_of_round == 0), "the other has its answer in the first round"
    served.round()
    assert busy.codes() == []
    assert served.server.clients[fileno_of(served, busy)]._requests is None


def test_requests_keep_their_order_over_frames(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    for start in range(0, 4 * REQUESTS, 2 * REQUESTS):
        peer.send(*[peer.ask(put(number, start + index), c.NLM_F_ACK) for index in range(2 * REQUESTS)])
    served.round(6)
    numbers = [flow.key for flow in served.system.namespace.datapaths[number].table]
    assert len(numbers) == 4 * REQUESTS
    assert numbers == sorted(numbers)


def test_a_dump_goes_in_pieces_however_fast_it_is_read(served: ByHand) -> None:
    number = served.datapath()
    table = served.system.namespace.datapaths[number].table
    peer, other = served.peer(), served.peer()
    total = 20 * PART_MESSAGES
    for index in range(total):
        served.system.service.handle(peer.ask(put(number, index), 0), served.server.clients[fileno_of(served, peer)])
    assert len(table) == total
    peer.send(peer.ask(FlowRecord(command=FlowCmd.GET, dp_ifindex=number), c.NLM_F_DUMP))
    rows = rounds = 0
    while rows <= total:
        other.send(other.ask(GET))
        served.round()
        assert len(other.messages()) == 2, "a record and an acknowledgement"
        got = len(peer.messages())
        assert 0 < got <= PART_MESSAGES
        rows += got
        rounds += 1
    assert rows == total + 1
    assert rounds >= total // PART_MESSAGES


def fileno_of(served: ByHand, peer: Peer) -> int:
    return next(number for number, client in served.server.clients.items() if client.port_id == peer.port_id)


def test_a_stop_is_heeded_in_the_middle_of_a_frame(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    peer.send(*[peer.ask(put(number, index), 0) for index in range(10 * REQUESTS)])
    served.round()
    served.server.stop()
    served.round()
    served.server.run()
    assert len(served.system.namespace.datapaths[number].table) == REQUESTS


def test_a_client_that_has_gone_leaves_its_requests_undone(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    peer.send(*[peer.ask(put(number, index), 0) for index in range(10 * REQUESTS)])
    served.round()
    served.server.clients[fileno_of(served, peer)].is_gone = True
    served.round(3)
    assert len(served.system.namespace.datapaths[number].table) == REQUESTS


def test_the_descriptor_of_a_client_that_went_with_requests_undone_serves_another(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    fileno = fileno_of(served, peer)
    peer.send(*[peer.ask(put(number, index), c.NLM_F_ACK) for index in range(10 * REQUESTS)])
    served.round(2)
    assert served.server.clients[fileno].watched == 0
    peer.socket.close()
    served.round(3)
    assert fileno not in served.server.clients
    another = served.peer()
    assert fileno_of(served, another) == fileno
    another.send(another.ask(GET))
    served.round(2)
    assert another.messages()


def test_a_round_that_fails_is_followed_by_another(
    served: ByHand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = served.system.loop.run_once
    rounds: list[int] = []

    def fail_twice() -> None:
        rounds.append(1)
        if len(rounds) <= 2:
            raise MemoryError
        served.server.stop()
        real(0)

    monkeypatch.setattr(served.system.loop, "run_once", fail_twice)
    served.server.run()
    assert len(rounds) == 3
    assert len(caplog.records) == 2


def test_a_second_dump_before_the_first_was_read_is_refused(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    for index in range(2 * PART_MESSAGES):
        peer.send(peer.ask(put(number, index), 0))
        served.round()
    dump = peer.ask(FlowRecord(command=FlowCmd.GET, dp_ifindex=number), c.NLM_F_DUMP)
    peer.send(dump, dump)
    served.round(10)
    messages = peer.messages()
    assert [unpack_error(message).code for message in messages if message.type == c.NLMSG_ERROR] == [EBUSY]
    assert [unpack_done(message).code for message in messages if message.type == c.NLMSG_DONE] == [0]
    peer.send(dump)
    served.round(10)
    assert len(peer.messages()) == 2 * PART_MESSAGES + 1


# What does not fit an answer.


def test_actions_that_are_told_longer_than_they_came_are_left_out(served: ByHand) -> None:
    """As by the kernel, whose dumps go on, too."""
    number = served.datapath()
    peer = served.peer()
    odd = actions_without_padding()
    assert len(odd) % 4
    peer.send(peer.ask(put(number, 1, odd), c.NLM_F_ACK | c.NLM_F_ECHO | NLM_F_CREATE))
    peer.send(peer.ask(put(number, 2, attribute(1, b"\1\0\0\0")), c.NLM_F_ACK | NLM_F_CREATE))
    served.round(4)
    assert peer.codes() == [0, 0]
    peer.send(peer.ask(FlowRecord(command=FlowCmd.GET, dp_ifindex=number), c.NLM_F_DUMP))
    served.round(4)
    *rows, done = peer.messages()
    assert unpack_done(done).code == 0
    told = {FlowRecord.from_payload(row.payload).actions for row in rows}
    assert None in told
    assert len(told) == 2


def test_an_upcall_leaves_out_actions_that_are_told_longer_than_they_came() -> None:
    frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1000, 53))
    with dpif.Userspace() as us, us.open("br0", create=True) as dp, dp.upcalls() as upcalls:
        pid = attribute(1, upcalls.pid_of(0).to_bytes(4, sys.byteorder))
        first = attribute(2, pid + attribute(4, b""))  # which asks for the actions
        for actions, are_told in ((first, True), (actions_without_padding(first), False)):
            record = PacketRecord(
                command=PacketCmd.EXECUTE, dp_ifindex=dp.ifindex, packet=frame, key=b"", actions=actions
            )
            dp.connection.transact(record.request("executing"))
            upcall = upcalls.poll(0)[0]  # behind it may come that of the last action
            assert (upcall.packet, upcall.userdata, upcall.actions is not None) == (frame, None, are_told)


def actions_without_padding(first: bytes = b"") -> bytes:
    """Return the longest actions that an attribute holds, told with padding behind the last: one byte too many."""
    outputs = first + attribute(1, b"\1\0\0\0") * (8188 - len(first) // 8)
    left = 0xFFFF - 4 - len(outputs)
    cookie = bytes(left - 4 - 8 - 4)
    userspace = attribute(1, b"\1\0\0\0") + attribute(2, cookie)[: 4 + len(cookie)]
    return outputs + attribute(2, userspace)[: 4 + len(userspace)]


def test_an_answer_longer_than_an_attribute_is_emsgsize(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    served.system.namespace.tracker.limits.update((zone, 1) for zone in range(6000))
    peer.send(peer.ask(CtLimitRecord(command=CtLimitCmd.GET, dp_ifindex=number)))
    served.round()
    assert peer.codes() == [EMSGSIZE]
    peer.send(peer.ask(GET))
    served.round()
    assert peer.messages()


def test_an_explanation_is_cut(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    record = VportRecord(
        command=VportCmd.NEW,
        dp_ifindex=number,
        name="p1",
        type=VportType.DUMMY,
        upcall_pid=(0,),
        options=Decoded({DummyAttr.RX_PCAP: "/" + "x" * 65400}),
    )
    peer.send(peer.ask(record))
    served.round()
    (message,) = peer.messages()
    ack = unpack_error(message)
    assert ack.code == errno.ENAMETOOLONG
    assert ack.explanation.endswith("x...")


# Faults.


def test_a_fault_in_dealing_with_a_client_ends_its_connection_alone(
    served: ByHand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served.datapath()
    hostile, other = served.peer(), served.peer()

    def fail(*_: object) -> None:
        raise KeyError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(served.system.service, "carry_out", fail)
        hostile.send(hostile.ask(GET))
        served.round(2)
    assert hostile.socket.recv(10) == b""
    other.send(other.ask(GET))
    served.round()
    assert other.messages()
    (record,) = caplog.records
    assert "KeyError" in record.getMessage()
    assert record.exc_info is None


def test_where_memory_runs_out_the_answer_is_enomem(served: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = served.peer()

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(served.system.service, "carry_out", fail)
    peer.send(peer.ask(GET))
    served.round()
    assert peer.codes() == [ENOMEM]


def test_a_device_that_fails_time_and_again_is_taken_away(
    served: ByHand, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    device = served.system.device("h1")

    def fail(budget: int) -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(device, "poll", fail)
    monkeypatch.setattr(type(device), "is_pending", property(lambda device: device.name == "h1"))
    served.round(MAX_FAULTS - 1)
    assert "h1" in served.system.namespace.devices
    served.round()
    assert "h1" not in served.system.namespace.devices
    assert len(caplog.records) == 1


# Bounds.


@pytest.mark.parametrize("limits", [Limits(clients=2)])
def test_a_client_too_many_is_told_so(served: ByHand) -> None:
    served.peer()
    gone = served.peer()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as third:
        third.connect(served.path)
        served.round(2)
        assert unpack_frame(third.recv(100)) == (FrameKind.DONE, (EMFILE,))
        assert third.recv(100) == b""
    gone.socket.close()
    served.round(2)
    served.peer()


@pytest.mark.parametrize("limits", [Limits(flows=3)])
def test_a_flow_too_many_is_refused(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()
    peer.send(*[peer.ask(put(number, index), c.NLM_F_ACK | NLM_F_CREATE) for index in range(5)])
    served.round()
    assert peer.codes() == [0, 0, 0, ENOMEM, ENOMEM]
    peer.send(peer.ask(put(number, 1, attribute(1, b"\1\0\0\0"))))
    served.round()
    assert peer.codes() == [0], "one that is there is changed"


@pytest.mark.parametrize("limits", [Limits(masks=2)])
def test_a_mask_too_many_is_refused(served: ByHand) -> None:
    number = served.datapath()
    peer = served.peer()

    def masked(index: int, eth_type: int) -> FlowRecord:
        key, mask = parse_match(
            f"in_port(1),eth(src=00:00:00:00:00:00/00:00:00:00:00:{index + 1:02x}),eth_type({eth_type})"
        )
        assert mask is not None
        record = put(number, 0)
        record.key, record.mask = key.to_bytes(), mask.to_bytes()
        return record

    peer.send(*[peer.ask(masked(index, 0x5000 + index)) for index in range(3)])
    peer.send(peer.ask(masked(1, 0x5005)))
    served.round(2)
    assert peer.codes() == [0, 0, ENOMEM, 0]


@pytest.mark.parametrize("limits", [Limits(devices=2)])
def test_a_device_too_many_is_refused(served: ByHand) -> None:
    served.datapath()
    served.system.device("h1")
    with pytest.raises(OSError, match="room for 2 devices") as caught:
        served.system.device("h2")
    assert caught.value.errno == ENOMEM


@pytest.mark.parametrize("limits", [Limits(queue=10_000)])
def test_who_asks_for_control_frames_and_does_not_read_is_let_go(served: ByHand) -> None:
    peer = served.peer()
    speak = pack_frame(FrameKind.SPEAK, c.NETLINK_GENERIC)
    sent = 0
    while fileno_of_or_none(served, peer) is not None and sent < 100_000:
        try:
            peer.socket.send(speak)
            sent += 1
        except BlockingIOError:
            served.round()
        except BrokenPipeError:
            break
    served.round(2)
    assert fileno_of_or_none(served, peer) is None
    assert served.server.queued_bytes == 0


def fileno_of_or_none(served: ByHand, peer: Peer) -> int | None:
    return next((number for number, one in served.server.clients.items() if one.port_id == peer.port_id), None)


@pytest.mark.parametrize("limits", [Limits(queue=1 << 20, queues=20_000)])
def test_all_queues_together_are_bounded_and_who_has_little_keeps_it(served: ByHand) -> None:
    hoarder, modest = served.peer(), served.peer()
    served.datapath()
    clients = {client.port_id: client for client in served.server.clients.values()}
    with served.system.namespace.lock:
        for _ in range(10_000):
            clients[hoarder.port_id].deliver(bytes(1000))
        assert not clients[hoarder.port_id].deliver(b"more")
        assert served.server.queued_bytes < 30_000
        assert clients[modest.port_id].deliver(b"one")
    assert len(list(modest.frames())) == 1


def test_a_client_for_whom_there_is_no_descriptor_is_told_so_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "dpif.sock")
    place = Place(path)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        client.connect(path)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free_descriptor(), hard))
        assert place.accept() is None
        assert unpack_frame(client.recv(100)) == (FrameKind.DONE, (EMFILE,))
        assert place.accept() is None, "nobody is left in line"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        client.close()
        place.close()


def lowest_free_descriptor() -> int:
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    return free


@pytest.mark.parametrize("limits", [Limits(clients=0)])
def test_the_transport_says_why_it_is_turned_away(served: ByHand) -> None:
    import threading

    thread = threading.Thread(target=served.server.run)
    thread.start()
    try:
        with pytest.raises(Unavailable, match="takes no more clients: Too many open files") as caught:
            UnixTransport(served.path)
    finally:
        served.server.stop()
        thread.join()
    assert caught.value.errno == EMFILE
    assert not isinstance(caught.value, NetlinkError)
