"""SCTP as the tracker sees it: chunks that may stand together, verification tags, heartbeats, the end."""

from __future__ import annotations

import struct

import pytest

from dpif.conntrack.constants import SctpState
from dpif.packet import build
from dpif.packet.layout import locate
from dpif.testing.conformance.conntrack import COOKIE_ACK, COOKIE_ECHO, DATA, INIT, INIT_ACK, chunk, sctp
from dpif.userspace.engine.conntrack.connection import Connection, Verdict
from dpif.userspace.engine.conntrack.sctp import Packet, Sctp, read_packet
from dpif.userspace.engine.conntrack.timeouts import DEFAULTS
from dpif.userspace.engine.conntrack.tuples import Tuple

TAG_OUT, TAG_BACK = 0x22222222, 0x11111111
SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE = chunk(7, bytes(4)), chunk(8), chunk(14)
HEARTBEAT, HEARTBEAT_ACK, ABORT = chunk(4, bytes(4)), chunk(5, bytes(4)), chunk(6)
REFLECTED_ABORT = struct.pack("!BBH", 6, 1, 4)
ACCEPT, INVALID = Verdict.ACCEPT, Verdict.INVALID


def read(tag: int, *chunks: bytes) -> Packet | None:
    frame = sctp(tag, b"".join(chunks))
    return read_packet(frame, locate(frame))


class Watched:
    """An association as one in the table, and the packets that go either way."""

    def __init__(self, tag: int = 0, first: bytes = INIT) -> None:
        names = Tuple(0x800, 1, 2, 132, 1, 2)
        reply = names.inverse()
        packet = read(tag, first)
        assert reply is not None
        assert packet is not None
        begun = Sctp.begin(packet)
        assert begun is not None
        self.sctp = begun
        self.connection = Connection(0, names, reply, 0.0)
        assert self.out(tag, first) == ACCEPT
        self.connection.is_confirmed = True

    def out(self, tag: int, *chunks: bytes) -> Verdict:
        return self._take(tag, chunks, is_reply=False)

    def back(self, tag: int, *chunks: bytes) -> Verdict:
        return self._take(tag, chunks, is_reply=True)

    def _take(self, tag: int, chunks: tuple[bytes, ...], *, is_reply: bool) -> Verdict:
        packet = read(tag, *chunks)
        assert packet is not None
        return self.sctp.take(self.connection, packet, is_reply=is_reply, now=0.0)


def established() -> Watched:
    watched = Watched()
    assert watched.back(TAG_BACK, INIT_ACK) == ACCEPT
    assert watched.out(TAG_OUT, COOKIE_ECHO, DATA) == ACCEPT
    assert watched.back(TAG_BACK, COOKIE_ACK, DATA) == ACCEPT
    assert (watched.sctp.state, watched.connection.is_assured) == (SctpState.ESTABLISHED, True)
    assert watched.connection.expires == DEFAULTS[132][SctpState.ESTABLISHED]
    return watched


@pytest.mark.parametrize(
    "chunks",
    [(), (INIT, DATA), (DATA, INIT), (DATA, COOKIE_ACK), (DATA, SHUTDOWN_COMPLETE), (DATA, bytes(4))],
    ids=["none", "INIT is alone", "INIT is not second", "COOKIE ACK is first", "the end is alone", "no length"],
)
def test_chunks_that_may_not_be(chunks: tuple[bytes, ...]) -> None:
    assert read(0, *chunks) is None


@pytest.mark.parametrize(
    ("tag", "first"),
    [(7, INIT), (0, ABORT), (0, SHUTDOWN_COMPLETE), (0, COOKIE_ACK), (0, DATA), (0, chunk(1, bytes(4)))],
    ids=["INIT with a tag", "ABORT", "SHUTDOWN COMPLETE", "COOKIE ACK", "DATA", "INIT cut short"],
)
def test_what_begins_nothing(tag: int, first: bytes) -> None:
    packet = read(tag, first)
    assert packet is not None
    assert Sctp.begin(packet) is None


def test_the_life_of_an_association() -> None:
    watched = established()
    states = []
    for send, tag, chunks in (
        (watched.out, TAG_OUT, SHUTDOWN),
        (watched.back, TAG_BACK, SHUTDOWN_ACK),
        (watched.out, TAG_OUT, SHUTDOWN_COMPLETE),
    ):
        assert send(tag, chunks) == ACCEPT
        states.append(watched.sctp.state)
    assert states == [SctpState.SHUTDOWN_SENT, SctpState.SHUTDOWN_ACK_SENT, SctpState.CLOSED]


def test_each_direction_has_its_tag() -> None:
    watched = established()
    assert watched.out(TAG_OUT, DATA) == ACCEPT
    assert watched.back(TAG_BACK, DATA) == ACCEPT
    assert watched.out(TAG_BACK, DATA) == INVALID
    assert watched.out(TAG_BACK, COOKIE_ECHO) == INVALID
    assert watched.out(TAG_OUT, INIT) == INVALID


def test_an_abort_has_its_own_tag_or_says_that_it_has_the_others() -> None:
    assert established().out(TAG_BACK, ABORT) == INVALID
    for tag, abort in ((TAG_OUT, ABORT), (TAG_BACK, REFLECTED_ABORT)):
        watched = established()
        assert watched.out(tag, abort) == ACCEPT
        assert watched.sctp.state == SctpState.CLOSED


def test_an_answer_to_nothing_cannot_change_the_tag() -> None:
    watched = established()
    other = INIT_ACK.replace(struct.pack("!I", TAG_OUT), struct.pack("!I", 0x33333333))
    assert watched.back(TAG_BACK, other) == INVALID
    assert watched.back(TAG_BACK, INIT_ACK) == ACCEPT


def test_who_tries_again_does_not_live_longer() -> None:
    watched = Watched()
    watched.connection.expires = 7.0
    assert watched.out(0, INIT) == ACCEPT
    assert watched.connection.expires == 7.0


def test_another_path_begins_with_a_heartbeat() -> None:
    watched = Watched(TAG_OUT, HEARTBEAT)
    assert watched.sctp.state == SctpState.HEARTBEAT_SENT
    assert watched.back(TAG_BACK, HEARTBEAT_ACK) == ACCEPT
    assert watched.sctp.state == SctpState.ESTABLISHED
    assert watched.out(TAG_OUT, DATA) == ACCEPT


def test_a_heartbeat_that_is_answered_brings_another_tag() -> None:
    watched = established()
    watched.connection.expires = 7.0
    assert watched.out(0x44444444, HEARTBEAT) == ACCEPT
    assert watched.connection.expires == 7.0
    assert watched.out(0x44444444, HEARTBEAT_ACK) == INVALID, "not by itself"
    assert watched.back(0x55555555, HEARTBEAT_ACK) == ACCEPT
    assert watched.out(0x44444444, DATA) == INVALID, "its tag is not known yet"
    assert watched.out(0x44444444, HEARTBEAT) == ACCEPT
    assert watched.out(0x44444444, DATA) == ACCEPT
    assert watched.back(0x55555555, DATA) == ACCEPT


def test_a_heartbeat_with_data_must_have_the_tag() -> None:
    assert established().out(0x44444444, HEARTBEAT, DATA) == INVALID


def test_a_packet_that_is_cut_short_has_no_chunk() -> None:
    frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.ip("10.0.0.1", "10.0.0.2", 132, bytes(12)))
    assert read_packet(frame, locate(frame)) is None
