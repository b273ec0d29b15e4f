"""The VLAN tags of a packet as a program sees them."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Any
from dpif.program.errors import ProgramError
from dpif.program.values import Number

if TYPE_CHECKING:
    from dpif.program.layout import Place
    from dpif.program.packet import Packet

__all__ = ["VlanTag"]


class VlanTag:
    """A VLAN tag: ``vid``, ``pcp``, ``tpid``; setting one replaces the outermost tag."""

    __slots__ = ("_at", "_packet")

    def __init__(self, packet: Packet, at: int) -> None:
        self._packet = packet
        self._at = at

    def _get(self, name: str, index: int) -> Any:
        tag = self._packet.tags()[self._at]
        if isinstance(tag, tuple):
            return tag[index]
        return Number(self._packet.trace, self._packet.trace.layout.places[f"{tag}.{name}"])

    @property
    def vid(self) -> Any:
        """The VLAN id."""
        return self._get("vid", 0)

    @vid.setter
    def vid(self, value: int) -> None:
        self._replace(int(value), int(self.pcp))

    @property
    def pcp(self) -> Any:
        """The priority."""
        return self._get("pcp", 1)

    @pcp.setter
    def pcp(self, value: int) -> None:
        self._replace(int(self.vid), int(value))

    @property
    def tpid(self) -> int:
        """The EtherType that announces the tag; every flow matches it in any case."""
        tag = self._packet.tags()[self._at]
        if isinstance(tag, tuple):
            return tag[2]
        place: Place = self._packet.trace.layout.places["eth_type" if tag == "vlan" else "inner_eth_type"]
        return place.number(self._packet.trace.key)

    def _replace(self, vid: int, pcp: int) -> None:
        if self._at:
            raise ProgramError("only the outermost VLAN tag can be set; take it off first")
        tpid = self.tpid
        self._packet.pop_vlan()
        self._packet.push_vlan(vid, pcp, tpid)

    def __repr__(self) -> str:
        return f"<VlanTag {self._at} of {self._packet!r}>"
