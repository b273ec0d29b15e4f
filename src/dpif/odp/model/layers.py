"""The structures of a flow key, one class for each ``struct ovs_key_*`` (and for the VLAN TCI and MPLS entry).

Field names are those of the text form (``ipv4(src=…,proto=…)``). Each is described once, by its kind; see
`structs.py`. A value's mask is another value of the same class.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import TYPE_CHECKING, Self
from dpif.errors import DecodeError, EncodeError, brief
from dpif.odp.model.attrs import AttrType, Style
from dpif.odp.model.kinds import (
    FRAG,
    IPV4,
    IPV6,
    LABEL,
    MAC,
    PROTO,
    U8,
    U8X,
    U16,
    U16X,
    Plain,
    UInt,
)
from dpif.odp.model.structs import BitStruct, Field, Struct, scan_value_and_mask

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source


class Ethernet(Struct):
    """``struct ovs_key_ethernet``."""

    src = Field(MAC)
    dst = Field(MAC)


class Vlan(BitStruct, size=2, text=("vid", "pcp", "cfi")):
    """A VLAN TCI; ``cfi`` is 1 where a tag is present and is so by default."""

    pcp = Field(UInt(8, bits=3, mask_base="1x"), shift=13)
    cfi = Field(UInt(8, bits=1), shift=12, default=1, default_mask=1)
    vid = Field(UInt(16, bits=12, mask_base="1x"), shift=0)

    def show(self, mask: Self | None = None, verbose: bool = False) -> str:
        """Show ``cfi`` only when clear, and vid and pcp also when set though wildcarded."""
        bits = mask or self.full()
        parts = [
            field.show(self.raw[field.index], bits.raw[field.index])
            for field in (type(self).vid, type(self).pcp)
            if verbose or self.raw[field.index] or bits.raw[field.index]
        ]
        return ",".join(parts if self.cfi else [*parts, "cfi=0"])


class Ipv4(Struct):
    """``struct ovs_key_ipv4``."""

    src = Field(IPV4)
    dst = Field(IPV4)
    proto = Field(PROTO)
    tos = Field(U8X)
    ttl = Field(U8)
    frag = Field(FRAG)


class Ipv6(Struct):
    """``struct ovs_key_ipv6``; ``label`` has 20 bits."""

    src = Field(IPV6)
    dst = Field(IPV6)
    label = Field(LABEL)
    proto = Field(PROTO)
    tclass = Field(U8X)
    hlimit = Field(U8)
    frag = Field(FRAG)


class Tcp(Struct):
    """``struct ovs_key_tcp``."""

    src = Field(U16)
    dst = Field(U16)


class Udp(Struct):
    """``struct ovs_key_udp``."""

    src = Field(U16)
    dst = Field(U16)


class Sctp(Struct):
    """``struct ovs_key_sctp``."""

    src = Field(U16)
    dst = Field(U16)


class Icmp(Struct):
    """``struct ovs_key_icmp``."""

    type = Field(U8)
    code = Field(U8)


class Icmpv6(Struct):
    """``struct ovs_key_icmpv6``."""

    type = Field(U8)
    code = Field(U8)


class Arp(Struct, padding=2):
    """``struct ovs_key_arp``."""

    sip = Field(IPV4)
    tip = Field(IPV4)
    op = Field(U16)
    sha = Field(MAC)
    tha = Field(MAC)


class NeighborDiscovery(Struct):
    """``struct ovs_key_nd``: target, source and target link-layer addresses (RFC 4861)."""

    target = Field(IPV6)
    sll = Field(MAC)
    tll = Field(MAC)


class NdExtensions(Struct, padding=3):
    """``struct ovs_key_nd_extensions``: user space only."""

    nd_reserved = Field(UInt(32, "1x"))
    nd_options_type = Field(U8)


class CtTuple4(Struct, text=("src", "dst", "proto", "tp_src", "tp_dst"), padding=3):
    """``struct ovs_key_ct_tuple_ipv4``: the original direction of the packet's connection."""

    src = Field(IPV4)
    dst = Field(IPV4)
    tp_src = Field(U16)
    tp_dst = Field(U16)
    proto = Field(PROTO)


class CtTuple6(Struct, text=("src", "dst", "proto", "tp_src", "tp_dst"), padding=3):
    """``struct ovs_key_ct_tuple_ipv6``: the original direction of the packet's connection.

    Open vSwitch prints the ports by other names than those that it reads; both are read here.
    """

    src = Field(IPV6)
    dst = Field(IPV6)
    tp_src = Field(U16, text_name="src_port", alias="tp_src")
    tp_dst = Field(U16, text_name="dst_port", alias="tp_dst")
    proto = Field(PROTO)


class PacketType(Struct):
    """``OVS_KEY_ATTR_PACKET_TYPE``: name space and type; user space only."""

    ns = Field(U16)
    id = Field(U16X)


class Mpls(BitStruct, size=4, text=("label", "tc", "ttl", "bos")):
    """One MPLS label stack entry, ``struct ovs_key_mpls`` (RFC 3032)."""

    label = Field(UInt(32, bits=20), shift=12)
    tc = Field(UInt(8, bits=3), shift=9)
    bos = Field(UInt(8, bits=1), shift=8)
    ttl = Field(UInt(8), shift=0)

    def show(self, mask: Self | None = None, verbose: bool = False) -> str:
        """Show all four fields; with masks unless `mask` is None."""
        if mask is None:
            return super().show()
        return (
            f"label={self.label}/{mask.label:#x},tc={self.tc}/{mask.tc:x},"
            f"ttl={self.ttl}/{mask.ttl:#x},bos={self.bos}/{mask.bos:x}"
        )


class MplsStack(AttrType[tuple[Mpls, ...]]):
    """``OVS_KEY_ATTR_MPLS``: one to three label stack entries, outermost first; their number is matched too."""

    max_labels = 3

    def decode(self, data: bytes) -> tuple[Mpls, ...]:
        """Cut into entries; the kernel sends none of a stack that a packet cuts short."""
        if len(data) % Mpls.SIZE:
            raise DecodeError(f"expected a multiple of {Mpls.SIZE} bytes, found {len(data)}")
        return tuple([Mpls.from_bytes(data[at : at + Mpls.SIZE]) for at in range(0, len(data), Mpls.SIZE)])

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Read each entry."""
        entries = [Mpls.read_in(source, at, at + Mpls.SIZE) for at in range(start, end, Mpls.SIZE)]
        return f"({''.join(f'{entry}, ' for entry in entries)})"

    def encode(self, kept: tuple[Mpls, ...]) -> bytes:
        """Join the entries."""
        return b"".join([entry.to_bytes() for entry in kept])

    def keep(self, value: object) -> tuple[Mpls, ...]:
        """Accept one entry or a sequence of them, each an `Mpls` or a mapping of its fields."""
        entries = (value,) if isinstance(value, Mpls) else value
        if isinstance(entries, (tuple, list)):
            entries = [Mpls(**entry) if isinstance(entry, Mapping) else entry for entry in entries]
        if not isinstance(entries, (tuple, list)) or not all(isinstance(entry, Mpls) for entry in entries):
            raise EncodeError(f"expected Mpls entries, not {brief(value)}")
        if not 1 <= len(entries) <= self.max_labels:
            raise EncodeError(f"expected 1 to {self.max_labels} entries, found {len(entries)}")
        return tuple(entries)

    def full(self, kept: tuple[Mpls, ...]) -> tuple[Mpls, ...]:
        """As many full entries."""
        return (Mpls.full(),) * len(kept)

    def zero(self, kept: tuple[Mpls, ...]) -> tuple[Mpls, ...]:
        """As many empty entries."""
        return (Mpls.zero(),) * len(kept)

    def is_full(self, mask: tuple[Mpls, ...]) -> bool:
        """Ask each entry."""
        return all(entry.is_full() for entry in mask)

    def plain(
        self, kept: tuple[Mpls, ...], mask: tuple[Mpls, ...] | None = None, whole: bool = False
    ) -> tuple[Plain, Plain]:
        """Lists of the entries with all their fields, whatever is wildcarded."""
        return [entry.plain() for entry in kept], None if mask is None else [entry.plain() for entry in mask]

    def show_named(self, name: str, kept: tuple[Mpls, ...], mask: tuple[Mpls, ...] | None, style: Style) -> str:
        """Return the text; the C tool does not close the parenthesis where it has something to complain about."""
        shown = self.show(kept, mask, style)
        return f"{name}({shown}" if shown.startswith("(") else f"{name}({shown})"

    def show(self, kept: tuple[Mpls, ...], mask: tuple[Mpls, ...] | None, style: Style) -> str:
        """Show the entries one after the other."""
        if not kept:
            return "(bad key length 0)"
        if mask is None or self.is_full(mask):
            return ",".join([entry.show() for entry in kept])
        if len(kept) != len(mask):
            return f"(key length {4 * len(kept)} != mask length {4 * len(mask)})"
        return ",".join([entry.show(bits) for entry, bits in zip(kept, mask, strict=True)])

    def scan(self, scanner: Scanner) -> tuple[tuple[Mpls, ...], tuple[Mpls, ...]]:
        """Take the fields of one to three entries; ``label`` starts the next one."""
        values: list[list[int]] = [[0] * len(Mpls.FIELDS)]
        masks: list[list[int]] = [[0] * len(Mpls.FIELDS)]
        seen: set[str] = set()
        while not scanner.looking_at(")"):
            start = scanner.position
            field = Mpls.scan_name(scanner)
            if field.name in seen:
                if len(values) == self.max_labels:
                    scanner.fail(f"more than {self.max_labels} labels", position=start)
                values.append([0] * len(Mpls.FIELDS))
                masks.append([0] * len(Mpls.FIELDS))
                seen.clear()
            seen.add(field.name)
            values[-1][field.index], masks[-1][field.index] = scan_value_and_mask(field.kind, scanner)
            if not scanner.take(","):
                break
        return (
            tuple(Mpls.of_raw(tuple(raw)) for raw in values),
            tuple(Mpls.of_raw(tuple(raw)) for raw in masks),
        )
