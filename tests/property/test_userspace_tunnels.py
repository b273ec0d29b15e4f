"""Tunnels of the userspace datapath: what goes in at one end comes out at the other, and nothing breaks them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.odp.constants import VportType
from dpif.odp.kernel.match_tunnel import tunnel_bits
from dpif.odp.kernel.swkey import TUNNEL_DONT_FRAGMENT, get, put
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import GeneveOption, GeneveOptions
from dpif.packet import build
from dpif.packet.constants import IPPROTO_GRE, IPPROTO_UDP
from dpif.userspace.devices.encapsulation import ENCAPSULATIONS, VXLAN_GBP, Encapsulation
from dpif.userspace.engine.underlay import Datagram, Place
from dpif.userspace.underlays.memory import MemoryUnderlay

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
HERE4, THERE4 = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
HERE6, THERE6 = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2")
PORT = 4789
VXLAN, GENEVE, GRE = (ENCAPSULATIONS[type_] for type_ in (VportType.VXLAN, VportType.GENEVE, VportType.GRE))

flags = st.fixed_dictionaries({}, optional={"df": st.just(True), "csum": st.just(True)})
ends = st.one_of(
    st.just({"src": HERE4, "dst": THERE4}),
    st.just({"ipv6_src": HERE6, "ipv6_dst": THERE6}),
)
payloads = st.binary(max_size=100).map(
    lambda data: build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, data))
)


class Wire:
    """Two underlays in memory, joined, and an endpoint on each."""

    def __init__(self, place: Place) -> None:
        here, there = MemoryUnderlay(str(HERE4), str(HERE6)), MemoryUnderlay(str(THERE4), str(THERE6))
        here.on_packet = there.send
        self.received: list[Datagram] = []
        self.far = there
        self.near_end = here.open(place, self.received.append)
        there.open(place, self.received.append)


def carried(encapsulation: Encapsulation, key: int, packet: bytes) -> tuple[bytes, int]:
    """Return the packet and the tunnel key that come out when `packet` is sent by `key`."""
    wire = Wire(Place(encapsulation.protocol, PORT if encapsulation.protocol == IPPROTO_UDP else 0))
    assert wire.near_end.send(encapsulation.datagram(packet, key, PORT))
    (datagram,) = wire.received
    return encapsulation.key(datagram)


def compared(key: int) -> int:
    """Return a tunnel key without what is not carried: whether fragments are forbidden, and UDP's ports."""
    key = put(key, "tun.flags", get(key, "tun.flags") & ~TUNNEL_DONT_FRAGMENT)
    return put(put(key, "tun.tp_src", 0), "tun.tp_dst", 0)


@given(
    ends,
    flags,
    st.integers(0, 0xFFFFFF),
    st.integers(0, 63),
    st.integers(1, 255),
    st.none() | st.integers(1, 0xFFFF),
    payloads,
)
def test_vxlan(
    where: dict[str, object],
    how: dict[str, bool],
    tun_id: int,
    dscp: int,
    ttl: int,
    policy: int | None,
    packet: bytes,
) -> None:
    more = {} if policy is None else {"vxlan": {"gbp": {"id": policy, "flags": 0x48, "reserved": 0}}}
    key = tunnel_bits(Tunnel(tun_id=tun_id, tos=dscp << 2, ttl=ttl, **where, **how, **more))
    out, came = carried(VXLAN_GBP, key, packet)
    assert out == packet
    assert compared(came) == compared(key)


@given(ends, flags, st.integers(0, 0xFFFFFF), st.booleans(), st.binary(max_size=60), payloads)
def test_geneve(
    where: dict[str, object], how: dict[str, bool], tun_id: int, oam: bool, data: bytes, packet: bytes
) -> None:
    words = data[: len(data) // 4 * 4]
    options = GeneveOptions([GeneveOption(0x102, 3, words), GeneveOption(0xFFFF, 4)])
    more = {"oam": True} if oam else {}
    key = tunnel_bits(Tunnel(tun_id=tun_id, ttl=64, geneve=options, **where, **how, **more))
    out, came = carried(GENEVE, key, packet)
    assert out == packet
    assert compared(came) == compared(key)


@given(flags, st.none() | st.integers(0, 0xFFFFFFFF), payloads)
def test_gre(how: dict[str, bool], tun_id: int | None, packet: bytes) -> None:
    more = {} if tun_id is None else {"tun_id": tun_id}
    key = tunnel_bits(Tunnel(src=HERE4, dst=THERE4, ttl=64, **how, **more))
    out, came = carried(GRE, key, packet)
    assert out == packet
    assert compared(came) == compared(key)


@pytest.fixture(scope="module")
def quiet() -> MemoryUnderlay:
    underlay = MemoryUnderlay(str(HERE4), str(HERE6))
    underlay.open(Place(IPPROTO_UDP, PORT), lambda datagram: None)
    underlay.open(Place(IPPROTO_GRE), lambda datagram: None)
    return underlay


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x45", b"\x60", b"\x46"]))
def test_what_is_no_ip_packet_breaks_nothing(quiet: MemoryUnderlay, data: bytes, start: bytes) -> None:
    quiet.send(start + data)


@given(
    st.sampled_from([*ENCAPSULATIONS.values(), VXLAN_GBP]),
    st.sampled_from([b"", b"\x08\0\0\0\0\0\x05\0", b"\0\0\x65\x58\0\0\x05\0", b"\0\0\x65\x58"]),
    st.binary(max_size=60) | payloads,
    st.integers(0, 255),
)
def test_what_is_no_tunnel_header_is_a_decode_error(
    encapsulation: Encapsulation, start: bytes, rest: bytes, tos: int
) -> None:
    datagram = Datagram(start + rest, THERE4.packed, HERE4.packed, tos, 64, 1, PORT)
    try:
        packet, key = encapsulation.key(datagram)
    except DecodeError:
        return
    assert len(packet) <= len(datagram.payload)
    assert get(key, "tun.ttl") == 64
