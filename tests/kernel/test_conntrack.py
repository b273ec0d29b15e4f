"""Connections that real traffic makes through ``ct`` actions: listed, counted, deleted, translated, timed.

The lab's kernel has no conntrack zones but 0; what depends on them is tested elsewhere.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from dpif import Datapath, NetlinkError, NoSuchObject
from dpif.conntrack import (
    Conntrack,
    Entry,
    Masked,
    Match,
    Status,
    TcpInfo,
    TcpState,
    TimeoutPolicy,
    Tuple,
    TuplePattern,
    format_entry,
    policy_name,
)
from dpif.packet import build
from dpif.testing import netns
from dpif.testing.kernel import KernelHarness, VethHost
from dpif.testing.waiting import eventually

HERE, THERE, PUBLIC = map(IPv4Address, ("10.0.0.1", "10.0.0.2", "10.9.9.9"))
IPV4 = "eth(),eth_type(0x0800),ipv4(frag=no)"
IPV6 = "eth(),eth_type(0x86dd),ipv6(frag=no)"


def framed(packet: bytes) -> bytes:
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)


def udp(src_port: int = 1000) -> bytes:
    return framed(build.udp(str(HERE), str(THERE), src_port, 53, b"question"))


@pytest.fixture
def harness() -> Iterator[KernelHarness]:
    with KernelHarness() as made:
        yield made


@pytest.fixture
def dp(harness: KernelHarness) -> Iterator[Datapath]:
    dp = harness.open("ct0", create=True)
    dp.conntrack.flush()
    yield dp
    dp.conntrack.flush()


@pytest.fixture
def hosts(harness: KernelHarness, dp: Datapath) -> tuple[VethHost, VethHost]:
    """Hosts on ports 1 and 2."""
    first, second = harness.host(), harness.host()
    dp.ports.add(first.name, number=1)
    dp.ports.add(second.name, number=2)
    return first, second


@pytest.fixture
def tracked(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> Datapath:
    """A datapath that tracked five connections: UDP from ports 1000 and 1001, TCP, a ping, and UDP over IPv6."""
    dp.flows.add(f"in_port(1),{IPV4}", "ct(commit,mark=0x5/0xffffffff,label=0xabc0000000000000000),2")
    dp.flows.add(f"in_port(1),{IPV6}", "ct(commit),2")
    first, second = hosts
    for packet in (
        udp(1000),
        udp(1001),
        framed(build.tcp(str(HERE), str(THERE), 1000, 80, flags=2)),
        framed(build.echo(str(HERE), str(THERE), ident=7)),
        framed(build.udp("fc00::1", "fc00::2", 1000, 53)),
    ):
        first.send(packet)
        assert second.recv() == packet
    return dp


def ports(dp: Datapath) -> set[tuple[int, int | None]]:
    """Return protocol and source port of every connection."""
    return {(entry.orig.protocol, entry.orig.src_port) for entry in dp.conntrack}


FIVE = {(17, 1000), (17, 1001), (6, 1000), (1, None)}


class TestDump:
    def test_entries(self, tracked: Datapath) -> None:
        found = {(entry.orig.family, entry.orig.protocol, entry.orig.src_port): entry for entry in tracked.conntrack}
        assert set(found) == {(2, *key) for key in FIVE} | {(10, 17, 1000)}
        plain = found[2, 17, 1000]
        assert plain.orig == Tuple(HERE, THERE, 17, 1000, 53)
        assert plain.reply == Tuple(THERE, HERE, 17, 53, 1000)
        assert (plain.mark, plain.labels, plain.zone) == (5, 0xABC << 64, 0)
        assert plain.status == Status.CONFIRMED
        assert 0 < plain.timeout <= 30
        assert plain.unknown == ()
        assert len({entry.id for entry in found.values()}) == 5
        opening = found[2, 6, 1000].protoinfo
        assert isinstance(opening, TcpInfo)
        assert opening.state == TcpState.SYN_SENT
        ping = found[2, 1, None]
        assert ping.orig == Tuple(HERE, THERE, 1, icmp_id=7, icmp_type=8, icmp_code=0)
        assert ping.reply.icmp_type == 0
        assert found[10, 17, 1000].orig.src == IPv6Address("fc00::1")

    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            (Match(), FIVE),
            (Match(17), {(17, 1000), (17, 1001)}),
            (Match(mark=Masked(0x5, 0xFF)), FIVE),
            (Match(mark=Masked(0x4, 0x2)), FIVE),
            (Match(mark=Masked(0x6, 0x2)), set()),
            (Match(labels=Masked(0xC << 64, 0xF << 64)), FIVE),
            (Match(labels=Masked(0, 0xF << 64)), {(17, 1000)}),
            (Match(orig=TuplePattern(dst_port=53)), {(17, 1000), (17, 1001)}),
            (Match(orig=TuplePattern(src=HERE, src_port=1000)), {(17, 1000), (6, 1000)}),
            (Match(reply=TuplePattern(icmp_type=0)), {(1, None)}),
        ],
    )
    def test_filters(self, tracked: Datapath, match: Match, expected: set[tuple[int, int | None]]) -> None:
        found = {(entry.orig.protocol, entry.orig.src_port) for entry in tracked.conntrack.dump(match)}
        assert found == expected

    def test_zones(self, tracked: Datapath) -> None:
        assert len(list(tracked.conntrack.dump(zone=0))) == 5
        assert list(tracked.conntrack.dump(zone=3)) == []

    def test_one(self, tracked: Datapath) -> None:
        assert tracked.conntrack.get(Tuple(HERE, THERE, 17, 1001, 53)).mark == 5
        with pytest.raises(NoSuchObject):
            tracked.conntrack.get(Tuple(HERE, THERE, 17, 1002, 53))

    def test_statistics(self, tracked: Datapath) -> None:
        found = tracked.conntrack.statistics()
        assert (found.total, dict(found.protocols)) == (5, {17: 3, 6: 1, 1: 1})
        assert dict(found.tcp_states) == {"SYN_SENT": 1}

    @pytest.mark.parametrize("options", [(), ("-m",), ("-s",), ("-m", "-s")])
    @pytest.mark.usefixtures("accounting")
    def test_lines_are_those_of_ovs_dpctl(
        self, tracked: Datapath, hosts: tuple[VethHost, VethHost], options: tuple[str, ...]
    ) -> None:
        hosts[0].send(udp(3333))
        assert hosts[1].recv() == udp(3333)
        more, statistics = "-m" in options, "-s" in options

        def ours() -> list[str]:
            return sorted(format_entry(one, more=more, statistics=statistics) for one in tracked.conntrack)

        for _ in range(20):  # until no timeout counted down between the two
            before, theirs, after = ours(), netns.run("ovs-dpctl", *options, "dump-conntrack", "ct0"), ours()
            if before == after:
                break
        assert sorted(theirs.splitlines()) == before
        assert len(before) == 6
        assert statistics == any(",packets=1,bytes=36),reply=" in line for line in before)


@pytest.fixture
def accounting() -> Iterator[None]:
    """Counters for the connections that begin from now on."""
    setting = Path("/proc/sys/net/netfilter/nf_conntrack_acct")
    before = setting.read_text()
    setting.write_text("1")
    yield
    setting.write_text(before)


class TestFlush:
    def test_everything(self, tracked: Datapath) -> None:
        tracked.conntrack.flush()
        assert list(tracked.conntrack) == []

    def test_a_zone(self, tracked: Datapath) -> None:
        tracked.conntrack.flush(zone=4)
        assert len(list(tracked.conntrack)) == 5
        tracked.conntrack.flush(zone=0)
        assert list(tracked.conntrack) == []

    def test_one_connection(self, tracked: Datapath) -> None:
        match = Match(17, TuplePattern(HERE, THERE, 1000, 53))
        tracked.conntrack.flush(match)
        assert ports(tracked) == FIVE  # that of IPv6 has the same ports
        assert len(list(tracked.conntrack)) == 4
        with pytest.raises(NoSuchObject, match="deleting a connection"):
            tracked.conntrack.flush(match)

    @pytest.mark.parametrize(
        ("match", "left"),
        [
            (Match(17), 2),
            (Match(orig=TuplePattern(src=HERE)), 1),
            (Match(mark=Masked(0, 0xFFFFFFFF)), 4),
            (Match(labels=Masked(0xABC << 64, 0xFFF << 64)), 1),
            (Match(1, reply=TuplePattern(dst=HERE)), 4),
            (Match(6, TuplePattern(dst_port=443)), 5),
        ],
    )
    def test_matching_connections(self, tracked: Datapath, match: Match, left: int) -> None:
        tracked.conntrack.flush(match)
        assert len(list(tracked.conntrack)) == left
        assert list(tracked.conntrack.dump(match)) == []

    def test_an_entry_is_not_a_later_one(self, tracked: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
        orig = Tuple(HERE, THERE, 17, 1000, 53)
        entry = tracked.conntrack.get(orig)
        tracked.conntrack.delete(entry)
        hosts[0].send(udp(1000))
        assert hosts[1].recv() is not None
        assert tracked.conntrack.get(orig).orig == orig
        with pytest.raises(NoSuchObject):
            tracked.conntrack.delete(entry._replace(id=entry.id ^ 1))
        tracked.conntrack.delete(orig)
        with pytest.raises(NoSuchObject):
            tracked.conntrack.delete(orig)

    def test_a_kernel_without_zones_says_so(self, tracked: Datapath) -> None:
        with pytest.raises(NetlinkError) as caught:
            tracked.conntrack.delete(Tuple(HERE, THERE, 17, 1000, 53), zone=1)
        assert caught.value.errno == errno.EOPNOTSUPP


def test_source_addresses_are_translated_there_and_back(dp: Datapath, hosts: tuple[VethHost, VethHost]) -> None:
    first, second = hosts
    dp.flows.add(f"in_port(1),{IPV4}", f"ct(commit,nat(src={PUBLIC}:5000-5000)),2")
    dp.flows.add(f"in_port(2),{IPV4}", "ct(nat),1")
    first.send(udp())
    assert second.recv() == framed(build.udp(str(PUBLIC), str(THERE), 5000, 53, b"question"))
    second.send(framed(build.udp(str(THERE), str(PUBLIC), 53, 5000, b"answer")))
    assert first.recv() == framed(build.udp(str(THERE), str(HERE), 53, 1000, b"answer"))
    (entry,) = dp.conntrack
    assert entry.reply == Tuple(THERE, PUBLIC, 17, 53, 5000)
    assert entry.status & (Status.SRC_NAT | Status.SEEN_REPLY) == Status.SRC_NAT | Status.SEEN_REPLY


def test_connections_may_be_opened_from_inside_alone(dp: Datapath, two_hosts: list[netns.Host]) -> None:
    inside, outside = two_hosts
    dp.ports.add(inside.port, number=1)
    dp.ports.add(outside.port, number=2)
    for here, there in ((1, 2), (2, 1)):
        dp.flows.add(f"in_port({here}),eth(),eth_type(0x0806),arp()", str(there))
        dp.flows.add(f"recirc_id(0),in_port({here}),{IPV4}", "ct,recirc(1)")
        dp.flows.add(f"recirc_id(1),in_port({here}),ct_state(-new+est+trk),{IPV4}", str(there))
    dp.flows.add(f"recirc_id(1),in_port(1),ct_state(+new+trk),{IPV4}", "ct(commit),2")
    refused = dp.flows.add(f"recirc_id(1),in_port(2),ct_state(+new+trk),{IPV4}", "drop")

    assert talk(inside, outside) == b"hello"
    states = [(entry.orig.src, established(entry)) for entry in dp.conntrack]
    assert states == [(IPv4Address(inside.address), True)]
    with pytest.raises(TimeoutError):
        talk(outside, inside, timeout=0.5)
    assert dp.flows.get(refused.record.key).packets >= 1
    assert [entry.orig.src for entry in dp.conntrack] == [IPv4Address(inside.address)]


def established(entry: Entry) -> bool:
    return bool(entry.status & Status.ASSURED) and isinstance(entry.protoinfo, TcpInfo)


def talk(client: netns.Host, server: netns.Host, timeout: float = 10) -> bytes:
    """Return what the server reads of a TCP connection that the client opens."""
    with (
        server.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
        client.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as opened,
    ):
        listener.bind((server.address, 8080))
        listener.listen()
        listener.settimeout(timeout)
        opened.settimeout(timeout)
        opened.connect((server.address, 8080))
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(timeout)
            opened.sendall(b"hello")
            return accepted.recv(5, socket.MSG_WAITALL)


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


class TestTimeouts:
    @pytest.fixture(autouse=True)
    def _tidy(self, dp: Datapath) -> Iterator[None]:
        yield
        dp.flows.flush()
        dp.conntrack.flush()
        eventually(lambda: deleted(dp.conntrack))  # the kernel lets go of what a flow used a moment after the flow

    def test_a_policy_comes_changes_and_goes(self, dp: Datapath) -> None:
        timeouts = dp.conntrack.timeouts
        with pytest.raises(NoSuchObject, match="reading timeout policy 4"):
            timeouts.get(4)
        timeouts.set(TimeoutPolicy(4, tcp_syn_sent=7, udp_single=3, icmp_first=1))
        policy = timeouts.get(4)
        assert (policy.tcp_syn_sent, policy.udp_single, policy.icmp_first, policy.complete) == (7, 3, 1, True)
        assert policy.udp_multiple is not None, "the kernel's own"
        assert policy.tcp_unack is not None
        timeouts.set(policy._replace(udp_single=9))
        assert timeouts.get(4) == policy._replace(udp_single=9)
        timeouts.set(TimeoutPolicy(2))
        assert [(one.id, one.udp_single) for one in timeouts] == [(2, timeouts.get(2).udp_single), (4, 9)]
        timeouts.delete(4)
        timeouts.delete(4)
        assert [one.id for one in timeouts] == [2]

    def test_a_policy_holds_for_the_connections_that_name_it(
        self, dp: Datapath, hosts: tuple[VethHost, VethHost]
    ) -> None:
        timeouts = dp.conntrack.timeouts
        timeouts.set(TimeoutPolicy(4, udp_single=12345))
        flow = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
        dp.flows.add(flow, f"ct(commit,timeout={policy_name(4, socket.AF_INET, 17)}),2")
        hosts[0].send(udp())
        assert hosts[1].recv() == udp()
        (entry,) = dp.conntrack
        assert 12000 < entry.timeout <= 12345
        with pytest.raises(NetlinkError) as caught:
            timeouts.delete(4)
        assert caught.value.errno == errno.EBUSY
        assert [(one.id, one.complete) for one in timeouts] == [(4, False)], "the parts that no flow used are gone"
