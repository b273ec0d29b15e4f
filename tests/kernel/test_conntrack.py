"""Connections that real traffic makes through ``ct`` actions: listed, counted, deleted, translated, timed.

The lab's kernel has no conntrack zones but 0; what depends on them is tested elsewhere.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from dpif import Datapath, NetlinkError
from dpif.conntrack import (
    Entry,
    Status,
    TcpInfo,
    Tuple,
    format_entry,
)
from dpif.packet import build
from dpif.testing import netns
from dpif.testing.conformance.harness import attach_two_hosts
from dpif.testing.kernel import KernelHarness, VethHost
from dpif.testing.waiting import PATIENCE

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
    return attach_two_hosts(harness, dp)


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


class TestDump:
    @pytest.mark.parametrize("options", [(), ("-m",), ("-s",), ("-m", "-s")])
    @pytest.mark.usefixtures("accounting")
    def test_lines_are_those_of_ovs_dpctl(
        self, tracked: Datapath, hosts: tuple[VethHost, VethHost], options: tuple[str, ...]
    ) -> None:
        hosts[0].send(udp(3333))
        assert hosts[1].recv() == udp(3333)
        more, statistics = "-m" in options, "-s" in options

        def ours() -> dict[str, int]:
            return timeouts([format_entry(one, more=more, statistics=statistics) for one in tracked.conntrack])

        before, theirs, after = ours(), netns.run("ovs-dpctl", *options, "dump-conntrack", "ct0"), ours()
        found = timeouts(theirs.splitlines())
        assert found.keys() == before.keys() == after.keys()
        assert all(after[line] <= seconds <= before[line] for line, seconds in found.items())
        assert len(theirs.splitlines()) == len(before) == 6
        assert statistics == any(",packets=1,bytes=36),reply=" in line for line in before)


def timeouts(lines: list[str]) -> dict[str, int]:
    """Return the seconds that each line tells, if any, by the line without them: they count down meanwhile."""
    told = re.compile(r"(?<=,timeout=)\d+")
    return {told.sub("", line): int("".join(told.findall(line)) or 0) for line in lines}


@pytest.fixture
def accounting() -> Iterator[None]:
    """Counters for the connections that begin from now on."""
    setting = Path("/proc/sys/net/netfilter/nf_conntrack_acct")
    before = setting.read_text()
    setting.write_text("1")
    yield
    setting.write_text(before)


def test_a_kernel_without_zones_says_so(tracked: Datapath) -> None:
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


def talk(client: netns.Host, server: netns.Host, timeout: float = PATIENCE) -> bytes:
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
