"""The values that a filter compares with: how they are written, and the numbers that they are compared by."""

from __future__ import annotations

import re

from dpif._typing import Any
from dpif.odp.model.kinds import ETHERTYPE, PROTO, Flags, Ipv4Kind, Ipv6Kind, Kind, MacKind, Port, Raw
from dpif.odp.model.scanner import Scanner
from dpif.odp.model.ufid import Ufid, scan_ufid, scan_uuid
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
    ETH_P_TEB,
    IPPROTO_AH,
    IPPROTO_ESP,
    IPPROTO_GRE,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_IGMP,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
)

_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?(?![0-9A-Za-z_.])")
_PREFIX_LENGTH = re.compile(r"[0-9]{1,3}(?![0-9a-fA-F.:x])")
_ETHERTYPES = {
    "ip": ETH_P_IP,
    "ipv4": ETH_P_IP,
    "ipv6": ETH_P_IPV6,
    "arp": ETH_P_ARP,
    "rarp": ETH_P_RARP,
    "vlan": ETH_P_8021Q,
    "qinq": ETH_P_8021AD,
    "mpls": ETH_P_MPLS_UC,
    "mplsm": ETH_P_MPLS_MC,
    "nsh": ETH_P_NSH,
    "teb": ETH_P_TEB,
}
_PROTOCOLS = {
    "icmp": IPPROTO_ICMP,
    "igmp": IPPROTO_IGMP,
    "tcp": IPPROTO_TCP,
    "udp": IPPROTO_UDP,
    "gre": IPPROTO_GRE,
    "esp": IPPROTO_ESP,
    "ah": IPPROTO_AH,
    "icmpv6": IPPROTO_ICMPV6,
    "sctp": IPPROTO_SCTP,
}


class Seconds(Kind[float]):
    """A time in seconds."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("d", 8, 0, "a number of seconds")

    def value(self, raw: Raw) -> float:
        """Return `raw` itself."""
        return float(raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take a decimal number, with or without a fraction."""
        return float(scanner.require(_SECONDS, "a number of seconds such as 2.5"))


class UfidKind(Kind[int]):
    """The identifier of a flow, with or without ``ufid:`` in front; compared as the number that its bytes make."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("16s", 16, b"\xff" * 16, "a UFID")

    def value(self, raw: Raw) -> int:
        """Return the number."""
        return int.from_bytes(raw)

    def scan(self, scanner: Scanner) -> Raw:
        """Take the text of an identifier."""
        ufid = scan_ufid(scanner)
        return Ufid(scan_uuid(scanner)) if ufid is None else ufid


SECONDS = Seconds()
UFID = UfidKind()


def number(kind: Kind[Any], raw: Raw) -> float:
    """Return the number that a value or mask of that kind is compared by."""
    value = kind.value(raw)
    return value if isinstance(value, float) else int(value)


def scan_literal(scanner: Scanner, kind: Kind[Any]) -> float:
    """Take a value of that kind; a port, an EtherType and a protocol may be named."""
    if isinstance(kind, Port):
        return scanner.port()
    if kind is ETHERTYPE or kind is PROTO:
        return _scan_type(scanner, kind, _ETHERTYPES if kind is ETHERTYPE else _PROTOCOLS)
    raw = kind.scan(scanner)
    while isinstance(kind, Flags) and scanner.take("|"):
        raw |= kind.scan(scanner)
    return number(kind, raw)


def _scan_type(scanner: Scanner, kind: Kind[Any], names: dict[str, int]) -> int:
    """Take a name of `names`, or a number."""
    if scanner.at_digit():
        return int(kind.scan(scanner))
    start = scanner.position
    word = scanner.word("a number or a name such as " + " or ".join(list(names)[-3:-1]))
    if word not in names:
        scanner.unknown(word, names, "protocol", start)
    return names[word]


def scan_bits(scanner: Scanner, kind: Kind[Any]) -> int:
    """Take the length of a prefix of an address, or a mask."""
    start = scanner.position
    length = scanner.match(_PREFIX_LENGTH) if isinstance(kind, (Ipv4Kind, Ipv6Kind, MacKind)) else None
    if length is None:
        return int(number(kind, kind.scan_mask(scanner)))
    width = 8 * kind.size
    if int(length) > width:
        scanner.fail(f"/{length} is too long a prefix", f"at most /{width}", start)
    return (1 << width) - (1 << width - int(length))
