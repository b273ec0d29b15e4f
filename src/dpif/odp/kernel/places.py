"""In which fields of the flat key the values of each attribute lie: one table for both directions.

`PLACES` has an entry for each attribute whose values simply stand in fields. Tunnel and NSH nests, whose
attributes come and go, are built in `emit.py` and read in `match.py`. No rule is checked here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from dpif._typing import Any
from dpif.odp.constants import KeyAttr
from dpif.odp.kernel.swkey import FIELDS, MPLS_LABEL_DEPTH, bits, get
from dpif.odp.model.layers import (
    Arp,
    CtTuple4,
    CtTuple6,
    Ethernet,
    Icmp,
    Icmpv6,
    Ipv4,
    Ipv6,
    Mpls,
    NeighborDiscovery,
    Sctp,
    Tcp,
    Udp,
    Vlan,
)
from dpif.odp.model.structs import Struct


class Place:
    """Where an attribute's values lie: one field for each, in the order of the attribute."""

    __slots__ = ("bits", "fields")

    def __init__(self, *names: str) -> None:
        self.fields = [FIELDS[name] for name in names]
        self.bits = bits(*names)

    def flat(self, kept: Any) -> int:
        """Return the bits of a kept value, cut to the width of their fields."""
        raise NotImplementedError

    def exact(self, kept: Any) -> int:
        """Return the mask that matches a kept value exactly: every bit of the attribute set."""
        return self.bits

    def kept(self, flat: int) -> Any:
        """Return the kept value of the bits."""
        raise NotImplementedError


class _Number(Place):
    """A scalar attribute in one field."""

    def flat(self, kept: int) -> int:
        """Shift it to its place."""
        ((shift, width),) = self.fields
        return (kept & (1 << width) - 1) << shift

    def kept(self, flat: int) -> int:
        """Shift it back."""
        ((shift, width),) = self.fields
        return flat >> shift & (1 << width) - 1


class _Bytes(Place):
    """An attribute kept as bytes in host order, of which the field holds the number."""

    def flat(self, kept: bytes) -> int:
        """Read the number."""
        return int.from_bytes(kept, HOST_ORDER) << self.fields[0].shift

    def kept(self, flat: int) -> bytes:
        """Write the number."""
        ((shift, width),) = self.fields
        return (flat >> shift & (1 << width) - 1).to_bytes(width // 8, HOST_ORDER)


HOST_ORDER: Any = "little" if struct.pack("=H", 1) == b"\x01\x00" else "big"


class StructurePlace(Place):
    """A structure whose raw values are ints, or bytes that stand for themselves."""

    __slots__ = ("_exact", "cls", "parts")

    def __init__(self, cls: type[Struct], *names: str) -> None:
        super().__init__(*names)
        self.cls = cls
        kinds = [field.kind for field in cls.FIELDS]
        self.parts = [
            (shift, (1 << width) - 1, kind.size if isinstance(kind.zero, bytes) else 0)
            for (shift, width), kind in zip(self.fields, kinds, strict=True)
        ]
        self._exact = self.bits & sum(
            (1 << 8 * kind.size) - 1 << shift for (shift, _), kind in zip(self.fields, kinds, strict=True)
        )

    def flat(self, kept: Struct) -> int:
        """Shift each value to its place."""
        flat = 0
        for (shift, ones, size), raw in zip(self.parts, kept.raw, strict=True):
            flat |= ((int.from_bytes(raw, "big") if size else raw) & ones) << shift
        return flat

    def exact(self, kept: Struct) -> int:
        """Set the bits that the attribute has; a field may be wider (ICMP type and code stand in ports)."""
        return self._exact

    def kept(self, flat: int) -> Struct:
        """Make the structure of the values."""
        return self.cls.of_raw(
            tuple(
                [
                    (flat >> shift & ones).to_bytes(size, "big") if size else flat >> shift & ones
                    for shift, ones, size in self.parts
                ]
            )
        )


class _Labels(Place):
    """``mpls``: the label stack, and which of its three entries are there."""

    def __init__(self) -> None:
        super().__init__("mpls.num_labels_mask", "mpls.lse")

    def flat(self, kept: tuple[Mpls, ...]) -> int:
        """Place up to three entries from the left."""
        (count, _), (lse, _) = self.fields
        stack = b"".join([entry.to_bytes() for entry in kept]).ljust(4 * MPLS_LABEL_DEPTH, b"\0")
        return (1 << len(kept)) - 1 << count | int.from_bytes(stack, "big") << lse

    def exact(self, kept: tuple[Mpls, ...]) -> int:
        """Match the entries that there are, and that there are no others."""
        return self.flat((Mpls.full(),) * len(kept))

    def kept(self, flat: int) -> tuple[Mpls, ...]:
        """Return as many entries as there are bits in ``num_labels_mask``; none for a truncated header."""
        stack = get(flat, "mpls.lse").to_bytes(4 * MPLS_LABEL_DEPTH, "big")
        labels = get(flat, "mpls.num_labels_mask").bit_count()
        return tuple([Mpls.from_bytes(stack[4 * at : 4 * at + 4]) for at in range(labels)])


class _Vlan(_Number):
    """A TCI."""

    def flat(self, kept: Any) -> int:
        """Take the integer of the bit structure."""
        return super().flat(int.from_bytes(kept.to_bytes(), "big"))

    def kept(self, flat: int) -> Any:
        """Make the bit structure."""
        return Vlan.from_bytes(super().kept(flat).to_bytes(2, "big"))


_ARP_PLACE = ("ipv4.addr.src", "ipv4.addr.dst", "ip.proto", "ipv4.arp.sha", "ipv4.arp.tha")
_IP_PLACE = ("ip.proto", "ip.tos", "ip.ttl", "ip.frag")
_PORTS = ("tp.src", "tp.dst")
PLACES: Mapping[int, Place] = {
    KeyAttr.RECIRC_ID: _Number("recirc_id"),
    KeyAttr.DP_HASH: _Number("ovs_flow_hash"),
    KeyAttr.PRIORITY: _Number("phy.priority"),
    KeyAttr.IN_PORT: _Number("phy.in_port"),
    KeyAttr.SKB_MARK: _Number("phy.skb_mark"),
    KeyAttr.CT_STATE: _Number("ct_state"),
    KeyAttr.CT_ZONE: _Number("ct_zone"),
    KeyAttr.CT_MARK: _Number("ct.mark"),
    KeyAttr.CT_LABELS: _Bytes("ct.labels"),
    KeyAttr.CT_ORIG_TUPLE_IPV4: StructurePlace(
        CtTuple4, "ipv4.ct_orig.src", "ipv4.ct_orig.dst", "ct.orig_tp.src", "ct.orig_tp.dst", "ct_orig_proto"
    ),
    KeyAttr.CT_ORIG_TUPLE_IPV6: StructurePlace(
        CtTuple6, "ipv6.ct_orig.src", "ipv6.ct_orig.dst", "ct.orig_tp.src", "ct.orig_tp.dst", "ct_orig_proto"
    ),
    KeyAttr.ETHERNET: StructurePlace(Ethernet, "eth.src", "eth.dst"),
    KeyAttr.ETHERTYPE: _Number("eth.type"),
    KeyAttr.IPV4: StructurePlace(Ipv4, "ipv4.addr.src", "ipv4.addr.dst", *_IP_PLACE),
    KeyAttr.IPV6: StructurePlace(Ipv6, "ipv6.addr.src", "ipv6.addr.dst", "ipv6.label", *_IP_PLACE),
    KeyAttr.IPV6_EXTHDRS: _Bytes("ipv6.exthdrs"),
    KeyAttr.ARP: StructurePlace(Arp, *_ARP_PLACE),
    KeyAttr.MPLS: _Labels(),
    KeyAttr.TCP: StructurePlace(Tcp, *_PORTS),
    KeyAttr.TCP_FLAGS: _Number("tp.flags"),
    KeyAttr.UDP: StructurePlace(Udp, *_PORTS),
    KeyAttr.SCTP: StructurePlace(Sctp, *_PORTS),
    KeyAttr.ICMP: StructurePlace(Icmp, *_PORTS),
    KeyAttr.ICMPV6: StructurePlace(Icmpv6, *_PORTS),
    KeyAttr.ND: StructurePlace(NeighborDiscovery, "ipv6.nd.target", "ipv6.nd.sll", "ipv6.nd.tll"),
}
"""Where each attribute lies that has a place of its own; ports and VLAN tags, tunnel and NSH are more than that."""
VLAN_PLACE = _Vlan("eth.vlan.tci")
CVLAN_PLACE = _Vlan("eth.cvlan.tci")
