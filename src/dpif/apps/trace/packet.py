"""The packet on its way: what is known of it, bit by bit, and who said so.

A packet need not be told whole. `known` are the bits of its flat key that are; a flow that it takes tells more of
them. Values of unknown bits are zero. What a text leaves out of the metadata is taken for zero, as is a mark of
fragments.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import NamedTuple
from dpif.apps.trace.flat import flatten, show
from dpif.errors import ParseError
from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.protocols import NETWORK, TRANSPORT
from dpif.odp.kernel.swkey import CT_ORIG4, CT_ORIG6, FIELDS, MAC_PROTO_ETHERNET, METADATA, bits, get, put
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.model.tunnel import Tunnel
from dpif.packet.written import Written

_TUNNEL = bits(*(name for name in FIELDS if name.startswith("tun")))
_ASSUMED = [
    _TUNNEL,
    *(bits(name) for name in FIELDS if bits(name) & METADATA & ~_TUNNEL and name not in ("phy.in_port", "mac_proto")),
    *map(bits, ("ip.frag", "eth.vlan.tci", "eth.cvlan.tci")),
]
"""What is taken for zero unless something is told of it."""
_ALL = sum({1 << bit for field in FIELDS.values() for bit in range(field.shift, field.shift + field.width)})
_METADATA = [bits(name) for name in FIELDS if bits(name) & METADATA and not name.startswith("tun")]
_RECIRC = bits("recirc_id")
AT_FIRST = "the packet"
"""Who set what the packet came in with."""


class Connection(NamedTuple):
    """What is known of a packet's connection in a zone: its bits of the key."""

    value: int
    known: int


class Packet(NamedTuple):
    """A packet, as far as it is known.

    ``origins`` tells of fields who set them, ``tunnel`` where it will be sent, ``connections`` what is known of its
    connections by zone. ``translated`` are the zones that may have translated it; ``untranslated`` are its addresses
    and ports as they are if none did.
    """

    value: int
    known: int
    origins: Mapping[str, str] = {}
    tunnel: Tunnel | None = None
    connections: Mapping[int, Connection] = {}
    translated: frozenset[int] = frozenset()
    untranslated: Connection | None = None
    length: int | None = None

    def field(self, name: str) -> int | None:
        """Return the value of a field, None unless all of it is known."""
        field = bits(name)
        return get(self.value, name) if self.known & field == field else None

    def has(self, name: str, bit: int) -> bool | None:
        """Tell whether a bit of a field is set, None where that is not known."""
        place = put(0, name, bit)
        return bool(self.value & place) if self.known & place else None

    def learn(self, value: int, mask: int) -> Packet:
        """Return the packet with bits known, too."""
        return self._replace(value=self.value & ~mask | value & mask, known=self.known | mask)

    def set(self, value: int, mask: int, who: str) -> Packet:
        """Return the packet with bits set by an action."""
        return self.learn(value, mask)._by(mask, who)

    def forget(self, mask: int, who: str) -> Packet:
        """Return the packet with bits not known any more."""
        return self._replace(value=self.value & ~mask, known=self.known & ~mask)._by(mask, who)

    def _by(self, mask: int, who: str) -> Packet:
        named = {name: who for name in FIELDS if bits(name) & mask}
        return self._replace(origins={**self.origins, **named})

    def origin(self, mask: int) -> str:
        """Return who set the first of some bits."""
        return next((self.origins[name] for name in FIELDS if bits(name) & mask and name in self.origins), AT_FIRST)

    def text(self, names: Mapping[int, str] | None = None, mask: int | None = None) -> str:
        """Return what is known of it, in the words of ``dump-flows``; metadata that is zero is left out."""
        if mask is None:
            mask = ~_RECIRC
            for field in _METADATA:
                mask &= -1 if self.value & field else ~field
        return show(self.value, mask & self.known, names)

    def bytes_text(self, names: Mapping[int, str] | None = None) -> str:
        """Return what is known of its bytes: metadata does not leave with it."""
        return show(self.value, self.known & ~METADATA, names)


def packet_of_key(text: str, port_names: Mapping[str, int] | None = None) -> Packet:
    """Return the packet of a flow key's text; what it leaves out is not known. Raise `ParseError`."""
    key, mask = parse_match(text, port_names)
    if not len(key):
        raise ParseError("a packet has at least a field such as in_port(1)", text, 0)
    value, known = flatten(key, mask)
    known |= sum(field for field in _ASSUMED if not field & known) | put(0, "mac_proto", 0xFF)
    if not get(known, "mac_proto") or key.packet_type is None:
        value = put(value, "mac_proto", MAC_PROTO_ETHERNET)
    value, known = _implied(value, known, key, mask)
    return Packet(value, _widened(known))


def _widened(known: int) -> int:
    """A value that is told whole makes its field known, where that is wider: ICMP's types stand in ports."""
    for name, width in (("tp.src", 8), ("tp.dst", 8), ("ipv6.label", 20)):
        if get(known, name) == (1 << width) - 1:
            known |= bits(name)
    return known


def _implied(value: int, known: int, key: FlowKey, mask: FlowMask) -> tuple[int, int]:
    """Add the EtherType and the IP protocol that attributes stand for."""
    present = {number for number, _ in (key.encap or key).kept()}
    if not get(known, "eth.type"):
        for (eth_type, _), numbers in TRANSPORT.items():
            if numbers[0] in present and present & set(NETWORK[eth_type]):
                value, known = put(value, "eth.type", eth_type), put(known, "eth.type", 0xFFFF)
                break
        else:
            for eth_type, networks in NETWORK.items():
                if present & set(networks):
                    value, known = put(value, "eth.type", eth_type), put(known, "eth.type", 0xFFFF)
                    break
    if not get(known, "ip.proto"):
        for (eth_type, proto), numbers in TRANSPORT.items():
            if eth_type == get(value, "eth.type") and present & set(numbers):
                value, known = put(value, "ip.proto", proto), put(known, "ip.proto", 0xFF)
    return value, known


def packet_of_frame(written: Written, in_port: int | None) -> Packet:
    """Return the packet of a frame, of which all is known but what no port tells. Raise `RuleBroken`."""
    metadata = put(0, "mac_proto", MAC_PROTO_ETHERNET)
    value = extract_flat(written.frame, put(metadata, "phy.in_port", in_port or 0))
    known = _ALL & ~(CT_ORIG4 | CT_ORIG6) | value
    if in_port is None:
        known &= ~bits("phy.in_port")
    return Packet(value, known, length=len(written.frame))
