"""Actions that hold attributes to text by writers: ct, userspace, sample and the others that hold actions.

See `NestAction.show`. What differs from it is said by the class: `Ct` puts its `nat` last and tells no zone 0,
`Userspace` leaves its user data to tell themselves.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import struct

from dpif._typing import Any, Final
from dpif.errors import DecodeError
from dpif.netlink.attributes import ATTRIBUTE_HEADER, align
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.actions.base import Action, ActionList, NestAction
from dpif.odp.actions.ct import Ct, MaskedType, NameType
from dpif.odp.actions.nat import NatType
from dpif.odp.actions.nested import Clone
from dpif.odp.actions.userspace import Userspace
from dpif.odp.constants import CtAttr, NatAttr, UserspaceAttr
from dpif.odp.lines.actions import ActionWriter
from dpif.odp.lines.fields import Source, Writer, of_mask, of_raw
from dpif.odp.lines.keys import MAX_FORMS, Mode, Unusual, length_at, write_attribute
from dpif.odp.model.attrs import AttrType, Empty
from dpif.odp.model.nest import Attr

_WORD: Final = struct.Struct("=I")
_U16: Final = struct.Struct("=H")


def write_nest_action(cls: type[Action], size: int, actions: ActionWriter) -> Writer:
    """Return what writes an action of this class whose payload has `size` bytes."""
    if size % 4:
        raise Unusual
    if issubclass(cls, Clone):
        return lambda data, at, mask, mask_at: f"clone({actions.nested(data, at, at + size)})"
    if not issubclass(cls, NestAction) or cls.show not in (NestAction.show, Ct.show):
        raise Unusual
    return ArgumentWriter(cls, size, actions).write


class ArgumentWriter(dict[int, tuple[int, int, Writer]]):
    """Writes actions of one class and size. By the word of a header: how many words follow, the rank, what writes."""

    def __init__(self, cls: type[NestAction], size: int, actions: ActionWriter) -> None:
        super().__init__()
        self._cls = cls
        self._size = size
        self._actions = actions
        told = cls.TEXT or tuple(cls._by_name)
        if cls is Ct:
            told = (*[name for name in told if name != "nat"], "nat")
        if cls is Userspace:
            told = ("pid", "userdata", "actions", "egress_tun_port")
        self._ranks = {int(cls.attr(name).number): rank for rank, name in enumerate(told)}
        self._required = {self._ranks[int(cls.attr(name).number)] for name in cls.REQUIRED}
        self._untold = {self._ranks[int(cls.attr(name).number)] for name in cls.UNTOLD}

    def write(self, data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        """Write one."""
        end = at + self._size
        ranked: dict[int, str] = {}
        while at < end:
            step, rank, write = self[_WORD.unpack_from(data, at)[0]]
            at += NLA_HDRLEN
            if rank in ranked or at + step > end:
                raise Unusual
            ranked[rank] = write(data, at, data, 0)
            at += step
        if not self._required <= ranked.keys():
            raise Unusual
        arguments = ",".join([text for _, text in sorted(ranked.items()) if text])
        if not arguments and self._cls is Ct:
            return "ct"
        return f"{self._cls.word}({arguments})"

    def is_told(self, rank: int) -> bool:
        """Tell whether the argument of this rank has a text."""
        return rank not in self._untold

    def __missing__(self, word: int) -> tuple[int, int, Writer]:
        length, type_ = ATTRIBUTE_HEADER.unpack(_WORD.pack(word))
        attr = self._cls.ATTRS.get(type_ & NLA_TYPE_MASK)
        if attr is None or length < NLA_HDRLEN:
            raise Unusual
        if len(self) >= MAX_FORMS:
            self.clear()
        size = length - NLA_HDRLEN
        rank = self._ranks[int(attr.number)]
        write = self._make(attr, size)
        form = self[word] = align(size), rank, _silent(write) if rank in self._untold else write
        return form

    def _make(self, attr: Attr[Any], size: int) -> Writer:
        """Return what writes an argument; see `show_argument`."""
        type_, name = attr.type, attr.text_name
        if isinstance(type_, Empty):
            if size:
                raise Unusual
            return lambda data, at, mask, mask_at: name
        if isinstance(type_, ActionList):
            if size % 4:
                raise Unusual
            actions = self._actions
            return lambda data, at, mask, mask_at: f"{name}({actions.nested(data, at, at + size)})"
        if isinstance(type_, MaskedType):
            return _write_masked(type_, f"{name}=", size)
        if isinstance(type_, NatType):
            return _write_nat
        if self._cls is Ct and attr.number == CtAttr.ZONE:
            zone = write_attribute(type_, f"{name}=", "", size, self._actions.mode)
            return lambda data, at, mask, mask_at: zone(data, at, mask, mask_at) if any(data[at : at + size]) else ""
        if isinstance(type_, NameType):
            return _write_checked(type_, f"{name}=", size, self._actions.mode)
        if self._cls is Userspace and attr.number == UserspaceAttr.USERDATA:
            from dpif.odp.lines.userdata import write_userdata  # few lists of actions have any

            return write_userdata(size, self._actions.mode)
        before, after = (f"{name}(", ")") if type_.enclosed else (f"{name}=", "")
        return write_attribute(type_, before, after, size, self._actions.mode)


def _silent(check: Writer) -> Writer:
    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        check(data, at, mask, mask_at)
        return ""

    return write


def _write_checked(type_: AttrType[Any], before: str, size: int, mode: Mode) -> Writer:
    """Return what leaves a text to its type, whose bytes may be wrong whatever their number."""

    def write(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
        try:
            return f"{before}{type_.show(type_.decode(data[at : at + size]), None, mode.style)}"
        except DecodeError:
            raise Unusual from None

    return write


def _write_masked(type_: MaskedType, before: str, size: int) -> Writer:
    """Return what writes a value and the bits of it that are set; see `MaskedType.show`."""
    kind = type_.kind
    if size != 2 * kind.size:
        raise Unusual
    source = Source()
    value, names = of_raw(kind, "v")
    mask, more = of_mask(kind, "m")
    source.line("v, m = read(data, at)", read=struct.Struct(f"={kind.code}{kind.code}").unpack_from, **names, **more)
    if not type_.always_mask:
        source.line(f"if m == {kind.full!r}: return f{before + value!r}")
    source.line(f"return f{before + value + '/' + mask!r}")
    return source.compiled()


_SRC, _DST = 1 << NatAttr.SRC, 1 << NatAttr.DST
_SIZES: Final = {
    **dict.fromkeys((NatAttr.SRC, NatAttr.DST, NatAttr.PERSISTENT, NatAttr.PROTO_HASH, NatAttr.PROTO_RANDOM), (0,)),
    **dict.fromkeys((NatAttr.IP_MIN, NatAttr.IP_MAX), (4, 16)),
    **dict.fromkeys((NatAttr.PROTO_MIN, NatAttr.PROTO_MAX), (2,)),
}


def _write_nat(data: bytes, at: int, mask: bytes, mask_at: int) -> str:
    """Write a translation; see `Nat.show`."""
    places: dict[int, int] = {}
    end = at + length_at(data, at)
    while at < end:
        length, type_ = ATTRIBUTE_HEADER.unpack_from(data, at)
        number = type_ & NLA_TYPE_MASK
        if number in places or length - NLA_HDRLEN not in _SIZES.get(number, ()):
            raise Unusual
        places[number] = at + NLA_HDRLEN
        at += align(length)
    if at != end:
        raise Unusual
    if NatAttr.SRC in places:
        text = "nat(src"
    elif NatAttr.DST in places:
        text = "nat(dst"
    else:
        return "nat"
    if NatAttr.IP_MIN in places:
        text += f"={_range(data, places)}"
    if NatAttr.PERSISTENT in places:
        text += ",persistent"
    if NatAttr.PROTO_HASH in places:
        text += ",hash"
    if NatAttr.PROTO_RANDOM in places:
        text += ",random"
    return f"{text})"


def _range(data: bytes, places: dict[int, int]) -> str:
    """Return addresses and ports from the first to the last, which are left out where they say nothing."""
    first = _address(data, places[NatAttr.IP_MIN])
    text = _show_address(first)
    (port,) = _U16.unpack_from(data, places[NatAttr.PROTO_MIN]) if NatAttr.PROTO_MIN in places else (0,)
    if port and len(first) == 16:
        text = f"[{text}]"
    if NatAttr.IP_MAX in places:
        last = _address(data, places[NatAttr.IP_MAX])
        if any(last) and last != first:
            shown = _show_address(last)
            text += f"-[{shown}]" if port and len(first) == 16 else f"-{shown}"
    if not port:
        return text
    if NatAttr.PROTO_MAX in places:
        (highest,) = _U16.unpack_from(data, places[NatAttr.PROTO_MAX])
        if highest and highest != port:
            return f"{text}:{port}-{highest}"
    return f"{text}:{port}"


def _address(data: bytes, at: int) -> bytes:
    return data[at : at + length_at(data, at)]


def _show_address(address: bytes) -> str:
    if len(address) == 4:
        return socket.inet_ntoa(address)
    if any(address[:8]):
        return socket.inet_ntop(socket.AF_INET6, address)
    import ipaddress  # shows one that holds an IPv4 address otherwise

    return str(ipaddress.IPv6Address(address))
