"""Which bytes of encoded keys and actions are plain values: no rule of the kernel says anything about them.

So two keys that differ in plain values alone are both taken or both refused, with the same mask, and in the flat key
these values stand at the same places; and likewise lists of actions. Everything else (headers of attributes,
EtherTypes, protocols, flags, lengths, masks) decides. Most headers are plain but for some fields; what is not named
here is taken to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dpif._typing import Any, Final, NamedTuple
from dpif.netlink.attributes import walk
from dpif.odp.constants import (
    DP_MAX_PORTS,
    VLAN_CFI,
    ActionAttr,
    CheckPktLenAttr,
    CtAttr,
    CtState,
    DecTtlAttr,
    KeyAttr,
    NatAttr,
    SampleAttr,
    TunnelKeyAttr,
    UserspaceAttr,
    VxlanExt,
)
from dpif.odp.kernel.match_tunnel import TUNNEL_FIELDS
from dpif.odp.kernel.places import HOST_ORDER, PLACES, StructurePlace
from dpif.odp.kernel.swkey import FIELDS, MPLS_LABEL_DEPTH, Field
from dpif.odp.model.structs import Struct

_ALL: Final = -1


class UnusualError(Exception):
    """Something of which this file does not know whether it is plain."""


class Plain(NamedTuple):
    """A value: its place and size in the encoded form, its byte order, and which of its bits are plain.

    ``field`` is where it stands in the flat key, None in actions. ``never`` is what it must not be.
    """

    start: int
    size: int
    order: Any = "big"
    bits: int = _ALL
    never: int | None = None
    field: Field | None = None


# Keys

_DECIDING: Final = frozenset({"proto", "frag", "op"})
"""Fields of headers that say what comes next."""
_BITS: Final[dict[str, int]] = {"label": 0xFFFFF}
_ICMPV6_TYPE: Final = "type"
_SCALARS: Final[dict[int, tuple[Any, int, int | None]]] = {
    KeyAttr.DP_HASH: (HOST_ORDER, _ALL, None),
    KeyAttr.RECIRC_ID: (HOST_ORDER, _ALL, None),
    KeyAttr.PRIORITY: (HOST_ORDER, _ALL, None),
    KeyAttr.IN_PORT: (HOST_ORDER, 0xFFFF, DP_MAX_PORTS),
    KeyAttr.SKB_MARK: (HOST_ORDER, _ALL, None),
    KeyAttr.CT_STATE: (HOST_ORDER, int(sum(CtState)), None),
    KeyAttr.CT_ZONE: (HOST_ORDER, _ALL, None),
    KeyAttr.CT_MARK: (HOST_ORDER, _ALL, None),
    KeyAttr.CT_LABELS: (HOST_ORDER, _ALL, None),
    KeyAttr.TCP_FLAGS: ("big", _ALL, None),
}
"""Attributes that are one number: its byte order, plain bits, and what it is never."""


def plain_of_key(key: bytes) -> Iterator[Plain]:
    """Yield the values of an encoded key; raise `UnusualError`."""
    return _plain_of_key(key, 0, len(key), ("eth.vlan.tci", "eth.cvlan.tci"))


def _plain_of_key(key: bytes, start: int, end: int, tags: tuple[str, ...]) -> Iterator[Plain]:
    for number, first, last in walk(key, start, end):
        if number == KeyAttr.ENCAP:
            yield from _plain_of_key(key, first, last, tags[1:])
        elif number == KeyAttr.VLAN and tags:
            yield Plain(first, 2, bits=_bits_of_tag(key, first), field=FIELDS[tags[0]])
        elif number == KeyAttr.TUNNEL:
            yield from _plain_of_tunnel(key, first, last)
        elif number == KeyAttr.MPLS and last - first <= 4 * MPLS_LABEL_DEPTH:
            shift, width = FIELDS["mpls.lse"]
            used = 8 * (last - first)
            yield Plain(first, last - first, field=Field(shift + width - used, used))
        elif number != KeyAttr.ETHERTYPE:
            yield from _plain_of_header(number, first, last)


def _bits_of_tag(data: bytes, start: int) -> int:
    """Return the plain bits of a VLAN tag: none where it is not marked as present."""
    return 0xFFFF & ~VLAN_CFI if data[start] & VLAN_CFI >> 8 else 0


def _plain_of_header(number: int, start: int, end: int) -> Iterator[Plain]:
    place = PLACES.get(number)
    if isinstance(place, StructurePlace):
        yield from _plain_of_structure(number, place.cls, place.fields, start, end)
    elif number in _SCALARS and place is not None:
        order, bits, never = _SCALARS[number]
        yield Plain(start, end - start, order, bits, never, place.fields[0])
    else:
        raise UnusualError


def _plain_of_structure(number: int, cls: type[Struct], places: list[Field], start: int, end: int) -> Iterator[Plain]:
    for field, place in zip(cls.FIELDS, places, strict=True):
        decides = field.name in _DECIDING or (number == KeyAttr.ICMPV6 and field.name == _ICMPV6_TYPE)
        bits = 0 if decides else _BITS.get(field.name, _ALL)
        yield Plain(start, field.kind.size, bits=bits, field=place)
        start += field.kind.size
    if start + cls.PADDING != end:
        raise UnusualError


_BARE: Final = frozenset({TunnelKeyAttr.DONT_FRAGMENT, TunnelKeyAttr.CSUM, TunnelKeyAttr.OAM, TunnelKeyAttr.PAD})
_DESTINATIONS: Final = frozenset({TunnelKeyAttr.IPV4_DST, TunnelKeyAttr.IPV6_DST})


def _plain_of_tunnel(data: bytes, start: int, end: int) -> Iterator[Plain]:
    for number, first, last in walk(data, start, end):
        if number in TUNNEL_FIELDS:
            never = 0 if number in _DESTINATIONS else None
            yield Plain(first, last - first, never=never, field=FIELDS[TUNNEL_FIELDS[number]])
        elif number == TunnelKeyAttr.GENEVE_OPTS:
            yield from _plain_of_geneve(data, first, last)
        elif number == TunnelKeyAttr.VXLAN_OPTS:
            yield from _plain_of_vxlan(data, first, last)
        elif number not in _BARE:
            raise UnusualError


def _plain_of_geneve(data: bytes, start: int, end: int) -> Iterator[Plain]:
    """Of options all but the byte with the length is plain, of each by itself."""
    low, width = FIELDS["tun_opts"]
    bits = bytearray(b"\xff" * (end - start))
    at = start
    while at < end:
        bits[at + 3 - start] = 0
        at += 4 + 4 * (data[at + 3] & 0x1F)
    yield Plain(start, end - start, bits=int.from_bytes(bits, "big"), field=Field(low, width))


def _plain_of_vxlan(data: bytes, start: int, end: int) -> Iterator[Plain]:
    found = list(walk(data, start, end))
    if [number for number, _, _ in found] != [VxlanExt.GBP]:
        raise UnusualError
    _, first, last = found[0]
    yield Plain(first, last - first, field=FIELDS["tun_opts"])


# Actions

_NESTS: Final[dict[int, frozenset[int]]] = {
    ActionAttr.SAMPLE: frozenset({SampleAttr.ACTIONS}),
    ActionAttr.CHECK_PKT_LEN: frozenset({CheckPktLenAttr.ACTIONS_IF_LESS_EQUAL, CheckPktLenAttr.ACTIONS_IF_GREATER}),
    ActionAttr.DEC_TTL: frozenset({DecTtlAttr.ACTION}),
}
"""Actions that hold lists of actions, and in which of their attributes."""
_CT_VALUES: Final[dict[int, int]] = {CtAttr.ZONE: 1, CtAttr.MARK: 2, CtAttr.LABELS: 2}
"""Attributes of ``ct`` with plain values, and how many of them a mask makes: the first half is plain."""
_ADDRESSES: Final = frozenset({NatAttr.IP_MIN, NatAttr.IP_MAX, NatAttr.PROTO_MIN, NatAttr.PROTO_MAX})


def plain_of_actions(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Plain]:
    """Yield the values of encoded actions; raise `UnusualError` for actions of which more is asked than rules."""
    for number, first, last in walk(data, start, end):
        if number == ActionAttr.OUTPUT:
            yield Plain(first, last - first, HOST_ORDER, 0xFFFF, DP_MAX_PORTS)
        elif number == ActionAttr.RECIRC:
            yield Plain(first, last - first)
        elif number == ActionAttr.CLONE:
            yield from plain_of_actions(data, first, last)
        elif number in _NESTS:
            for inner, low, high in walk(data, first, last):
                if inner in _NESTS[number]:
                    yield from plain_of_actions(data, low, high)
        elif number in _TAKERS:
            yield from _TAKERS[number](data, first, last)


def _plain_of_set(data: bytes, start: int, end: int) -> Iterator[Plain]:
    for number, first, last in walk(data, start, end):
        if number == KeyAttr.TUNNEL:
            yield from _plain_of_tunnel(data, first, last)
        elif number != KeyAttr.MPLS:
            yield from _plain_of_header(number, first, last)


def _plain_of_set_masked(data: bytes, start: int, end: int) -> Iterator[Plain]:
    """A value behind which its mask stands has no bits outside it."""
    for _, first, last in walk(data, start, end):
        size = (last - first) // 2
        yield Plain(first, size, bits=int.from_bytes(data[first + size : last], "big"))


def _plain_of_push_vlan(data: bytes, start: int, end: int) -> Iterator[Plain]:
    yield Plain(start + 2, 2, bits=_bits_of_tag(data, start + 2))


def _plain_of_ct(data: bytes, start: int, end: int) -> Iterator[Plain]:
    for number, first, last in walk(data, start, end):
        if number in _CT_VALUES:
            yield Plain(first, (last - first) // _CT_VALUES[number])
        elif number == CtAttr.NAT:
            for inner, low, high in walk(data, first, last):
                if inner in _ADDRESSES:
                    yield Plain(low, high - low)
        elif number == CtAttr.TIMEOUT:  # a policy must be there, and is in use from now on
            raise UnusualError


def _plain_of_userspace(data: bytes, start: int, end: int) -> Iterator[Plain]:
    for number, first, last in walk(data, start, end):
        if number == UserspaceAttr.PID:
            yield Plain(first, last - first, HOST_ORDER, never=0)
        elif number in (UserspaceAttr.USERDATA, UserspaceAttr.EGRESS_TUN_PORT):
            yield Plain(first, last - first)


_TAKERS: Final[dict[int, Callable[[bytes, int, int], Iterator[Plain]]]] = {
    ActionAttr.SET: _plain_of_set,
    ActionAttr.SET_MASKED: _plain_of_set_masked,
    ActionAttr.PUSH_VLAN: _plain_of_push_vlan,
    ActionAttr.CT: _plain_of_ct,
    ActionAttr.USERSPACE: _plain_of_userspace,
}
