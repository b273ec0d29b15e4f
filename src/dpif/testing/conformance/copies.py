"""Connection tracking where there are copies of a packet, and where a packet changes after it was tracked."""

from __future__ import annotations

import contextlib
import errno

import pytest

from dpif.conntrack import TcpInfo
from dpif.packet import build
from dpif.testing.conformance.conntrack import (
    ACK,
    CLIENT,
    CLIENT6,
    EST,
    NEW,
    OUTSIDE,
    RPL,
    RST,
    SERVER,
    SERVER6,
    SYN,
    TRK,
    A,
    B,
    OnTracking,
    Tracking,
    tcp,
    udp,
)
from dpif.testing.conformance.harness import Harness, refused

QUERY, ANSWER = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
AT_ONCE = "ct,clone(ct_clear,{}),{}"
"""Two packets, each with a connection of its own when the first is committed."""


class ConntrackCopies(OnTracking):
    """Copies share the connection that the packet had; what one does to it the keys of others do not tell."""

    def test_a_copy_commits_the_packets_connection(self, tracking: Tracking) -> None:
        actions = "ct,clone(ct(commit,mark=0x1/0xff),look),ct(commit),look,ct(commit,mark=0x10/0xf0),look"
        keys = [up.key for up in tracking.looks(QUERY, actions)]
        assert [key.ct_mark for key in keys] == [1, 0, 0x11]
        (entry,) = tracking.dp.conntrack
        assert entry.mark == 0x11

    def test_a_mark_that_is_there_already_is_not_told(self, tracking: Tracking) -> None:
        mark = "mark=0x6/0xf"
        keys = [
            up.key for up in tracking.looks(QUERY, f"ct,clone(ct(commit,{mark})),ct(commit),ct(commit,{mark}),look")
        ]
        assert [key.ct_mark for key in keys] == [0]

    @pytest.mark.parametrize("change", [f"set(ipv4(dst={OUTSIDE}))", "set(udp(src=2000))"])
    def test_other_ends_are_another_connection(self, tracking: Tracking, change: str) -> None:
        """The key tells of the old one, until the packet is tracked again."""
        tracking.go(QUERY, "ct(commit,mark=0x7/0xff)")
        assert tracking.state(ANSWER, "ct") == TRK | EST | RPL
        before, behind = (up.key for up in tracking.looks(QUERY, f"ct,{change},look,ct,look"))
        assert (before.ct_state, before.ct_mark) == (TRK | EST, 7)
        assert (behind.ct_state, behind.ct_mark) == (TRK | NEW, 0)

    def test_the_same_ends_are_the_same_connection(self, tracking: Tracking) -> None:
        """One that is not committed would be another if it were tracked again."""
        first = "ct(commit,nat(src=192.0.2.7))"
        actions = f"ct,set(ipv4(src={CLIENT},ttl=9)),clone(ct_clear,{first}),ct(commit,mark=0x3/0xff),look"
        (up,) = tracking.looks(QUERY, actions)
        assert up.key.ct_mark == 3
        (entry,) = tracking.dp.conntrack
        assert entry.mark == 0, "that of the copy, which came first"

    def test_a_reset_that_answers_nothing_is_let_through(self, tracking: Tracking) -> None:
        """Segments outside the windows of a connection that was picked up are no measure for it."""
        out, back = (CLIENT, SERVER, 1000, 80), (SERVER, CLIENT, 80, 1000)
        assert tracking.state(tcp(*out, ACK, 101, 501), "ct(commit)") == TRK | NEW
        assert tracking.state(tcp(*back, ACK, 101, 501), "ct") == TRK | EST | RPL
        assert tracking.state(tcp(*out, RST, 501, 0), "ct") == TRK | EST
        (entry,) = tracking.dp.conntrack
        assert isinstance(entry.protoinfo, TcpInfo)
        assert entry.protoinfo.flags_orig == entry.protoinfo.flags_reply


class ConntrackClashes(OnTracking):
    """Two packets that begin the same connection at the same time."""

    @pytest.mark.parametrize(
        "frame",
        [QUERY, udp(CLIENT6, SERVER6, 1000, 53), build.ethernet(A, B, build.ip(CLIENT, SERVER, 200, b"." * 40))],
        ids=["udp", "udp6", "other"],
    )
    def test_both_are_of_the_first(self, tracking: Tracking, frame: bytes) -> None:
        actions = AT_ONCE.format("ct(commit,mark=0x3/0xff)", "ct(commit,mark=0x10/0xff),look,ct,look")
        keys = [up.key for up in tracking.looks(frame, actions)]
        assert [(key.ct_state, key.ct_mark) for key in keys] == [(TRK | NEW, 0x10), (TRK | NEW, 0x10)]
        (entry,) = tracking.dp.conntrack
        assert entry.mark == 3
        assert tracking.go(frame, "ct").key.ct_mark == 3

    @pytest.mark.parametrize(
        ("frame", "capability"),
        [
            (tcp(CLIENT, SERVER, 1000, 80, SYN), "tcp_clashes"),
            (build.ethernet(A, B, build.echo(CLIENT, SERVER)), "icmp_clashes"),
            (build.ethernet(A, B, build.echo(CLIENT6, SERVER6)), "icmp_clashes"),
        ],
        ids=["tcp", "icmp", "icmpv6"],
    )
    def test_the_second_is_dropped(self, tracking: Tracking, harness: Harness, frame: bytes, capability: str) -> None:
        """Of TCP everywhere, of ICMP by older kernels."""
        may_clash = capability in harness.capabilities
        with contextlib.nullcontext() if may_clash else refused(errno.EINVAL, "a second that begins the same"):
            tracking.looks(frame, AT_ONCE.format("ct(commit,mark=0x3/0xff)", "ct(commit)"))
        assert tracking.go(frame, "ct").key.ct_mark == 3

    def test_translated_alike_both_are_of_the_first(self, tracking: Tracking) -> None:
        nat = f"ct(commit,nat(src={OUTSIDE}))"
        (up,) = tracking.looks(QUERY, AT_ONCE.format(nat, f"{nat},look"))
        assert up.packet == udp(OUTSIDE, SERVER, 1000, 53)
        assert tracking.dp.conntrack.totals().entries == 1

    def test_translated_otherwise_the_second_is_answered_for_a_moment(self, tracking: Tracking) -> None:
        """It is not listed, and found by its answers only."""
        actions = AT_ONCE.format(f"ct(commit,nat(src={OUTSIDE}))", "ct(commit,mark=0x10/0xff),look")
        (up,) = tracking.looks(QUERY, actions)
        assert (up.packet, up.key.ct_mark) == (QUERY, 0x10)
        conntrack = tracking.dp.conntrack
        assert conntrack.totals().entries == 2
        (entry,) = conntrack
        assert str(entry.reply.dst) == OUTSIDE
        key = tracking.go(ANSWER, "ct(nat)").key
        assert (key.ct_state, key.ct_mark) == (TRK | EST | RPL, 0x10)
        key = tracking.go(QUERY, "ct").key
        assert (key.ct_state, key.ct_mark) == (TRK | NEW, 0)
        assert tracking.state(udp(SERVER, OUTSIDE, 53, 1000), "ct") == TRK | EST | RPL
        conntrack.flush()
        assert conntrack.totals().entries == 0
        assert tracking.state(ANSWER, "ct") == TRK | NEW
