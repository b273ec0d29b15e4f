"""Packets of every kind that a flow key knows, right and wrong, for comparing readers of packets.

`packets` makes headers with every option and many mistakes; `mutations` cuts a packet short and changes bytes of
its headers. Both draw from the `random.Random` that they are given, so that a seed repeats a run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from random import Random

from dpif.packet.constants import (
    ETH_P_8021AD,
    ETH_P_8021Q,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_MC,
    ETH_P_MPLS_UC,
    ETH_P_NSH,
    ETH_P_RARP,
    IPPROTO_AH,
    IPPROTO_DSTOPTS,
    IPPROTO_ESP,
    IPPROTO_FRAGMENT,
    IPPROTO_GRE,
    IPPROTO_HOPOPTS,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_NONE,
    IPPROTO_ROUTING,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
)

_ADDRESSES = bytes(range(12))
_TRANSPORT = {
    IPPROTO_TCP: struct.pack("!HHIIHHHH", 1000, 80, 1, 2, 0x5012, 0, 0, 0),
    IPPROTO_UDP: struct.pack("!HHHH", 53, 99, 8, 0),
    IPPROTO_SCTP: struct.pack("!HHII", 7, 8, 9, 10),
    IPPROTO_ICMP: bytes([8, 0, 0, 0, 0, 0, 0, 0]),
    IPPROTO_ICMPV6: bytes([128, 0, 0, 0, 0, 0, 0, 0]),
    IPPROTO_GRE: bytes(8),
}
_EXTENSIONS = (
    IPPROTO_HOPOPTS,
    IPPROTO_ROUTING,
    IPPROTO_FRAGMENT,
    IPPROTO_AH,
    IPPROTO_DSTOPTS,
    IPPROTO_NONE,
    IPPROTO_ESP,
)
_Payload = tuple[int, bytes]
"""An EtherType and what it announces."""


def packets(random: Random, ipv6: int = 300) -> list[bytes]:
    """Return Ethernet frames; `ipv6` of them with chains of IPv6 extension headers."""
    payloads = [*_ipv4(random), *_arp(), *_mpls(random), *_nsh(random), *_ipv6(random, ipv6)]
    payloads += [(0x88CC, bytes(20)), (0x0600, bytes(20)), (0x05FF, bytes(20))]
    frames = []
    for eth_type, payload in payloads:
        frames.append(_ADDRESSES + struct.pack("!H", eth_type) + payload)
        frames.append(_ADDRESSES + _tags(random) + _announcement(random, eth_type, len(payload)) + payload)
    return [*frames, *_cut_tags()]


def mutations(packet: bytes, random: Random, count: int) -> Iterator[bytes]:
    """Yield `count` variants of `packet`, cut short, with changed bytes, or both; 14 bytes long at least."""
    for _ in range(count):
        mutant = bytearray(packet)
        choice = random.random()
        if choice < 0.4 and len(mutant) > 14:
            del mutant[random.randrange(14, len(mutant) + 1) :]
        if choice > 0.3:
            for _ in range(random.randrange(1, 4)):
                mutant[random.randrange(min(len(mutant), 80))] ^= random.choice((1 << random.randrange(8), 0xFF))
        yield bytes(mutant)


def _tags(random: Random) -> bytes:
    tpids = random.choices((ETH_P_8021Q, ETH_P_8021AD), k=random.choice((0, 1, 1, 2, 3)))
    return b"".join([struct.pack("!HH", tpid, random.getrandbits(16)) for tpid in tpids])


def _announcement(random: Random, eth_type: int, size: int) -> bytes:
    """An EtherType, or an LLC header with one, now and then wrong."""
    if random.random() < 0.6:
        return struct.pack("!H", eth_type)
    llc = random.choice(("aaaa03000000", "aaaa03000000", "aaab03000000", "aaaa07000000", "aaaa03000001"))
    return struct.pack("!H6sH", min(size + 8, 1500), bytes.fromhex(llc), random.choice((eth_type, eth_type, 5)))


def _cut_tags() -> Iterator[bytes]:
    """Frames that end in or behind VLAN tags or an LLC header."""
    for tpid in (ETH_P_8021Q, ETH_P_8021AD):
        tagged = struct.pack("!HHHHHHH", tpid, 5, ETH_P_8021Q, 6, ETH_P_8021Q, 7, ETH_P_IP) + bytes(20)
        snapped = struct.pack("!H8s", 20, bytes.fromhex("aaaa030000000800")) + bytes(20)
        for size in range(2, 28):
            yield _ADDRESSES + tagged[:size]
            yield _ADDRESSES + snapped[:size]


def _ipv4(random: Random) -> Iterator[_Payload]:
    for proto, transport in _TRANSPORT.items():
        for words in (4, 5, 6, 15):
            for fragment in (0, 0x2000, 0x4000, 5, 0x2005):
                yield ETH_P_IP, _ipv4_header(random, proto, words, fragment) + transport
    for offset in (4, 6, 15):  # of the data, in words
        tcp = bytearray(_TRANSPORT[IPPROTO_TCP])
        tcp[12] = offset << 4 | 0xF
        for padding in (0, 40):
            yield ETH_P_IP, _ipv4_header(random, IPPROTO_TCP, 5, 0) + tcp + bytes(padding)


def _ipv4_header(random: Random, proto: int, words: int, fragment: int) -> bytes:
    first = 0x4000 | words << 8 | random.randrange(256)
    addresses = random.randbytes(8)
    return struct.pack("!HHHHBBH8s", first, 20, 1, fragment, 64, proto, 0, addresses) + b"\1" * (
        4 * max(words - 5, 0)
    )


def _arp() -> Iterator[_Payload]:
    for eth_type, operation in ((ETH_P_ARP, 1), (ETH_P_RARP, 3), (ETH_P_ARP, 0x101)):
        yield eth_type, struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, operation) + bytes(range(20))


def _mpls(random: Random) -> Iterator[_Payload]:
    bottom = 0x100
    for eth_type in (ETH_P_MPLS_UC, ETH_P_MPLS_MC):
        for count in range(1, 6):
            labels = [random.getrandbits(32) & ~bottom for _ in range(count)]
            yield eth_type, struct.pack(f"!{count}I", *labels)
            labels[-1] |= bottom
            yield eth_type, struct.pack(f"!{count}I", *labels)
            yield eth_type, struct.pack(f"!{count}I", *labels) + bytes(30)


def _nsh(random: Random) -> Iterator[_Payload]:
    for version in (0, 1):
        for mdtype in range(4):
            for words in (0, 1, 2, 5, 6, 7, 10):
                first = version << 14 | random.randrange(1 << 8) << 6 | words
                yield ETH_P_NSH, struct.pack("!HBB", first, mdtype, random.randrange(6)) + random.randbytes(44)


def _ipv6(random: Random, count: int) -> Iterator[_Payload]:
    for _ in range(count):
        chain = random.choices(_EXTENSIONS, k=random.randrange(6))
        last = random.choice((*_TRANSPORT, IPPROTO_ICMPV6, IPPROTO_NONE, IPPROTO_ESP, 135))
        body = _TRANSPORT.get(last, bytes(8))
        if last == IPPROTO_ICMPV6 and random.random() < 0.8:
            body = _neighbour_discovery(random)
        for header, following in reversed(list(pairwise([*chain, last]))):
            body = _extension(random, header, following) + body
        first = 6 << 28 | random.getrandbits(28)
        start = struct.pack("!IHBB", first, len(body), [*chain, last][0], 64)
        yield ETH_P_IPV6, start + bytes(range(32)) + body


def _extension(random: Random, header: int, following: int) -> bytes:
    if header == IPPROTO_FRAGMENT:
        return struct.pack("!BBHI", following, 0, random.choice((0, 1, 8, 9, 0xFFF8)), 7)
    if header == IPPROTO_AH:
        words = random.randrange(4)
        return bytes([following, words]) + bytes(4 * words + 6)
    units = random.choice((0, 0, 0, 1, 2))
    return bytes([following, units]) + bytes(8 * units + 6)


def _neighbour_discovery(random: Random) -> bytes:
    options = b"".join(
        [
            bytes([random.choice((1, 2, 3)), random.choice((1, 1, 1, 2, 0))])
            + bytes(random.choices((0, 1, 2, 255), k=6))
            + bytes(random.choice((0, 8)))
            for _ in range(random.randrange(4))
        ]
    )
    return bytes([random.choice((135, 136)), 0]) + bytes(6) + bytes(range(16)) + options
