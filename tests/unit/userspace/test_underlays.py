"""The networks that tunnels travel on: in memory, and the host's loopback device."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

import dpif
from dpif.errors import AlreadyExists, NetlinkError
from dpif.packet import build
from dpif.packet.constants import IPPROTO_UDP
from dpif.testing.waiting import eventually
from dpif.userspace import HostUnderlay, MemoryUnderlay
from dpif.userspace.engine.underlay import Datagram, Place

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"payload"))
OUT = "in_port(1),eth(),eth_type(0x0800),ipv4()"


class End:
    """A datapath with a host in memory at port 1 and a tunnel at port 2."""

    def __init__(self, us: dpif.Userspace, address: str, type_: str, dst_port: int | None = None) -> None:
        self.us = us
        self.address = address
        self.host = us.device("h1")
        self.dp = us.open("br0", create=True)
        self.dp.ports.add("h1", number=1)
        options = {} if dst_port is None else {"dst_port": dst_port}
        self.tunnel = self.dp.ports.add("", type=type_, number=2, options=options)

    def connect(self, other: End, rest: str = "") -> None:
        """Let everything between the hosts through, with a key."""
        field = "ipv6_" if ":" in self.address else ""
        key = f"tun_id=0x7,{field}src={self.address},{field}dst={other.address}"
        self.dp.flows.add(OUT, f"set(tunnel({key},ttl=9{rest},flags(df|key))),2")
        came = f"tunnel(tun_id=0x7,{field}src={other.address},{field}dst={self.address},ttl=9)"
        self.dp.flows.add(f"{came},in_port(2),eth(),eth_type(0x0800),ipv4()", "1")

    def received(self) -> bytes:
        """Return what the host receives."""
        found: list[bytes] = []

        def arrives() -> bool:
            self.us.run_once(0.1)
            found.extend(filter(None, [self.host.recv()]))
            return bool(found)

        eventually(arrives)
        return found[0]


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[dpif.Userspace, dpif.Userspace]]:
    """Two systems on the underlays that the test's parameter makes."""
    west, east = request.param()
    with dpif.Userspace(underlay=west) as first, dpif.Userspace(underlay=east) as second:
        yield first, second


def in_memory() -> tuple[MemoryUnderlay, MemoryUnderlay]:
    west, east = MemoryUnderlay("127.0.0.1", "::1"), MemoryUnderlay("127.0.0.2", "::2")
    west.on_packet, east.on_packet = east.send, west.send
    return west, east


def on_loopback() -> tuple[HostUnderlay, HostUnderlay]:
    return HostUnderlay("127.0.0.1"), HostUnderlay("127.0.0.2")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.2", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("pair", [in_memory, on_loopback], indirect=True)
@pytest.mark.parametrize("type_", ["vxlan", "geneve"])
def test_two_systems_are_joined(pair: tuple[dpif.Userspace, dpif.Userspace], type_: str) -> None:
    port = free_udp_port()
    west = End(pair[0], "127.0.0.1", type_, port)
    east = End(pair[1], "127.0.0.2", type_, port)
    west.connect(east)
    east.connect(west)
    west.host.send(UDP)
    assert east.received() == UDP
    east.host.send(UDP)
    assert west.received() == UDP


@pytest.mark.parametrize("pair", [in_memory], indirect=True)
@pytest.mark.parametrize("type_", ["vxlan", "ip6gre"])
def test_two_systems_are_joined_over_ipv6(pair: tuple[dpif.Userspace, dpif.Userspace], type_: str) -> None:
    west, east = End(pair[0], "::1", type_), End(pair[1], "::2", type_)
    west.connect(east)
    east.connect(west)
    west.host.send(UDP)
    assert east.received() == UDP


@pytest.mark.parametrize("pair", [in_memory], indirect=True)
def test_gre_has_a_type_for_each_version_of_ip(pair: tuple[dpif.Userspace, dpif.Userspace]) -> None:
    west, east = End(pair[0], "::1", "gre"), End(pair[1], "::2", "ip6gre")
    west.dp.ports.add("", type="ip6gre", number=3)
    west.connect(east)
    east.connect(west)
    west.host.send(UDP)
    assert east.host.recv() is None
    stats = west.dp.ports.get(2).stats
    assert stats is not None
    assert (stats.tx_packets, stats.tx_dropped) == (0, 1)
    east.host.send(UDP)
    stats = west.dp.ports.get(3).stats
    assert stats is not None
    assert stats.rx_packets == 1
    with pytest.raises(AlreadyExists):
        west.dp.ports.add("", type="ip6gre")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this host has no IPv6")
def test_two_tunnels_on_one_address_have_ports_of_their_own() -> None:
    with (
        dpif.Userspace(underlay=HostUnderlay("::1")) as first,
        dpif.Userspace(underlay=HostUnderlay("::1")) as second,
    ):
        west = End(first, "::1", "vxlan", port := free_udp_port())
        east = End(second, "::1", "vxlan", free_udp_port())
        west.connect(east, f",tp_dst={(east.tunnel.options or {})['dst_port']}")
        east.connect(west, f",tp_dst={port}")
        west.host.send(UDP)
        assert east.received() == UDP


def test_what_the_host_tells_of_a_datagram() -> None:
    port, received = free_udp_port(), list[Datagram]()
    near = HostUnderlay("127.0.0.1").open(Place(IPPROTO_UDP, port), received.append)
    far = HostUnderlay().open(Place(IPPROTO_UDP, free_udp_port()), received.append)
    one, two = socket.inet_aton("127.0.0.1"), socket.inet_aton("127.0.0.3")
    try:
        for source, told in ((b"", one), (two, two)):
            sent = Datagram(b"payload", source, one, 0x22, 33, dst_port=port, df=True, csum=True)
            routed = far.route(sent)
            assert routed is not None
            assert routed.src == told
            assert far.send(sent)
            assert near.poll(10) == 1
            assert received.pop() == Datagram(b"payload", told, one, 0x22, 33, routed.src_port, port)
        assert not far.send(sent._replace(payload=bytes(0xFFFF)))
        assert not far.send(sent._replace(src=socket.inet_aton("192.0.2.1")))
        assert not near.send(sent._replace(src=two))
        assert near.route(sent._replace(dst=bytes(16))) is None
    finally:
        near.close()
        far.close()


@contextlib.contextmanager
def no_more_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.dup(0)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_descriptors_run_out_an_upcall_does_not_tell_how_the_packet_would_leave() -> None:
    """To learn the source address the host is asked with a socket; without one the upcall comes all the same."""
    with dpif.Userspace(underlay=HostUnderlay()) as us:
        end = End(us, "127.0.0.1", "vxlan", free_udp_port())
        with end.dp.upcalls() as upcalls:
            userspace = f"userspace(pid={upcalls.pid_of(1)},userdata(01),tunnel_out_port=2)"
            end.dp.flows.add(OUT, f"set(tunnel(tun_id=0x7,dst=127.0.0.2,ttl=9,flags(key))),{userspace}")
            end.host.send(UDP)
            (with_one,) = upcalls.poll(0)
            with no_more_descriptors():
                end.host.send(UDP)
            (without,) = upcalls.poll(0)
        assert with_one.egress_tunnel
        assert str(with_one.egress_tunnel.src) == "127.0.0.1"
        assert (without.packet, without.egress_tunnel) == (UDP, None)
        assert end.dp.stats().lost == 0
        end.dp.close()


def test_a_port_of_the_host_that_is_taken() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, dpif.Userspace() as us:
        other.bind(("127.0.0.1", 0))
        with us.open("br0", create=True) as dp:
            with pytest.raises(NetlinkError) as caught:
                dp.ports.add("", type="vxlan", options={"dst_port": other.getsockname()[1]})
            assert caught.value.errno == errno.EADDRINUSE
            assert [port.number for port in dp.ports] == [0]


def test_an_address_that_the_host_has_not() -> None:
    with (
        dpif.Userspace(underlay=HostUnderlay("192.0.2.1")) as us,
        us.open("br0", create=True) as dp,
        pytest.raises(NetlinkError) as caught,
    ):
        dp.ports.add("", type="vxlan")
    assert caught.value.errno == errno.EADDRNOTAVAIL


ORDINARY_USER = """
import os
from dpif.userspace import HostUnderlay
from dpif.userspace.engine.underlay import Place
if os.getuid() == 0:
    os.setuid(65534)
try:
    HostUnderlay().open(Place(47), print)
except PermissionError as error:
    print(error.strerror)
"""


def test_an_ordinary_user_has_no_gre() -> None:
    done = subprocess.run([sys.executable, "-c", ORDINARY_USER], capture_output=True, text=True, check=True)
    assert "needs CAP_NET_RAW" in done.stdout


class TestMemory:
    """What an underlay in memory passes on."""

    HERE, THERE = "192.0.2.1", "192.0.2.2"

    def receive(self, *packets: bytes) -> list[Datagram]:
        """Return what an endpoint for UDP port 4789 makes of IP packets."""
        received: list[Datagram] = []
        underlay = MemoryUnderlay(self.HERE, "2001:db8::1")
        endpoint = underlay.open(Place(IPPROTO_UDP, 4789), received.append)
        for packet in packets:
            underlay.send(packet)
        endpoint.close()
        underlay.send(bytes(build.udp(self.THERE, self.HERE, 1, 4789, b"nobody is there any more")))
        return received

    def test_a_datagram(self) -> None:
        packet = bytes(build.udp("2001:db8::2", "2001:db8::1", 1, 4789, b"payload", tos=0x41, ttl=7))
        (received,) = self.receive(packet)
        ends = socket.inet_pton(socket.AF_INET6, "2001:db8::2"), socket.inet_pton(socket.AF_INET6, "2001:db8::1")
        assert received == Datagram(b"payload", *ends, 0x41, 7, 1, 4789, csum=True)

    def test_what_is_not_for_the_tunnel(self) -> None:
        good = bytearray(build.udp(self.THERE, self.HERE, 1, 4789, b"payload"))
        broken, fragment = bytearray(good), bytearray(good)
        broken[-1] ^= 1
        fragment[6] |= 0x20
        others = [
            bytes(build.udp(self.THERE, self.HERE, 1, 4790, b"another port")),
            bytes(build.udp(self.THERE, "192.0.2.9", 1, 4789, b"another address")),
            bytes(build.ip(self.THERE, self.HERE, 47, b"another protocol")),
        ]
        assert self.receive(b"", b"\x45", bytes(broken), bytes(fragment), *others) == []

    def test_without_an_address_nothing_is_sent(self) -> None:
        endpoint = MemoryUnderlay(self.HERE).open(Place(IPPROTO_UDP, 4789), lambda datagram: None)
        here, there = (socket.inet_aton(address) for address in (self.HERE, self.THERE))
        assert endpoint.send(Datagram(b"", here, there))
        assert not endpoint.send(Datagram(b"", there, there))
        assert not endpoint.send(Datagram(b"", b"", bytes(16)))
