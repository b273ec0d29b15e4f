"""The table of connections from outside: listed, looked up, deleted, counted; timeout policies."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest

from dpif.conntrack import (
    Conntrack,
    Entry,
    Masked,
    Match,
    SctpInfo,
    SctpState,
    Status,
    TcpInfo,
    TcpState,
    TimeoutPolicy,
    Tuple,
    TuplePattern,
    policy_name,
)
from dpif.conntrack.timeouts import KernelTimeout
from dpif.errors import NetlinkError, NoSuchObject
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_EXCL
from dpif.packet import build
from dpif.testing.conformance import conntrack as ct
from dpif.testing.conformance.conntrack import (
    ACK,
    CLIENT,
    CLIENT6,
    OUTSIDE,
    SERVER,
    SERVER6,
    SYN,
    SYN_ACK,
    OnTracking,
    Tracking,
    sctp,
    tcp,
    udp,
)
from dpif.testing.conformance.harness import Harness, refused
from dpif.testing.waiting import eventually

HERE, THERE = IPv4Address(CLIENT), IPv4Address(SERVER)
FIRST = Tuple(HERE, THERE, 17, 1000, 53)
LABEL = 0xABC << 64
ALL = {(17, 1000), (17, 1001), (6, 1000), (1, None)}


class _OnConnections(OnTracking):
    """Gives its tests five connections: UDP from ports 1000 and 1001, TCP, a ping, and UDP over IPv6."""

    @pytest.fixture
    def five(self, tracking: Tracking) -> Conntrack:
        for frame in (
            udp(CLIENT, SERVER, 1000, 53),
            udp(CLIENT, SERVER, 1001, 53),
            tcp(CLIENT, SERVER, 1000, 80, SYN),
            build.ethernet(ct.A, ct.B, build.echo(CLIENT, SERVER, ident=7)),
        ):
            tracking.go(frame, f"ct(commit,mark=0x5/0xffffffff,label={LABEL:#x})")
        tracking.go(udp(CLIENT6, SERVER6, 1000, 53), "ct(commit)")
        return tracking.dp.conntrack


def names(entries: Iterator[Entry]) -> set[tuple[int, int | None]]:
    """Return protocol and source port of entries."""
    return {(entry.orig.protocol, entry.orig.src_port) for entry in entries}


class ConntrackEntries(_OnConnections):
    """Entries and what they tell."""

    def test_what_entries_tell(self, five: Conntrack) -> None:
        found = {(entry.orig.family, entry.orig.protocol, entry.orig.src_port): entry for entry in five}
        assert set(found) == {(socket.AF_INET, *key) for key in ALL} | {(socket.AF_INET6, 17, 1000)}
        plain = found[socket.AF_INET, 17, 1000]
        assert (plain.orig, plain.reply) == (FIRST, Tuple(THERE, HERE, 17, 53, 1000))
        assert (plain.mark, plain.labels, plain.zone) == (5, LABEL, 0)
        assert plain.status == Status.CONFIRMED
        assert 0 < plain.timeout <= 30
        assert plain.unknown == ()
        assert len({entry.id for entry in found.values()}) == 5
        opening = found[socket.AF_INET, 6, 1000].protoinfo
        assert isinstance(opening, TcpInfo)
        assert opening.state == TcpState.SYN_SENT
        ping = found[socket.AF_INET, 1, None]
        assert ping.orig == Tuple(HERE, THERE, 1, icmp_id=7, icmp_type=8, icmp_code=0)
        assert ping.reply.icmp_type == 0
        assert found[socket.AF_INET6, 17, 1000].orig.src == IPv6Address(CLIENT6)

    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            (Match(), ALL),
            (Match(17), {(17, 1000), (17, 1001)}),
            (Match(mark=Masked(0x5, 0xFF)), ALL),
            (Match(mark=Masked(0x4, 0x2)), ALL),
            (Match(mark=Masked(0x6, 0x2)), set()),
            (Match(mark=Masked(0, 0x4)), {(17, 1000)}),
            (Match(labels=Masked(0xC << 64, 0xF << 64)), ALL),
            (Match(labels=Masked(0, 0xF << 64)), {(17, 1000)}),
            (Match(orig=TuplePattern(dst_port=53)), {(17, 1000), (17, 1001)}),
            (Match(orig=TuplePattern(src=HERE, src_port=1000)), {(17, 1000), (6, 1000)}),
            (Match(orig=TuplePattern(src=IPv6Address(CLIENT6))), {(17, 1000)}),
            (Match(reply=TuplePattern(icmp_type=0)), {(1, None)}),
        ],
    )
    def test_filters(self, five: Conntrack, match: Match, expected: set[tuple[int, int | None]]) -> None:
        assert names(five.dump(match)) == expected

    def test_the_datapath_filters_by_mark(self, five: Conntrack, tracking: Tracking) -> None:
        tracking.go(udp(CLIENT, SERVER, 1002, 53), "ct(commit,mark=0x6/0xff)")
        assert names(five.dump(Match(mark=Masked(0x6, 0xFF)))) == {(17, 1002)}

    def test_one(self, five: Conntrack) -> None:
        assert five.get(FIRST).mark == 5
        assert five.get(five.get(FIRST).reply).orig == FIRST, "found by either direction"
        ping = Tuple(HERE, THERE, 1, icmp_id=7, icmp_type=8, icmp_code=0)
        assert five.get(ping).orig == ping
        with pytest.raises(NoSuchObject, match="reading a connection"):
            five.get(FIRST._replace(src_port=1002))
        with refused(errno.EINVAL, "a tuple without ports"):
            five.get(Tuple(HERE, THERE, 17))

    def test_counted(self, five: Conntrack) -> None:
        found = five.statistics()
        assert (found.total, dict(found.protocols)) == (5, {17: 3, 6: 1, 1: 1})
        assert dict(found.tcp_states) == {"SYN_SENT": 1}
        totals = five.totals()
        assert totals.entries == 5
        assert (totals.max_entries or 0) > 5

    def test_zones(self, tracking: Tracking, harness: Harness) -> None:
        if "ct_zones" not in harness.capabilities:
            pytest.skip("no conntrack zones")
        conntrack = tracking.dp.conntrack
        for zone in (0, 5, 6):
            tracking.go(udp(CLIENT, SERVER, 1000, 53), f"ct(commit,zone={zone})")
        assert sorted(entry.zone for entry in conntrack) == [0, 5, 6]
        assert [entry.zone for entry in conntrack.dump(zone=5)] == [5]
        assert list(conntrack.dump(zone=7)) == []
        assert conntrack.statistics(zone=6).total == 1
        assert conntrack.get(FIRST, zone=6).zone == 6
        with pytest.raises(NoSuchObject):
            conntrack.get(FIRST, zone=7)
        conntrack.delete(FIRST, zone=6)
        conntrack.flush(zone=7)
        assert sorted(entry.zone for entry in conntrack) == [0, 5]
        conntrack.flush(zone=5)
        assert [entry.zone for entry in conntrack] == [0]

    def test_an_answered_connection(self, tracking: Tracking) -> None:
        tracking.go(udp(CLIENT, SERVER, 1000, 53), f"ct(commit,nat(src={OUTSIDE}:5000-5000))")
        tracking.go(udp(SERVER, OUTSIDE, 53, 5000))
        (entry,) = tracking.dp.conntrack
        assert entry.reply == Tuple(THERE, IPv4Address(OUTSIDE), 17, 53, 5000)
        assert entry.status == Status.SEEN_REPLY | Status.CONFIRMED | Status.SRC_NAT | Status.SRC_NAT_DONE

    def test_the_state_of_tcp(self, tracking: Tracking) -> None:
        out, back = (CLIENT, SERVER, 1000, 80), (SERVER, CLIENT, 80, 1000)
        told = []
        for frame in (tcp(*out, SYN, 1), tcp(*back, SYN_ACK, 1, 2), tcp(*out, ACK, 2, 2)):
            tracking.go(frame, "ct(commit)")
            (entry,) = tracking.dp.conntrack
            assert isinstance(entry.protoinfo, TcpInfo)
            told.append((entry.protoinfo.state, bool(entry.status & Status.ASSURED)))
        assert told == [(TcpState.SYN_SENT, False), (TcpState.SYN_RECV, False), (TcpState.ESTABLISHED, True)]
        assert entry.timeout > 400_000

    def test_the_state_of_sctp(self, tracking: Tracking) -> None:
        told = []
        for reply, tag, chunk in (
            (False, 0, ct.INIT),
            (True, 0x11111111, ct.INIT_ACK),
            (False, 0x22222222, ct.COOKIE_ECHO),
            (True, 0x11111111, ct.COOKIE_ACK),
        ):
            tracking.go(sctp(tag, chunk, reply=reply), "ct(commit)")
            (entry,) = tracking.dp.conntrack
            assert isinstance(entry.protoinfo, SctpInfo)
            told.append(entry.protoinfo.state)
        assert told == [SctpState.CLOSED, SctpState.COOKIE_WAIT, SctpState.COOKIE_ECHOED, SctpState.ESTABLISHED]
        assert entry.protoinfo == SctpInfo(SctpState.ESTABLISHED, 0x22222222, 0x11111111)


class ConntrackFlush(_OnConnections):
    """Deleting."""

    def test_everything(self, five: Conntrack) -> None:
        five.flush()
        assert list(five) == []

    def test_a_zone(self, five: Conntrack) -> None:
        five.flush(zone=4)
        assert len(list(five)) == 5
        five.flush(zone=0)
        assert list(five) == []

    def test_a_connection_that_is_deleted_begins_anew(self, tracking: Tracking) -> None:
        query, answer = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
        tracking.go(query, "ct(commit)")
        assert tracking.state(answer, "ct") == ct.TRK | ct.EST | ct.RPL
        tracking.dp.conntrack.flush()
        assert tracking.state(answer, "ct") == ct.TRK | ct.NEW

    def test_one_connection(self, five: Conntrack) -> None:
        match = Match(17, TuplePattern(HERE, THERE, 1000, 53))
        five.flush(match)
        assert names(iter(five)) == ALL  # that of IPv6 has the same ports
        assert len(list(five)) == 4
        with pytest.raises(NoSuchObject, match="deleting a connection"):
            five.flush(match)

    @pytest.mark.parametrize(
        ("match", "left"),
        [
            (Match(17), 2),
            (Match(orig=TuplePattern(src=HERE)), 1),
            (Match(mark=Masked(0, 0xFFFFFFFF)), 4),
            (Match(labels=Masked(LABEL, 0xFFF << 64)), 1),
            (Match(1, reply=TuplePattern(dst=HERE)), 4),
            (Match(6, TuplePattern(dst_port=443)), 5),
        ],
    )
    def test_matching_connections(self, five: Conntrack, match: Match, left: int) -> None:
        five.flush(match)
        assert len(list(five)) == left
        assert list(five.dump(match)) == []

    def test_an_entry_is_not_a_later_one(self, five: Conntrack, tracking: Tracking) -> None:
        entry = five.get(FIRST)
        five.delete(entry)
        tracking.go(udp(CLIENT, SERVER, 1000, 53), "ct(commit)")
        assert five.get(FIRST).orig == FIRST
        with pytest.raises(NoSuchObject):
            five.delete(entry._replace(id=five.get(FIRST).id ^ 1))
        five.delete(FIRST)
        with pytest.raises(NoSuchObject):
            five.delete(FIRST)


def deleted(conntrack: Conntrack) -> bool:
    """Delete all timeout policies; tell whether nobody used one."""
    try:
        for policy in conntrack.timeouts:
            conntrack.timeouts.delete(policy.id)
    except NetlinkError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


class ConntrackTimeouts(OnTracking):
    """Timeout policies."""

    @pytest.fixture(autouse=True)
    def _tidy(self, tracking: Tracking) -> Iterator[None]:
        yield
        dp = tracking.dp
        dp.flows.flush()
        dp.conntrack.flush()
        eventually(lambda: deleted(dp.conntrack))  # the kernel lets go of what a flow used a moment after the flow

    def test_a_policy_comes_changes_and_goes(self, tracking: Tracking) -> None:
        timeouts = tracking.dp.conntrack.timeouts
        with pytest.raises(NoSuchObject, match="reading timeout policy 4"):
            timeouts.get(4)
        timeouts.set(TimeoutPolicy(4, tcp_syn_sent=7, udp_single=3, icmp_first=1))
        policy = timeouts.get(4)
        assert (policy.tcp_syn_sent, policy.udp_single, policy.icmp_first, policy.complete) == (7, 3, 1, True)
        assert (policy.udp_multiple, policy.tcp_unack) == (120, 300), "the datapath's own"
        timeouts.set(policy._replace(udp_single=9))
        assert timeouts.get(4) == policy._replace(udp_single=9)
        timeouts.set(TimeoutPolicy(2))
        assert [(one.id, one.udp_single) for one in timeouts] == [(2, 30), (4, 9)]
        timeouts.delete(4)
        timeouts.delete(4)
        assert [one.id for one in timeouts] == [2]

    def test_what_is_refused(self, tracking: Tracking) -> None:
        timeouts = tracking.dp.conntrack.timeouts
        ours = KernelTimeout(policy_name(4, socket.AF_INET, 17), socket.AF_INET, 17, {1: 5})
        timeouts.put(ours, flags=NLM_F_CREATE | NLM_F_EXCL)
        with refused(errno.EEXIST):
            timeouts.put(ours, flags=NLM_F_CREATE | NLM_F_EXCL)
        with refused(errno.EBUSY):
            timeouts.put(ours, flags=NLM_F_CREATE)
        with refused(errno.EINVAL):
            timeouts.put(ours._replace(protocol=6))
        with refused(errno.EOPNOTSUPP):
            timeouts.put(ours._replace(name="other", protocol=250))

    def test_a_policy_holds_for_the_connections_that_name_it(self, tracking: Tracking, harness: Harness) -> None:
        dp = tracking.dp
        dp.conntrack.timeouts.set(TimeoutPolicy(4, udp_single=12345))
        flow = "recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
        name = policy_name(4, socket.AF_INET, 17)
        dp.flows.add(flow, f"ct(commit,timeout={name}),recirc(0x1)")
        tracking.receive(udp(CLIENT, SERVER, 1000, 53))
        tracking.come_up()
        (entry,) = dp.conntrack
        assert 12000 < entry.timeout <= 12345
        if "timeouts_are_counted" not in harness.capabilities:
            dp.conntrack.timeouts.delete(4)
            assert list(dp.conntrack.timeouts) == []
            assert [entry.orig for entry in dp.conntrack] == [entry.orig], "it goes on without"
            return
        with refused(errno.EBUSY):
            dp.conntrack.timeouts.delete(4)
        left = [(one.id, one.complete) for one in dp.conntrack.timeouts]
        assert left == [(4, False)], "the parts that no flow used are gone"

    def test_a_policy_that_is_not_there_is_passed_over(self, tracking: Tracking) -> None:
        tracking.go(udp(CLIENT, SERVER, 1000, 53), "ct(commit,timeout=ovs_tp_9_udp4)")
        (entry,) = tracking.dp.conntrack
        assert 0 < entry.timeout <= 30
