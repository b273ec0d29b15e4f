"""Where the fields of an encoded flow key stand: a `Layout` for each shape of key, found again in a microsecond.

The key of a packet that came up is a list of attributes. Read as one big-endian number, each of its fields is a range
of bits, and a mask is a number of the same form: to mark what was read is one ``|``. Which attributes there are,
in what order and how long, is a key's *shape*; all that depends on it alone is found out once for each shape: the
places of the fields, what must be matched beside each (its prerequisites), what is matched in any case.

Matched in any case are the input port, the recirculation id, and whether there are VLAN tags, with the EtherTypes
about a tag; on the latter the kernel insists. The EtherType of an untagged packet is matched where somebody asks for
what it announces, and whether this is a fragment where somebody asks for what a later fragment has not.

Beside the bits of the key a mask has some above them, for what has no bit in the key: flags of a tunnel, and whether
there is one (`EXTRAS`).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator, Mapping

from dpif._typing import Any
from dpif.errors import DecodeError
from dpif.netlink.attributes import walk
from dpif.odp.constants import CtState, KeyAttr, TunnelKeyAttr
from dpif.odp.model.attrs import AttrType, Scalar, Structure
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.kinds import U128, Kind, UInt
from dpif.odp.model.layers import Mpls
from dpif.odp.model.nest import Attributes, Nested
from dpif.odp.model.structs import BitStruct, Struct
from dpif.odp.model.tunnel import Tunnel

__all__ = ["EXTRAS", "Layout", "Place", "PortNumber", "layout_of"]

EXTRAS: Mapping[str, int] = {"tunnel": 0, "tunnel.df": 1, "tunnel.csum": 2, "tunnel.oam": 3, "eth_type": 4}
"""What a mask may ask for that has no bits in a key: the number of its bit above them."""
_FLAG_OF_EXTRA = {
    "tunnel.df": TunnelKeyAttr.DONT_FRAGMENT,
    "tunnel.csum": TunnelKeyAttr.CSUM,
    "tunnel.oam": TunnelKeyAttr.OAM,
}
_NETWORKS = frozenset({"arp", "ipv4", "ipv6", "ipv6_exthdrs", "mpls", "nsh"})
_ETH_TYPES = ("eth_type", "inner_eth_type", "innermost_eth_type")
_TRANSPORTS = frozenset({"tcp", "udp", "sctp", "icmp", "icmpv6"})
_MASKS_KEPT = 4096
"""How many encoded masks a layout remembers."""
_LAYOUTS_KEPT = 4096
"""How many shapes of key are remembered."""


class PortNumber(int):
    """A port's number, as the value in a table: an entry that names a port goes when the port does."""

    __slots__ = ()


class Place:
    """A field of a key: ``width`` bits at ``shift``, the last byte first where it is ``swapped``.

    ``kind`` says what its number means, ``ones`` which bits it may have; ``needs`` are the bits of the mask without
    which this field may not be matched, ``all`` these and its own; ``name`` is that of a program, ``ipv4.dst``.
    """

    __slots__ = ("all", "kind", "name", "needs", "number", "ones", "shift", "swapped", "value", "width")

    def __init__(self, name: str, kind: Kind[Any] | None, shift: int, width: int, *, swapped: bool = False) -> None:
        self.name = name
        self.kind = kind
        self.shift = shift
        self.width = width
        self.ones = (1 << width) - 1
        if kind is not None and isinstance(kind.full, int):
            self.ones &= kind.full  # of conntrack's states the kernel takes no more bits than it knows
        self.swapped = swapped
        self.number = _reader(shift, width, self.ones, swapped=swapped)
        """Returns the field's number in a key: a function made for this place, as it runs a dozen times a packet."""
        self.value = _converter(name, kind, width)
        """Makes a number the natural value."""
        self.require(0)

    def require(self, needs: int) -> None:
        """Say what is to be matched beside the field."""
        self.needs = needs
        self.all = self.bits(self.ones) | needs

    def bits(self, ones: int) -> int:
        """Return the bits of a mask that match those bits of the number which are set in `ones`."""
        return (self._swap(ones) if self.swapped else ones) << self.shift

    def _swap(self, number: int) -> int:
        return int.from_bytes(number.to_bytes(self.width // 8, "big"), "little")

    def number_of(self, value: object) -> int:
        """Return the number of a natural value, or of its text; raise `EncodeError` where it is none."""
        kind = self.kind
        if kind is None:
            return int.from_bytes(value, "big") if isinstance(value, bytes) else -1
        raw = kind.raw(value)
        return int.from_bytes(raw, "little" if isinstance(kind, U128) else "big") if isinstance(raw, bytes) else raw

    def __repr__(self) -> str:
        return f"<Place {self.name} {self.shift}+{self.width}>"


def _reader(shift: int, width: int, ones: int, *, swapped: bool) -> Callable[[int], int]:
    if not swapped:
        return lambda key: key >> shift & ones
    size, full, from_bytes = width // 8, (1 << width) - 1, int.from_bytes
    return lambda key: from_bytes((key >> shift & full).to_bytes(size, "big"), "little") & ones


def _converter(name: str, kind: Kind[Any] | None, width: int) -> Callable[[int], Any]:
    """Return what makes a field's number its natural value."""
    if name == "in_port":
        return PortNumber
    if isinstance(kind, U128):
        return int
    if kind is not None and not isinstance(kind.zero, bytes):
        return int if type(kind) is UInt else kind.value
    size = width // 8
    make = bytes if kind is None else kind.maker or kind.value
    return lambda number: make(number.to_bytes(size, "big"))


class Layout:
    """The places of all fields in keys of one shape.

    ``headers`` are the names of what such a packet has (``ipv4``, ``tcp``, ``vlan``); ``size`` is in bytes.
    ``always`` are the bits that every mask has.
    """

    def __init__(self, key: bytes) -> None:
        self.size = len(key)
        self.fixed = 0
        """The bits of attributes' headers and padding in a mask."""
        self.places: dict[str, Place] = {}
        self.headers: set[str] = set()
        self.masks: dict[int, int] = {}
        """Masks of flows, each by itself, so that equal ones are one object."""
        self._encoded: dict[int, bytes] = {}
        self._read(key, 0, self.size, FlowKey, "", 0)
        self.always = self._always()
        self.fields = self.whole(*self.places)
        """The bits of all fields."""
        for name, place in self.places.items():
            place.require(self._needs(name))

    def _needs(self, name: str) -> int:
        """Return the bits that are matched wherever some of a field are."""
        header = "tcp" if name == "tcp_flags" else name.partition(".")[0]
        # A kernel that does not match the protocol of the original direction does not tell the rest of it either.
        protocol = self.whole(f"{header}.proto") if header.startswith("ct_tuple") else 0
        return self.telling(header) | protocol

    # -- what a key has ----------------------------------------------------------------------------------------

    def _read(self, key: bytes, start: int, end: int, nest: type[Attributes], prefix: str, level: int) -> None:
        at = start
        for number, begin, stop in walk(key, start, end):
            self._fix(key, at, begin)
            at = (stop + 3) & -4
            self._fix(bytes(self.size), stop, min(at, end))
            attr = nest.ATTRS.get(number)
            name = _NAMES.get((nest, number)) or (attr.name if attr else f"key{number}")
            if number == KeyAttr.ENCAP and nest is FlowKey:
                self._read(key, begin, stop, FlowKey, "", level + 1)
                continue
            if number in _PER_LEVEL and nest is FlowKey and level:
                name = _PER_LEVEL[KeyAttr(number)][level - 1]
            name = prefix + name
            self.headers.add(name)
            self._place(key, name, nest.type_of(number), begin, stop, level)

    def _fix(self, key: bytes, start: int, end: int) -> None:
        self.fixed |= int.from_bytes(key[start:end], "big") << 8 * (self.size - end)

    def _place(self, key: bytes, name: str, type_: AttrType[Any], begin: int, stop: int, level: int) -> None:
        """Note the fields of one attribute, whose bytes are ``key[begin:stop]``."""
        if isinstance(type_, Nested) and name in ("tunnel", "nsh"):
            self._read(key, begin, stop, type_.nest, f"{name}.", level)
        elif isinstance(type_, Structure) and stop - begin == type_.cls.SIZE:
            self._place_structure(name, type_.cls, begin)
        elif isinstance(type_, Scalar):
            kind = type_.kind
            swapped = isinstance(kind, U128) or (type_.order == "=" and sys.byteorder == "little")
            self._add(name, kind, begin, stop - begin, swapped=swapped and stop - begin > 1)
        elif name == "mpls" and stop - begin >= Mpls.SIZE:
            self._place_structure(name, Mpls, begin)
        elif stop > begin:
            self._add(name, None, begin, stop - begin)

    def _place_structure(self, name: str, cls: type[Struct], begin: int) -> None:
        if issubclass(cls, BitStruct):
            base = 8 * (self.size - begin - cls.SIZE)
            for field in cls.FIELDS:
                width = int(field.kind.full).bit_length()
                self.places[f"{name}.{field.name}"] = Place(
                    f"{name}.{field.name}", field.kind, base + field.shift, width
                )
            return
        for field in cls.FIELDS:
            size = struct.calcsize(f"!{field.kind.code}")
            self._add(f"{name}.{field.name}", field.kind, begin, size)
            begin += size

    def _add(self, name: str, kind: Kind[Any] | None, begin: int, size: int, *, swapped: bool = False) -> None:
        shift = 8 * (self.size - begin - size)
        self.places[name] = Place(name, kind, shift, 8 * size, swapped=swapped)

    # -- what goes together ------------------------------------------------------------------------------------

    def whole(self, *names: str) -> int:
        """Return the mask of these fields, of those that there are."""
        return sum(place.bits(place.ones) for name in names if (place := self.places.get(name)))

    def _always(self) -> int:
        names = ["in_port", "recirc_id", "vlan.cfi", "cvlan.cfi"]
        if "vlan" in self.headers:
            names += _ETH_TYPES
        return self.whole(*names)

    def telling(self, header: str) -> int:
        """Return the bits that tell whether a packet has `header`, beside those that are matched always."""
        if header in _NETWORKS:
            return self.eth_type()
        if header in _TRANSPORTS:
            return self.eth_type() | self.whole("ipv4.proto", "ipv6.proto", "ipv4.frag", "ipv6.frag")
        if header == "nd":
            return self.telling("icmpv6") | self.whole("icmpv6.type")
        if header == "tunnel":
            return self.extra("tunnel")
        return self.eth_type() | self._tracking() if header.startswith("ct_tuple") else 0

    def _tracking(self) -> int:
        """Return the bits that tell whether the packet has a connection: it was tracked, and found valid."""
        place = self.places.get("ct_state")
        return place.bits(CtState.TRACKED | CtState.INVALID) if place else 0

    def eth_type(self) -> int:
        """Return the bits that tell the EtherType of what is behind the tags, or that there is none."""
        for name, tag in (("innermost_eth_type", "cvlan"), ("inner_eth_type", "vlan"), ("eth_type", "")):
            if name in self.places:
                return self.whole(name)
            if tag in self.headers:
                break
        return self.extra("eth_type")

    def extra(self, name: str) -> int:
        """Return the bit of a mask for what has none in the key; see `EXTRAS`."""
        return 1 << 8 * self.size + EXTRAS[name]

    # -- masks -------------------------------------------------------------------------------------------------

    def encode(self, mask: int) -> bytes:
        """Return the mask as the attributes that the kernel takes."""
        encoded = self._encoded.get(mask)
        if encoded is None:
            if len(self._encoded) >= _MASKS_KEPT:
                self._encoded.clear()
                self.masks.clear()
            encoded = self._encoded[mask] = self._encode(mask)
        return encoded

    def _encode(self, mask: int) -> bytes:
        ones = (1 << 8 * self.size) - 1
        found = FlowMask.from_bytes((mask & ones | self.fixed).to_bytes(self.size, "big"))
        return FlowMask.of_kept(dict(self._kept(found, mask))).to_bytes()

    def _kept(self, nest: FlowKey, mask: int) -> Iterator[tuple[int, Any]]:
        """Iterate over what is to be sent of a mask: attributes with a bit, and what has none of its own."""
        has_type = False
        for number, kept in nest.kept():
            has_type |= number == KeyAttr.ETHERTYPE
            if number == KeyAttr.TUNNEL:
                if mask & self.extra("tunnel"):
                    yield number, self._tunnel(kept, mask)
            elif number == KeyAttr.ENCAP:
                yield number, FlowMask.of_kept(dict(self._kept(kept, mask)))
            elif any(FlowKey.type_of(number).encode(kept)):
                yield number, kept
        if mask & self.extra("tunnel") and "tunnel" not in self.headers and KeyAttr.IN_PORT in dict(nest.kept()):
            yield KeyAttr.TUNNEL, self._tunnel(Tunnel(), mask)
        if not has_type and mask & self.extra("eth_type"):
            yield KeyAttr.ETHERTYPE, 0xFFFF  # an 802.2 frame has none in its key

    def _tunnel(self, tunnel: Tunnel, mask: int) -> Tunnel:
        kept = {
            number: value
            for number, value in tunnel.kept()
            if number not in _FLAG_OF_EXTRA.values() and any(Tunnel.type_of(number).encode(value))
        }
        for name, number in _FLAG_OF_EXTRA.items():
            if mask & self.extra(name):
                kept[number] = True
        return Tunnel.of_kept(kept or {TunnelKeyAttr.TTL: 0})

    def shown(self, mask: int) -> str:
        """Return the text of a mask, for people."""
        return str(FlowMask.from_bytes(self.encode(mask)))


_NAMES: Mapping[tuple[type[Attributes], int], str] = {(Tunnel, int(TunnelKeyAttr.ID)): "id"}
_PER_LEVEL: Mapping[KeyAttr, tuple[str, str]] = {
    KeyAttr.ETHERTYPE: ("inner_eth_type", "innermost_eth_type"),
    KeyAttr.VLAN: ("cvlan", "cvlan2"),
}
"""Of what may be there once for each tag: how it is called behind the first one, and behind the second."""

_Known = dict[int, Layout]
_layouts: dict[int, dict[int, _Known]] = {}
"""By size, then by the bits of headers, then by their value."""


def layout_of(key: bytes) -> tuple[Layout, int]:
    """Return the layout of an encoded key, and the key as a number; raise `DecodeError` for one that is malformed."""
    number = int.from_bytes(key, "big")
    for header_bits, known in _layouts.get(len(key), {}).items():
        layout = known.get(number & header_bits)
        if layout is not None:
            return layout, number
    return _learn(key, number), number


def _learn(key: bytes, number: int) -> Layout:
    layout = Layout(key)
    if "in_port" not in layout.headers:
        raise DecodeError("the key of a packet that came up has no input port", "KEY")
    header_bits = _header_bits(key, 0, len(key))
    if sum(len(known) for variants in _layouts.values() for known in variants.values()) >= _LAYOUTS_KEPT:
        _layouts.clear()
    _layouts.setdefault(len(key), {}).setdefault(header_bits, {})[number & header_bits] = layout
    return layout


_WITH_NESTS = frozenset({KeyAttr.ENCAP, KeyAttr.TUNNEL, KeyAttr.NSH})


def _header_bits(key: bytes, start: int, end: int, depth: int = 0) -> int:
    """Return the bits of all headers of attributes, nested ones too."""
    bits = 0
    for number, begin, stop in walk(key, start, end):
        bits |= 0xFFFFFFFF << 8 * (len(key) - begin)
        if number in _WITH_NESTS and depth < 3:
            is_keys = number == KeyAttr.ENCAP
            bits |= _header_bits(key, begin, stop, depth + 1 if is_keys else 3)
    return bits
