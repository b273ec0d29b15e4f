"""Values and masks of attributes, drawn after their descriptions: quick twins of the Hypothesis strategies.

There is a function for each type of attribute; a new attribute of a known type needs nothing here.
"""

from __future__ import annotations

from functools import singledispatch
from random import Random

from dpif._typing import Any
from dpif.odp.constants import TunnelKeyAttr
from dpif.odp.model.attrs import AttrType, Empty, FlagSet, Opaque, PortNumber, Scalar, Structure
from dpif.odp.model.key import FlowKey
from dpif.odp.model.kinds import Flags, Frag, Kind
from dpif.odp.model.layers import Arp, CtTuple4, CtTuple6, Mpls, MplsStack
from dpif.odp.model.nest import Nested
from dpif.odp.model.nsh import NSH_M_TYPE1, Nsh, NshBase, NshContext
from dpif.odp.model.structs import Struct
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import Erspan, Gbp, GeneveOption, GeneveOptions, VxlanOptions

Pair = tuple[Any, Any]
"""A kept value and its mask."""

MAX_OPTIONS = 3


@singledispatch
def draw(type_: AttrType[Any], random: Random) -> Pair:
    """Return a value and a mask that covers it."""
    raise NotImplementedError(f"nothing draws {type_!r}")


@draw.register(Scalar)
def _(type_: Scalar[Any], random: Random) -> Pair:
    return _field(type_.kind, random)


@draw.register
def _(type_: PortNumber, random: Random) -> Pair:
    return random.randrange(1, 0xFFFF), type_.kind.full


@draw.register(FlagSet)
def _(type_: FlagSet[Any], random: Random) -> Pair:
    mask = random.getrandbits(16) & type_.flags.allowed
    return random.getrandbits(16) & mask, mask


@draw.register(Structure)
def _(type_: Structure[Any], random: Random) -> Pair:
    return draw_struct(type_.cls, random)


@draw.register
def _(type_: Opaque, random: Random) -> Pair:
    """The one that a key has is of two bytes: extension headers of IPv6."""
    value, mask = random.getrandbits(9), random.getrandbits(9)
    return value.to_bytes(2, "little"), mask.to_bytes(2, "little")


@draw.register
def _(type_: MplsStack, random: Random) -> Pair:
    entries = [draw_struct(Mpls, random) for _ in range(random.randint(1, type_.max_labels))]
    return tuple(value for value, _ in entries), tuple(mask for _, mask in entries)


@draw.register(Nested)
def _(type_: Nested[Any], random: Random) -> Pair:
    return {Tunnel: draw_tunnel, Nsh: _draw_nsh}[type_.nest](random)


_NOT_ZERO = (Arp.op, CtTuple4.proto, CtTuple6.proto)
"""Small numbers; a connection whose protocol is 0 is none."""


def draw_struct(cls: type[Struct], random: Random) -> tuple[Any, Any]:
    """Return a structure and its mask; fields without a text have their defaults."""
    pairs = []
    for field in cls.FIELDS:
        if field not in cls.TEXT or field.default_mask != field.kind.zero:
            pairs.append((field.default, field.default_mask))
        elif field in _NOT_ZERO:
            pairs.append((random.randrange(1, 10), 0xFF))
        else:
            pairs.append(_field(field.kind, random))
    return cls.of_raw(tuple(value for value, _ in pairs)), cls.of_raw(tuple(mask for _, mask in pairs))


def _field(kind: Kind[Any], random: Random) -> Pair:
    """Return a value, and a mask: half of the time it is exact, else nothing, bits in a row, or any bits."""
    if isinstance(kind, Frag):
        return random.randrange(3), kind.full
    if isinstance(kind, Flags):
        return random.getrandbits(16) & kind.allowed, kind.full
    is_bytes = isinstance(kind.full, bytes)
    full = int.from_bytes(kind.full, "big") if is_bytes else kind.full
    width = full.bit_length()
    prefix = full >> random.randrange(width) << random.randrange(width) & full
    mask = random.choice([full, full, full, 0, prefix, random.getrandbits(width)])
    value = random.getrandbits(width) & mask
    return (value.to_bytes(kind.size, "big"), mask.to_bytes(kind.size, "big")) if is_bytes else (value, mask)


_TUNNEL_FIELDS = (
    TunnelKeyAttr.TOS,
    TunnelKeyAttr.TTL,
    TunnelKeyAttr.DONT_FRAGMENT,
    TunnelKeyAttr.CSUM,
    TunnelKeyAttr.TP_SRC,
    TunnelKeyAttr.TP_DST,
    TunnelKeyAttr.OAM,
)
"""In the kernel's order."""


def draw_tunnel(random: Random) -> tuple[Tunnel, Tunnel]:
    """Return a tunnel's key: addresses of one family, and options of one kind or none."""
    families = [
        (TunnelKeyAttr.IPV4_SRC, TunnelKeyAttr.IPV4_DST),
        (TunnelKeyAttr.IPV6_SRC, TunnelKeyAttr.IPV6_DST),
    ]
    pairs: dict[int, Pair] = {}
    if random.random() < 0.7:
        pairs[TunnelKeyAttr.ID] = random.getrandbits(64), (1 << 64) - 1
    source, destination = random.choice(families)
    for number in (source, destination, *_TUNNEL_FIELDS):
        if number in (destination, TunnelKeyAttr.TTL) or random.random() < 0.4:
            type_ = Tunnel.type_of(number)
            pairs[number] = (True, True) if isinstance(type_, Empty) else draw(type_, random)
    full = Tunnel.type_of(destination).kind.full
    pairs[destination] = full, full  # must not be zero
    number, draw_options = random.choice(_OPTIONS)
    if number:
        pairs[number] = draw_options(random)
    return (
        Tunnel.of_kept({number: value for number, (value, _) in pairs.items()}),
        Tunnel.of_kept({number: mask for number, (_, mask) in pairs.items()}),
    )


def _draw_geneve(random: Random) -> tuple[GeneveOptions, GeneveOptions]:
    values, masks = [], []
    for _ in range(random.randint(1, MAX_OPTIONS)):
        size = 4 * random.choice([0, 1, 1, 1, 2, 4, 8])
        data = b"\xff" * size if random.random() < 0.5 else random.randbytes(size)
        values.append(GeneveOption(0x102, random.getrandbits(7), bytes(byte & 0x7F for byte in data)))
        masks.append(GeneveOption(0xFFFF, 0xFF, data, 0x1F))
    values = [
        value._replace(data=bytes(a & b for a, b in zip(value.data, mask.data, strict=True)))
        for value, mask in zip(values, masks, strict=True)
    ]
    return GeneveOptions(values), GeneveOptions(masks)


def _draw_vxlan(random: Random) -> tuple[VxlanOptions, VxlanOptions]:
    value, mask = draw_struct(Gbp, random)
    if mask.is_zero():
        mask = Gbp.full()
    return VxlanOptions(gbp=value), VxlanOptions(gbp=mask)


def _draw_erspan(random: Random) -> tuple[Erspan, Erspan]:
    if random.random() < 0.5:
        return Erspan(ver=1, idx=random.getrandbits(20)), Erspan.full()
    value = Erspan(ver=2, dir=random.getrandbits(1), hwid=random.getrandbits(4))
    return value, Erspan.full()


_OPTIONS = (
    (0, None),
    (TunnelKeyAttr.GENEVE_OPTS, _draw_geneve),
    (TunnelKeyAttr.GENEVE_OPTS, _draw_geneve),
    (TunnelKeyAttr.VXLAN_OPTS, _draw_vxlan),
    (TunnelKeyAttr.ERSPAN_OPTS, _draw_erspan),
)


def _draw_nsh(random: Random) -> tuple[Nsh, Nsh]:
    base, base_mask = draw_struct(NshBase, random)
    context, context_mask = draw_struct(NshContext, random)
    value = Nsh(base=base.replace(mdtype=NSH_M_TYPE1, np=random.randint(1, 5)), md1=context)
    return value, Nsh(base=base_mask.replace(mdtype=0xFF, np=0xFF), md1=context_mask)


def draw_key(number: int, random: Random) -> tuple[FlowKey, FlowKey]:
    """Return a key and a mask with the one attribute of this number."""
    value, mask = draw(FlowKey.type_of(number), random)
    return FlowKey.of_kept({number: value}), FlowKey.of_kept({number: mask})
