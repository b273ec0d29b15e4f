"""Hypothesis strategies for keys, masks and actions, derived from their descriptions.

`keys` and `matches` give flow keys, `action_lists` what is done with packets. Values are well formed, not
necessarily ones that a kernel takes together. There is a strategy for each kind of field and each type of
attribute; a new attribute or action of a known type needs nothing here.

What is drawn corresponds to its text one to one: keys have no bit outside their mask, and what the text does not
tell is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from dpif._typing import Any, TypeAlias, TypeVar
from dpif.odp.actions import (
    Action,
    Actions,
    CheckPktLen,
    Clone,
    Ct,
    DecTtl,
    Hash,
    Nat,
    PushNsh,
    Sample,
    Set,
    SetMasked,
    TunnelPush,
    Userspace,
    load_all,
)
from dpif.odp.actions.base import ActionList, FieldAction, NestAction
from dpif.odp.actions.cookies import Cookie, UserData
from dpif.odp.actions.ct import MaskedType, NameType
from dpif.odp.actions.nat import NatType
from dpif.odp.actions.simple import Bare, Number
from dpif.odp.constants import KeyAttr, TunnelKeyAttr
from dpif.odp.model.attrs import AttrType, Empty, EtherType, FlagSet, Opaque, Scalar, Structure
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.kinds import Flags, Frag, Kind
from dpif.odp.model.layers import Mpls, MplsStack
from dpif.odp.model.nest import Nest, Nested
from dpif.odp.model.nsh import NSH_M_TYPE1, Nsh, NshBase, NshContext
from dpif.odp.model.structs import Record
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.model.tunnel_options import Erspan, ErspanType, GeneveOption, GeneveOptions, GeneveType, GtpuType

__all__ = ["action_lists", "keys", "matches"]

R = TypeVar("R", bound=Record)

Pair: TypeAlias = tuple[Any, Any]
"""A value and its mask, in raw or kept form."""

MAX_DEPTH = 2
"""Attributes and actions are drawn so many levels deep."""


# Fields


@singledispatch
def raws(kind: Kind[Any]) -> SearchStrategy[Any]:
    """Values of a field, in raw form."""
    if isinstance(kind.zero, bytes):
        return st.binary(min_size=kind.size, max_size=kind.size)
    return st.integers(0, kind.full)


@raws.register
def _(kind: Flags) -> SearchStrategy[int]:  # type: ignore[type-arg]  # the flag's type does not matter
    return st.integers(0, kind.allowed)


@raws.register
def _(kind: Frag) -> SearchStrategy[int]:
    return st.integers(0, 2)


def masks(kind: Kind[Any]) -> SearchStrategy[Any]:
    """Masks of a field, in raw form: often none or all of its bits."""
    ends = st.sampled_from([kind.zero, kind.full])
    return ends if isinstance(kind, Frag) else ends | raws(kind)


def both(value: Any, mask: Any) -> Any:
    """Return the bits of a raw value that are in a mask."""
    if isinstance(value, bytes):
        return bytes(a & b for a, b in zip(value, mask, strict=True))
    return value & mask


@st.composite
def field_pairs(draw: st.DrawFn, kind: Kind[Any]) -> Pair:
    """A value of a field, and a mask that covers it."""
    mask = draw(masks(kind))
    return both(draw(raws(kind)), mask), mask


@st.composite
def record_pairs(draw: st.DrawFn, cls: type[R]) -> tuple[R, R]:
    """A structure and a mask that covers it; fields without a text have their defaults."""
    pairs: list[Pair] = []
    for field in cls.FIELDS:
        if field not in cls.TEXT:
            pairs.append((field.default, field.default_mask))
        elif field.default_mask != field.kind.zero:  # its text is a flag that is always matched
            pairs.append((draw(raws(field.kind)), field.default_mask))
        else:
            pairs.append(draw(field_pairs(field.kind)))
    return cls.of_raw(tuple(value for value, _ in pairs)), cls.of_raw(tuple(mask for _, mask in pairs))


def records(cls: type[R]) -> SearchStrategy[R]:
    """Structures; fields without a text have their defaults."""
    fields = [raws(field.kind) if field in cls.TEXT else st.just(field.default) for field in cls.FIELDS]
    return st.tuples(*fields).map(cls.of_raw)


# Attributes of a match


@singledispatch
def pairs(type_: AttrType[Any], depth: int = 0) -> SearchStrategy[Pair]:
    """A kept value of an attribute, and a mask that covers it."""
    raise NotImplementedError(f"no strategy for {type_!r}")


@pairs.register(Scalar)
def _(type_: Scalar[Any], depth: int = 0) -> SearchStrategy[Pair]:
    if not type_.maskable:
        return st.tuples(raws(type_.kind), st.just(type_.kind.full))
    return field_pairs(type_.kind)


@pairs.register
def _(type_: EtherType, depth: int = 0) -> SearchStrategy[Pair]:
    return field_pairs(type_.kind).filter(lambda pair: pair[0] != 0)  # zero under a mask is no value at all


@pairs.register(FlagSet)
def _(type_: FlagSet[Any], depth: int = 0) -> SearchStrategy[Pair]:
    return st.integers(0, type_.flags.allowed).flatmap(
        lambda mask: st.tuples(st.integers(0, mask).map(lambda bits: bits & mask), st.just(mask))
    )


@pairs.register(Structure)
def _(type_: Structure[Any], depth: int = 0) -> SearchStrategy[Pair]:
    return record_pairs(type_.cls)


@pairs.register
def _(type_: Opaque, depth: int = 0) -> SearchStrategy[Pair]:
    return st.integers(0, 8).flatmap(lambda size: st.tuples(*[st.binary(min_size=size, max_size=size)] * 2))


@pairs.register
def _(type_: Empty, depth: int = 0) -> SearchStrategy[Pair]:
    return st.just((True, True))


@pairs.register
def _(type_: MplsStack, depth: int = 0) -> SearchStrategy[Pair]:
    entries = st.lists(record_pairs(Mpls), min_size=1, max_size=type_.max_labels)
    return entries.map(lambda found: (tuple(value for value, _ in found), tuple(mask for _, mask in found)))


@pairs.register
def _(type_: GtpuType, depth: int = 0) -> SearchStrategy[Pair]:
    two = st.binary(min_size=2, max_size=2)
    return st.tuples(two, two).map(lambda pair: (both(*pair), pair[1]))


@pairs.register
def _(type_: ErspanType, depth: int = 0) -> SearchStrategy[Pair]:
    return erspan_pairs()


@st.composite
def erspan_pairs(draw: st.DrawFn) -> tuple[Erspan, Erspan]:
    """ERSPAN options of either version; a hardware id of four bits, as the C tool knows it."""
    if draw(st.booleans()):
        value, mask = draw(field_pairs(Erspan.idx.kind))
        return Erspan(ver=1, idx=value), Erspan.full().replace(idx=mask)
    hwid, hwid_mask = draw(st.integers(0, 15)), draw(st.integers(0, 15))
    bit, bit_mask = draw(field_pairs(Erspan.dir.kind))
    value = Erspan(ver=2, dir=bit, hwid=hwid & hwid_mask)
    return value, Erspan.full().replace(dir=bit_mask, hwid=hwid_mask | 0x30)


@pairs.register
def _(type_: GeneveType, depth: int = 0) -> SearchStrategy[Pair]:
    return st.lists(geneve_pairs(), max_size=3).map(
        lambda found: (GeneveOptions(value for value, _ in found), GeneveOptions(mask for _, mask in found))
    )


@st.composite
def geneve_pairs(draw: st.DrawFn) -> tuple[GeneveOption, GeneveOption]:
    """One Geneve option, its length matched exactly."""
    size = 4 * draw(st.integers(0, 4))
    data, data_mask = draw(st.tuples(*[st.binary(min_size=size, max_size=size)] * 2))
    class_mask, type_mask = draw(st.integers(0, 0xFFFF)), draw(st.integers(0, 0xFF))
    value = GeneveOption(draw(st.integers(0, 0xFFFF)) & class_mask, type_mask, both(data, data_mask))
    return value, GeneveOption(class_mask, type_mask, data_mask, 0x1F)


@pairs.register(Nested)
def _(type_: Nested[Any], depth: int = 0) -> SearchStrategy[Pair]:
    if type_.nest is Nsh:
        return nsh_pairs()
    if type_.nest is Tunnel:
        return tunnel_pairs()
    return nest_pairs(type_.nest, depth + 1, frozenset({KeyAttr.TUNNEL} if type_.nest is FlowKey else ()))


@st.composite
def nest_pairs(
    draw: st.DrawFn, cls: type[Nest], depth: int = 0, without: frozenset[int] = frozenset()
) -> tuple[Any, Any]:
    """A nest of up to six attributes, and its mask."""
    numbers = sorted(
        number
        for number, attr in cls.ATTRS.items()
        if number not in without and not (depth >= MAX_DEPTH and isinstance(attr.type, Nested))
    )
    drawn = {
        number: draw(pairs(cls.type_of(number), depth))
        for number in draw(st.lists(st.sampled_from(numbers), unique=True, max_size=6))
    }
    return (
        cls.of_kept({number: value for number, (value, _) in drawn.items()}),
        cls.of_kept({number: mask for number, (_, mask) in drawn.items()}),
    )


@st.composite
def tunnel_pairs(draw: st.DrawFn) -> tuple[Tunnel, Tunnel]:
    """A tunnel key; when it has an id this is matched exactly, else its flag could not be told from it."""
    value, mask = draw(nest_pairs(Tunnel, 0, frozenset({TunnelKeyAttr.PAD, TunnelKeyAttr.ID})))
    if draw(st.booleans()):
        value = value.replace(tun_id=draw(st.integers(0, (1 << 64) - 1)))
        mask = mask.replace(tun_id=(1 << 64) - 1)
    return value, mask


@st.composite
def nsh_pairs(draw: st.DrawFn) -> tuple[Nsh, Nsh]:
    """A network service header with metadata of type 1; its text needs the type."""
    base, base_mask = draw(record_pairs(NshBase))
    context, context_mask = draw(record_pairs(NshContext))
    value = Nsh(base=base.replace(mdtype=NSH_M_TYPE1), md1=context)
    return value, Nsh(base=base_mask.replace(mdtype=0xFF), md1=context_mask)


_UNKNOWN_NUMBERS = st.integers(max(KeyAttr) + 1, 0x3FFF)


@st.composite
def matches(draw: st.DrawFn) -> tuple[FlowKey, FlowMask]:
    """Keys and masks, some with an attribute that this library does not know."""
    key, mask = draw(nest_pairs(FlowKey))
    values, bits = dict(key.kept()), dict(mask.kept())
    if draw(st.booleans()):
        number = draw(_UNKNOWN_NUMBERS)
        values[number], bits[number] = draw(pairs(Opaque()))
    return FlowKey.of_kept(values), FlowMask.of_kept(bits)


def keys() -> SearchStrategy[FlowKey]:
    """Keys alone."""
    return matches().map(lambda pair: pair[0])


# Actions


@singledispatch
def kept(type_: AttrType[Any], depth: int) -> SearchStrategy[Any]:
    """Kept values of an attribute of an action."""
    return pairs(type_, depth).map(lambda pair: pair[0])


@kept.register(Scalar)
def _(type_: Scalar[Any], depth: int) -> SearchStrategy[Any]:
    return raws(type_.kind)


@kept.register
def _(type_: ActionList, depth: int) -> SearchStrategy[Actions]:
    return action_lists(depth + 1)


@st.composite
def nest_actions(draw: st.DrawFn, cls: type[NestAction], depth: int) -> Action:
    """An action that holds attributes; what it requires is there."""
    required = {int(cls.attr(name).number) for name in cls.REQUIRED}
    optional = sorted(set(cls.ATTRS) - required)
    chosen = required | (draw(st.sets(st.sampled_from(optional))) if optional else set())
    return cls.of_kept({number: draw(kept(cls.type_of(number), depth)) for number in cls.ATTRS if number in chosen})


_NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=15)


@kept.register
def _(type_: NameType, depth: int) -> SearchStrategy[str]:
    return _NAMES


@kept.register(MaskedType)
def _(type_: MaskedType, depth: int) -> SearchStrategy[Pair]:
    return field_pairs(type_.kind).filter(lambda pair: pair[1] != type_.kind.zero)  # such a mask changes nothing


@kept.register
def _(type_: NatType, depth: int) -> SearchStrategy[Nat]:
    return nats()


@kept.register
def _(type_: UserData, depth: int) -> SearchStrategy[bytes]:
    cookies = st.sampled_from(sorted(Cookie.by_type)).flatmap(lambda number: records(Cookie.by_type[number]))
    return cookies.map(Cookie.to_userdata) | st.binary(min_size=8, max_size=50)


@st.composite
def nats(draw: st.DrawFn) -> Nat:
    """Address translations that mean something."""
    if draw(st.booleans()):
        return Nat()
    family = st.ip_addresses(v=4) if draw(st.booleans()) else st.ip_addresses(v=6)
    addresses = sorted(draw(st.lists(family, max_size=2, unique=True)), key=int)
    ports = sorted(draw(st.lists(st.integers(1, 0xFFFF), max_size=2, unique=True))) if addresses else []
    return Nat(
        src=(is_source := draw(st.booleans())),
        dst=not is_source,
        ip_min=addresses[0] if addresses else None,
        ip_max=addresses[1] if len(addresses) > 1 else None,
        proto_min=ports[0] if ports else None,
        proto_max=ports[1] if len(ports) > 1 else None,
        persistent=draw(st.booleans()),
        proto_hash=(by_hash := draw(st.booleans())),
        proto_random=not by_hash and draw(st.booleans()),
    )


@st.composite
def cts(draw: st.DrawFn, depth: int) -> Action:
    """Connection tracking, which commits in one way or not at all."""
    action = draw(nest_actions(Ct, depth))
    return action.replace(force_commit=None) if isinstance(action, Ct) and action.commit else action


@st.composite
def userspaces(draw: st.DrawFn, depth: int) -> Action:
    """Sending to user space with user data: a text without any means an empty cookie."""
    action = draw(nest_actions(Userspace, depth))
    return action.replace(userdata=draw(kept(_USERDATA, depth))) if isinstance(action, Userspace) else action


@st.composite
def sets(draw: st.DrawFn, depth: int) -> Action:
    """Setting one attribute, whole or under a mask."""
    number = draw(st.sampled_from(sorted(set(FlowKey.ATTRS) - {KeyAttr.ENCAP})))
    type_ = FlowKey.type_of(number)
    value, mask = draw(pairs(type_, depth))
    if number in _SET_WHOLE or type_.full(value) == mask or draw(st.booleans()):
        return Set(FlowKey.of_kept({number: value}))
    return SetMasked(FlowKey.of_kept({number: value}), FlowMask.of_kept({number: mask}))


_SET_WHOLE = frozenset({KeyAttr.TUNNEL, KeyAttr.ETHERTYPE, KeyAttr.RECIRC_ID, KeyAttr.IPV6_EXTHDRS})
_USERDATA = Userspace.attr("userdata").type
_HEADERS = st.binary(max_size=64)
_NUMBERS = st.integers(0, 0xFFFFFFFF)


def _strategy(cls: type[Action], depth: int) -> SearchStrategy[Action]:
    if issubclass(cls, Number):
        return _NUMBERS.map(cls)
    if issubclass(cls, Bare):
        return st.just(cls())
    if cls is Hash:
        return st.builds(Hash, alg=st.integers(0, 1), basis=_NUMBERS)
    if issubclass(cls, FieldAction):
        return records(cls)
    special: dict[type[Action], Callable[[], SearchStrategy[Action]]] = {
        Clone: lambda: action_lists(depth + 1).map(Clone),
        Ct: lambda: cts(depth),
        PushNsh: lambda: nsh_pairs().map(lambda pair: PushNsh(pair[0])),
        Set: lambda: sets(depth),
        SetMasked: lambda: sets(depth),
        TunnelPush: lambda: st.builds(TunnelPush, _NUMBERS, _NUMBERS, _NUMBERS, _HEADERS),
        Userspace: lambda: userspaces(depth),
    }
    if cls in special:
        return special[cls]()
    assert issubclass(cls, NestAction)
    return nest_actions(cls, depth)


def single_actions(depth: int = 0) -> SearchStrategy[Action]:
    """Actions of every kind."""
    classes = list(load_all().by_number.values())
    if depth >= MAX_DEPTH:
        classes = [cls for cls in classes if cls not in _HOLDERS]
    return st.sampled_from(classes).flatmap(lambda cls: _strategy(cls, depth))


_HOLDERS = frozenset({Clone, Sample, CheckPktLen, DecTtl})


def action_lists(depth: int = 0) -> SearchStrategy[Actions]:
    """Lists of actions."""
    return st.lists(single_actions(depth), max_size=4 - depth).map(Actions)
