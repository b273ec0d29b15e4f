"""The headers that tunnels put before an Ethernet packet: VXLAN (RFC 7348), Geneve (RFC 8926), GRE (RFC 2784, 2890).

Each class is one header with natural values. ``read(payload)`` takes what an outer UDP or IP header carries and
returns the header and the packet behind it; it raises `DecodeError` for everything that Linux would not take
either. ``pack(packet)`` puts the header before a packet. What the outer header looks like is not known here.
"""

from __future__ import annotations

from struct import Struct

from dpif._typing import NamedTuple
from dpif.errors import DecodeError
from dpif.packet.checksum import checksum
from dpif.packet.constants import ETH_P_TEB

__all__ = ["Geneve", "Gre", "Vxlan"]

_VXLAN = Struct("!II")
_VXLAN_VNI = 0x08000000
_VXLAN_GBP = 0x80000000
_VXLAN_GBP_BITS = 0x0048FFFF
_GENEVE = Struct("!BBHI")
_GENEVE_OAM = 0x80
_GENEVE_CRITICAL = 0x40
_GRE = Struct("!HH")
_GRE_CHECKSUM = 0x8000
_GRE_KEY = 0x2000
_GRE_SEQUENCE = 0x1000
_GRE_FIELDS = _GRE_CHECKSUM | _GRE_KEY | _GRE_SEQUENCE
_GRE_VERSION_OR_ROUTING = 0x4007
_WORD = 4


def _require(payload: bytes, size: int, what: str) -> None:
    if len(payload) < size:
        raise DecodeError(f"the packet ends before its {what} header does", offset=len(payload))


class Vxlan(NamedTuple):
    """VXLAN; ``policy`` is the group based policy, an id of 16 bits below its flags; None where there is none."""

    vni: int
    policy: int | None = None

    @classmethod
    def read(cls, payload: bytes, *, may_have_policy: bool = False) -> tuple[Vxlan, bytes]:
        """Return header and packet; a policy is an error unless `may_have_policy`."""
        _require(payload, _VXLAN.size, "VXLAN")
        first, second = _VXLAN.unpack_from(payload)
        if not first & _VXLAN_VNI:
            raise DecodeError("the VXLAN header has no network identifier", offset=0)
        first &= ~_VXLAN_VNI
        policy = None
        if may_have_policy and first & _VXLAN_GBP:
            policy = first & _VXLAN_GBP_BITS
            first &= ~(_VXLAN_GBP | _VXLAN_GBP_BITS)
        if first or second & 0xFF:
            raise DecodeError("the VXLAN header has bits that are not known", offset=0)
        return cls(second >> 8, policy), payload[_VXLAN.size :]

    def pack(self, packet: bytes) -> bytes:
        """Return the header before `packet`; a policy of 0 is none."""
        first = _VXLAN_VNI
        if self.policy:
            first |= _VXLAN_GBP | self.policy & _VXLAN_GBP_BITS
        return _VXLAN.pack(first, (self.vni & 0xFFFFFF) << 8) + packet


class Geneve(NamedTuple):
    """Geneve; ``options`` are their bytes, a whole number of words."""

    vni: int
    oam: bool = False
    critical: bool = False
    options: bytes = b""

    @classmethod
    def read(cls, payload: bytes) -> tuple[Geneve, bytes]:
        """Return header and packet, which is Ethernet."""
        _require(payload, _GENEVE.size, "Geneve")
        first, flags, ethertype, vni = _GENEVE.unpack_from(payload)
        if first >> 6 or ethertype != ETH_P_TEB:
            raise DecodeError("the Geneve header has another version, or carries no Ethernet", offset=0)
        end = _GENEVE.size + _WORD * (first & 0x3F)
        _require(payload, end, "Geneve")
        options = payload[_GENEVE.size : end]
        return cls(vni >> 8, bool(flags & _GENEVE_OAM), bool(flags & _GENEVE_CRITICAL), options), payload[end:]

    def pack(self, packet: bytes) -> bytes:
        """Return the header before `packet`."""
        flags = (_GENEVE_OAM if self.oam else 0) | (_GENEVE_CRITICAL if self.critical else 0)
        head = _GENEVE.pack(len(self.options) // _WORD, flags, ETH_P_TEB, (self.vni & 0xFFFFFF) << 8)
        return head + self.options + packet


class Gre(NamedTuple):
    """GRE around Ethernet; ``key`` is None where there is none."""

    key: int | None = None
    csum: bool = False

    @classmethod
    def read(cls, payload: bytes) -> tuple[Gre, bytes]:
        """Return header and packet, which is Ethernet; a sequence number is passed over."""
        _require(payload, _GRE.size, "GRE")
        flags, ethertype = _GRE.unpack_from(payload)
        if flags & _GRE_VERSION_OR_ROUTING or ethertype != ETH_P_TEB:
            raise DecodeError("the GRE header has another version, or routing, or carries no Ethernet", offset=0)
        end = _GRE.size + _WORD * (flags & _GRE_FIELDS).bit_count()
        _require(payload, end, "GRE")
        if flags & _GRE_CHECKSUM and checksum(payload):
            raise DecodeError("the GRE checksum is wrong", offset=_GRE.size)
        at = _GRE.size + (_WORD if flags & _GRE_CHECKSUM else 0)
        key = int.from_bytes(payload[at : at + _WORD]) if flags & _GRE_KEY else None
        return cls(key, bool(flags & _GRE_CHECKSUM)), payload[end:]

    def pack(self, packet: bytes) -> bytes:
        """Return the header before `packet`."""
        flags = (_GRE_CHECKSUM if self.csum else 0) | (0 if self.key is None else _GRE_KEY)
        key = b"" if self.key is None else self.key.to_bytes(_WORD)
        rest = key + packet
        if not self.csum:
            return _GRE.pack(flags, ETH_P_TEB) + rest
        check = checksum(_GRE.pack(flags, ETH_P_TEB) + bytes(_WORD) + rest)
        return _GRE.pack(flags, ETH_P_TEB) + check.to_bytes(2) + bytes(2) + rest
