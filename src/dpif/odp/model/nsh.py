"""The network service header (RFC 8300) as a flow key: a base, and metadata of type 1 or 2.

The text is one flat list of fields, ``nsh(flags=0,ttl=63,…,c4=0x4)``, though base and metadata are attributes of
their own. Metadata of type 2 can be pushed, not matched. The C tool prints ``nsh(…)`` keys but cannot read them;
the forms that it prints are those that are read here.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import TYPE_CHECKING, Any, Self, TypeVar
from dpif.odp.constants import NshKeyAttr
from dpif.odp.model.attrs import PLAIN, Opaque, Structure, Style
from dpif.odp.model.kinds import Raw, UIntPadded
from dpif.odp.model.nest import Attr, Nest
from dpif.odp.model.structs import BitStruct, Field, Struct, scan_value_and_mask
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, ETH_P_MPLS_UC, ETH_P_NSH, ETH_P_TEB

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner

S = TypeVar("S", bound=Struct)

NSH_M_TYPE1 = 1
NSH_M_TYPE2 = 2
"""Types of metadata (``mdtype``)."""
NEXT_PROTOCOLS: Mapping[int, int] = {ETH_P_IP: 1, ETH_P_IPV6: 2, ETH_P_TEB: 3, ETH_P_NSH: 4, ETH_P_MPLS_UC: 5}
"""The next protocol in a header (``np``), by EtherType (net/tun_proto.h)."""

_U8 = UIntPadded(8, "d", "02x", mask_base="02x")
_U32 = UIntPadded(32, "1x", "1x", mask_base="08x")
_SPI = UIntPadded(32, "1x", "1x", mask_base="08x", bits=24)


class NshBase(BitStruct, size=8):
    """``struct ovs_nsh_key_base``: the fixed part, with path (``spi``) and position on it (``si``)."""

    flags = Field(_U8, shift=56)
    ttl = Field(_U8, shift=48)
    mdtype = Field(_U8, shift=40)
    np = Field(_U8, shift=32)
    spi = Field(_SPI, shift=8)
    si = Field(_U8, shift=0)


class NshContext(Struct):
    """``struct ovs_nsh_key_md1``: metadata of type 1, four numbers."""

    c1 = Field(_U32)
    c2 = Field(_U32)
    c3 = Field(_U32)
    c4 = Field(_U32)


class Nsh(Nest):
    """``OVS_KEY_ATTR_NSH``: attributes of ``enum ovs_nsh_key_attr``."""

    __slots__ = ()

    base = Attr(NshKeyAttr.BASE, Structure(NshBase))
    md1 = Attr(NshKeyAttr.MD1, Structure(NshContext))
    md2 = Attr(NshKeyAttr.MD2, Opaque())

    def show(self, mask: Self | None, style: Style = PLAIN) -> str:
        """Return the fields that `mask` matches, whatever the style; without a mask all that the key has."""
        if mask is None:
            base = self.base or NshBase()
            context = self.md1 or NshContext()
            return f"{base.show()},{context.show()}" if base.mdtype == NSH_M_TYPE1 else base.show()
        parts = (
            "" if self.base is None or mask.base is None else self.base.show(mask.base),
            "" if self.md1 is None or mask.md1 is None else self.md1.show(mask.md1),
        )
        return ",".join(part for part in parts if part)

    @classmethod
    def scan(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take the fields; key and mask have metadata when ``mdtype`` is 1, as it is where metadata is matched.

        The C tool prints metadata of headers of other types, too, all zero; behind their ``mdtype`` it means nothing.
        """
        start = scanner.position
        values: dict[str, Raw] = {}
        masks: dict[str, Raw] = {}
        while not scanner.looking_at(")"):
            field = scan_nsh_name(scanner)
            values[field.name], masks[field.name] = scan_value_and_mask(field.kind, scanner)
            if not scanner.take(","):
                break
        base, base_mask = with_fields(NshBase(), values), with_fields(NshBase.zero(), masks)
        context, context_mask = with_fields(NshContext(), values), with_fields(NshContext.zero(), masks)
        if "mdtype" not in values and not context_mask.is_zero():
            base = base.replace(mdtype=NSH_M_TYPE1)
        kept: dict[int, Any] = {NshKeyAttr.BASE: base}
        bits: dict[int, Any] = {NshKeyAttr.BASE: base_mask}
        if base.mdtype == NSH_M_TYPE1:
            kept[NshKeyAttr.MD1] = context
            bits[NshKeyAttr.MD1] = context_mask
        elif not context.is_zero():
            scanner.fail("c1 to c4 go with mdtype=1", position=start)
        return cls.of_kept(kept), cls.of_kept(bits)


NSH_FIELDS: dict[str, Field[Any]] = {field.name: field for field in (*NshBase.FIELDS, *NshContext.FIELDS)}


def scan_nsh_name(scanner: Scanner, *others: str) -> Field[Any]:
    """Take ``name=`` and return the field; `others` are names that would be possible too, for the error."""
    start = scanner.position
    possible = [*NSH_FIELDS, *others]
    name = scanner.word(f"a field ({', '.join(possible)})")
    if name not in NSH_FIELDS:
        scanner.unknown(name, possible, "field", start)
    scanner.expect("=")
    return NSH_FIELDS[name]


def with_fields(start: S, fields: Mapping[str, Raw]) -> S:
    """Return `start` with those of its fields changed that are among `fields`."""
    return start.of_raw(tuple(fields.get(f.name, raw) for f, raw in zip(start.FIELDS, start.raw, strict=True)))
