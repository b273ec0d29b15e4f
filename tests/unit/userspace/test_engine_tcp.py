"""TCP as the tracker sees it: windows, scales, selective acknowledgements, resets, connections that begin anew."""

from __future__ import annotations

import pytest

from dpif.conntrack.constants import TcpFlag, TcpState, TcpTimeout
from dpif.packet import build
from dpif.packet.layout import locate
from dpif.userspace.engine.conntrack.connection import Connection, Verdict
from dpif.userspace.engine.conntrack.segment import ACK, FIN, RST, SYN, Segment
from dpif.userspace.engine.conntrack.tcp import Tcp
from dpif.userspace.engine.conntrack.tcp_window import after, before
from dpif.userspace.engine.conntrack.timeouts import DEFAULTS
from dpif.userspace.engine.conntrack.tuples import Tuple

TIMES = DEFAULTS[6]
SCALE_7 = b"\x03\x03\x07\x01"
SACK_PERMITTED = b"\x04\x02\x01\x01"
ACCEPT, INVALID, ENDED, REOPENED = Verdict.ACCEPT, Verdict.INVALID, Verdict.ENDED, Verdict.REOPENED
DATA = bytes(100)


def sacked(left: int, right: int) -> bytes:
    return b"\x01\x01\x05\x0a" + left.to_bytes(4) + right.to_bytes(4)


def segment(
    flags: int, seq: int, ack: int = 0, payload: bytes = b"", *, window: int = 1000, options: bytes = b""
) -> Segment:
    """Return a segment that was built and read again."""
    packet = build.tcp(
        "10.0.0.1", "10.0.0.2", 1, 2, payload, flags=flags, seq=seq, ack=ack, window=window, options=options
    )
    frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
    return Segment.read(frame, locate(frame))


class Watched:
    """A connection as one in the table, and the segments that go either way."""

    def __init__(self, first: Segment) -> None:
        names = Tuple(0x800, 1, 2, 6, 1, 2)
        reply = names.inverse()
        assert reply is not None
        self.connection = Connection(0, names, reply, 0.0)
        self.tcp = self.connection.protocol_state = Tcp(first)
        assert self.out(first) == ACCEPT
        self.connection.is_confirmed = True

    def out(self, sent: Segment) -> Verdict:
        return self.tcp.take(self.connection, sent, is_reply=False, now=0.0)

    def back(self, sent: Segment) -> Verdict:
        verdict = self.tcp.take(self.connection, sent, is_reply=True, now=0.0)
        self.connection.has_reply |= verdict == ACCEPT
        return verdict


def established(options: bytes = b"", reply_options: bytes | None = None) -> Watched:
    """Return a connection after its handshake: the next sequence numbers are 101 and 501."""
    watched = Watched(segment(SYN, 100, options=options))
    answer = options if reply_options is None else reply_options
    assert watched.back(segment(SYN | ACK, 500, 101, options=answer)) == ACCEPT
    assert watched.out(segment(ACK, 101, 501)) == ACCEPT
    assert (watched.tcp.state, watched.connection.is_assured) == (TcpState.ESTABLISHED, True)
    return watched


def test_sequence_numbers_go_round() -> None:
    assert before(0xFFFFFFFF, 0)
    assert after(5, 0xFFFFFFF0)
    assert not before(7, 7)
    assert not after(7, 7)


def test_a_segment_is_read() -> None:
    read = segment(SYN | ACK | FIN, 0xFFFFFFFF, 7, DATA, window=9, options=SCALE_7 + SACK_PERMITTED)
    assert read == Segment(SYN | ACK | FIN, 0xFFFFFFFF, 7, 9, 101, SCALE_7 + SACK_PERMITTED)
    assert list(read.walk_options()) == [(3, b"\x07"), (4, b"")]


@pytest.mark.parametrize("options", [b"\x03\x00", b"\x03\x09\x07", b"\x03"], ids=["no length", "too long", "cut"])
def test_options_that_make_no_sense_end_the_list(options: bytes) -> None:
    read = segment(SYN, 1)._replace(options=SACK_PERMITTED[:2] + options)
    assert list(read.walk_options()) == [(4, b"")]


def test_data_beyond_the_window_is_invalid() -> None:
    watched = established()
    assert watched.out(segment(ACK, 101, 501, DATA)) == ACCEPT
    assert watched.out(segment(ACK, 3101, 501, DATA)) == INVALID
    assert watched.out(segment(ACK, 1101, 501)) == ACCEPT, "at its end"


def test_a_window_grows_by_the_scale_that_both_have_told() -> None:
    beyond = segment(ACK, 101 + 100_000, 501)
    assert established(SCALE_7).out(beyond) == INVALID, "the window in a SYN is not scaled"
    watched = established(SCALE_7)
    assert watched.back(segment(ACK, 501, 101)) == ACCEPT
    assert watched.out(beyond) == ACCEPT
    watched = established(SCALE_7, b"")
    assert watched.back(segment(ACK, 501, 101)) == ACCEPT
    assert watched.out(beyond) == INVALID


def test_what_was_not_sent_cannot_be_acknowledged() -> None:
    watched = established()
    assert watched.back(segment(ACK, 501, 102)) == INVALID
    assert watched.out(segment(ACK, 101, 501, DATA)) == ACCEPT
    assert watched.back(segment(ACK, 501, 201)) == ACCEPT


def test_selective_acknowledgements_count_where_they_are_permitted() -> None:
    early = segment(ACK, 501, 101, options=sacked(300, 400))
    assert established(SACK_PERMITTED).back(early) == INVALID
    assert established().back(early) == ACCEPT


def test_what_comes_late_changes_nothing() -> None:
    watched = established()
    assert watched.out(segment(ACK, 101, 501, DATA)) == ACCEPT
    watched.connection.expires = 7.0
    assert watched.out(segment(ACK, (101 - 5000) % 2**32, 501)) == ACCEPT
    assert watched.connection.expires == 7.0


def test_a_liberal_judge_lets_everything_pass() -> None:
    watched = established()
    watched.tcp.be_liberal()
    assert watched.out(segment(ACK, 101 + 1_000_000, 900_000)) == ACCEPT


def test_data_that_is_not_acknowledged_shortens_the_life() -> None:
    watched = established()
    assert watched.connection.expires == TIMES[TcpTimeout.ESTABLISHED]
    watched.out(segment(ACK, 101, 501, DATA))
    assert watched.connection.expires == TIMES[TcpTimeout.UNACK]
    watched.back(segment(ACK, 501, 201))
    assert watched.connection.expires == TIMES[TcpTimeout.ESTABLISHED]


def test_three_retransmissions_shorten_the_life() -> None:
    watched = established()
    watched.back(segment(ACK, 501, 101))
    for _ in range(3):
        assert watched.connection.expires == TIMES[TcpTimeout.ESTABLISHED]
        watched.back(segment(ACK, 501, 101))
    assert watched.connection.expires == TIMES[TcpTimeout.RETRANS]


def test_a_window_of_zero_shortens_the_life() -> None:
    watched = established()
    watched.back(segment(ACK, 501, 101, window=0))
    assert watched.connection.expires == TIMES[TcpTimeout.RETRANS]


def test_who_tries_again_does_not_live_longer() -> None:
    watched = Watched(segment(SYN, 100))
    watched.connection.expires = 7.0
    assert watched.out(segment(SYN, 100)) == ACCEPT
    assert watched.connection.expires == 7.0


class TestResets:
    def test_the_answer_to_a_syn_ends_the_connection(self) -> None:
        assert Watched(segment(SYN, 100)).back(segment(RST | ACK, 0, 101)) == ENDED

    def test_one_that_is_out_of_line_is_forged(self) -> None:
        watched = established()
        assert watched.out(segment(ACK, 101, 501, DATA)) == ACCEPT
        assert watched.back(segment(RST, 400)) == INVALID
        assert watched.tcp.state == TcpState.ESTABLISHED

    def test_one_that_is_nearly_right_may_be_challenged(self) -> None:
        watched = established()
        assert watched.back(segment(RST, 600)) == ACCEPT
        assert watched.tcp.state == TcpState.ESTABLISHED
        assert watched.back(segment(RST, 501)) == ACCEPT
        assert watched.tcp.state == TcpState.CLOSE

    def test_the_last_of_a_train_closes(self) -> None:
        watched = established()
        assert watched.back(segment(ACK, 501, 101, DATA)) == ACCEPT
        assert watched.back(segment(RST, 601)) == ACCEPT
        assert watched.tcp.state == TcpState.CLOSE


class TestBeginningAnew:
    def test_after_a_close(self) -> None:
        watched = established()
        for sent, is_reply in (
            (segment(FIN | ACK, 101, 501), False),
            (segment(FIN | ACK, 501, 102), True),
            (segment(ACK, 102, 502), False),
        ):
            assert (watched.back if is_reply else watched.out)(sent) == ACCEPT
        assert watched.tcp.state == TcpState.TIME_WAIT
        assert watched.tcp.ends[0].flags & TcpFlag.CLOSE_INIT
        assert watched.out(segment(SYN, 9000)) == REOPENED

    def test_a_syn_that_its_peer_agrees_to(self) -> None:
        """The ends have forgotten a connection that is established here."""
        watched = established()
        assert watched.out(segment(SYN, 9000, window=2000)) == ACCEPT
        assert watched.tcp.state == TcpState.ESTABLISHED
        assert watched.back(segment(SYN | ACK, 7000, 9001)) == ACCEPT
        assert watched.tcp.state == TcpState.SYN_RECV
        assert watched.out(segment(ACK, 9001, 7001)) == ACCEPT
        assert watched.tcp.state == TcpState.ESTABLISHED

    def test_a_syn_that_is_answered_otherwise_changes_nothing(self) -> None:
        watched = established()
        assert watched.out(segment(SYN, 9000)) == ACCEPT
        assert watched.back(segment(SYN | ACK, 7000, 4444)) == ACCEPT
        assert watched.tcp.state == TcpState.ESTABLISHED

    def test_a_challenge_is_not_the_last_ack(self) -> None:
        watched = established()
        watched.out(segment(FIN | ACK, 101, 501))
        watched.back(segment(FIN | ACK, 501, 102))
        assert watched.tcp.state == TcpState.LAST_ACK
        watched.out(segment(SYN, 9000))
        assert watched.back(segment(ACK, 502, 102)) == ACCEPT
        assert watched.tcp.state == TcpState.LAST_ACK
        watched.out(segment(ACK, 102, 502))
        assert watched.tcp.state == TcpState.TIME_WAIT

    def test_both_ends_may_open(self) -> None:
        watched = Watched(segment(SYN, 100))
        assert watched.back(segment(SYN, 500)) == ACCEPT
        assert watched.tcp.state == TcpState.SYN_SENT2
        assert watched.out(segment(SYN | ACK, 100, 501)) == ACCEPT
        assert watched.tcp.state == TcpState.SYN_RECV
        assert watched.back(segment(ACK, 501, 101)) == ACCEPT
        assert watched.tcp.state == TcpState.ESTABLISHED
