"""The flows of a learning switch: what they match, what identifies them, and which of them concern a station.

A switch decides by the port that a packet came in through, its VLAN and its two Ethernet addresses, so a flow
matches these and no more than a datapath insists on (``ovs_nla_get_match``): that there is no tag where there is
none; and where there is one, its TPID and the EtherType behind it, since a mask for a tag with nothing in its
``encap`` is refused. Priorities, inner tags' VLANs, and all that the packet carries are wildcarded.

A flow's key is that of the packet which it was made for; its mask says what counts. It is identified by a UFID
that is computed from just that, so the same decision has the same UFID, and a dump can leave out the keys. All
this works on encoded bytes, since it runs once for each packet that comes up.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Iterable, Iterator

from dpif._typing import NamedTuple
from dpif.errors import DecodeError
from dpif.netlink.attributes import ATTRIBUTE_HEADER, attribute, nested, walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.constants import ActionAttr, KeyAttr
from dpif.odp.model.key import FlowKey

__all__ = ["Identity", "Megaflow", "MegaflowTable", "encode_outputs", "identify"]

_TPIDS = frozenset((b"\x81\x00", b"\x88\xa8"))
_UNTAGGED = b""
_VID = 0x0FFF
_CFI = 0x1000
"""The bit of a TCI that says in keys and masks that there is a tag (``VLAN_CFI_MASK``)."""
_U32 = struct.Struct("=I")
_U16 = struct.Struct("!H")
_ETHERNET = ATTRIBUTE_HEADER.pack(NLA_HDRLEN + 12, KeyAttr.ETHERNET)


class Identity(NamedTuple):
    """What the switch decides by, which is what a flow matches.

    ``source`` and ``destination`` are stations: the VLAN id in two bytes (0 without a tag) and the address.
    ``tags`` holds what else must match of VLAN tags, empty for a packet without.
    """

    in_port: int
    source: bytes
    destination: bytes
    tags: bytes

    def ufid(self) -> bytes:
        """Return the identifier of the flow for this."""
        text = _U32.pack(self.in_port) + self.source + self.destination + self.tags
        return hashlib.blake2b(text, digest_size=16).digest()


def identify(packet: bytes, key: bytes) -> Identity:
    """Return what the switch decides by for a packet that came up with the encoded flow key `key`.

    Raises `DecodeError` for one that has no input port or no Ethernet header.
    """
    if len(packet) < 14:
        raise DecodeError("a packet without an Ethernet header came up", "PACKET")
    vlan, tags = (b"\0\0", _UNTAGGED) if packet[12:14] not in _TPIDS else _tags(FlowKey.from_bytes(key))
    return Identity(_in_port(key), vlan + packet[6:12], vlan + packet[0:6], tags)


def _in_port(key: bytes) -> int:
    head, _, _ = key.partition(_ETHERNET)  # up to the addresses: few heads are different
    try:
        return _in_port_in(head)
    except DecodeError:  # something before the addresses looks like them
        return _in_port_in(key)


@functools.lru_cache(maxsize=1024)
def _in_port_in(key: bytes) -> int:
    for kind, start, end in walk(key):
        if kind == KeyAttr.IN_PORT and end - start == _U32.size:
            return int(_U32.unpack_from(key, start)[0])
    raise DecodeError("the key of a packet that came up has no input port", "KEY")


def _tags(key: FlowKey) -> tuple[bytes, bytes]:
    """Return the outer tag's VLAN id, and the TPIDs and the EtherType behind them; a tag cut short is none."""
    vlan = b"\0\0"
    types = b""
    level: FlowKey | None = key
    while level is not None and level.vlan is not None and level.vlan.cfi:
        if not types:
            vlan = _U16.pack(level.vlan.vid)
        types += _U16.pack(level.eth_type or 0)
        level = level.encap
    if types:
        types += _U16.pack(level.eth_type or 0 if level is not None else 0)
    if len(types) not in _MASKS:
        raise DecodeError("the key of a packet that came up has more than two VLAN tags", "KEY")
    return vlan, types


def _mask_of(levels: int) -> bytes:
    """Return the encoded mask for packets with so many VLAN tags."""
    mask = attribute(KeyAttr.IN_PORT, b"\xff" * 4) + attribute(KeyAttr.ETHERNET, b"\xff" * 12)
    return mask + _mask_of_tags(levels, _VID) if levels else mask


def _mask_of_tags(levels: int, vid: int) -> bytes:
    mask = attribute(KeyAttr.ETHERTYPE, b"\xff\xff")
    if levels:
        mask += attribute(KeyAttr.VLAN, _U16.pack(vid | _CFI))
        mask += nested(KeyAttr.ENCAP, _mask_of_tags(levels - 1, 0))
    return mask


_MASKS = {0: _mask_of(0), 4: _mask_of(1), 6: _mask_of(2)}
"""By the length of `Identity.tags`."""


def encode_outputs(ports: Iterable[int]) -> bytes:
    """Return the actions that send a packet out of `ports`, encoded; none drop it."""
    return b"".join([attribute(ActionAttr.OUTPUT, _U32.pack(port)) for port in ports])


class Megaflow:
    """A flow of the switch.

    ``key`` and ``mask`` are encoded; ``outputs`` are the ports of its actions; ``installed`` says that
    the datapath has it; ``packets`` had matched when somebody last looked, and ``hit_at`` is when that number last
    grew.
    """

    __slots__ = ("hit_at", "identity", "installed", "key", "mask", "outputs", "packets", "ufid")

    def __init__(self, identity: Identity, key: bytes, now: float) -> None:
        self.identity = identity
        self.ufid = identity.ufid()
        self.key = key
        self.mask = _MASKS[len(identity.tags)]
        self.outputs: tuple[int, ...] = ()
        self.installed = False
        self.packets = 0
        self.hit_at = now


class MegaflowTable:
    """The flows that a switch believes to be installed: by identity, by UFID, by the stations they concern."""

    def __init__(self) -> None:
        self._flows: dict[Identity, Megaflow] = {}
        self._by_ufid: dict[bytes, Megaflow] = {}
        self._by_station: dict[bytes, set[Megaflow]] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def __iter__(self) -> Iterator[Megaflow]:
        return iter(self._flows.values())

    def __contains__(self, flow: Megaflow) -> bool:
        return flow.identity in self._flows

    def get(self, identity: Identity) -> Megaflow | None:
        """Return the flow that matches `identity`, None when there is none."""
        return self._flows.get(identity)

    def of_ufid(self, ufid: bytes) -> Megaflow | None:
        """Return the flow of a UFID, None when there is none."""
        return self._by_ufid.get(ufid)

    def of_station(self, station: bytes) -> set[Megaflow]:
        """Return the flows from and to a station."""
        return self._by_station.get(station, set())

    def add(self, flow: Megaflow) -> None:
        """Add a flow whose identity is not there yet."""
        self._flows[flow.identity] = flow
        self._by_ufid[flow.ufid] = flow
        for station in (flow.identity.source, flow.identity.destination):
            self._by_station.setdefault(station, set()).add(flow)

    def remove(self, flow: Megaflow) -> None:
        """Remove a flow; nothing happens when it is not there."""
        if self._flows.pop(flow.identity, None) is None:
            return
        del self._by_ufid[flow.ufid]
        for station in {flow.identity.source, flow.identity.destination}:
            concerned = self._by_station[station]
            concerned.discard(flow)
            if not concerned:
                del self._by_station[station]
