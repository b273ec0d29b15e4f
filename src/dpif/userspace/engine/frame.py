"""A packet on its way through a datapath (`Frame`), which is here what ``struct sk_buff`` is to the kernel."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Final
from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.swkey import CT_ORIG4, CT_ORIG6, MAC_PROTO_ETHERNET, METADATA, bits, get
from dpif.packet.constants import ETH_P_IP, VLAN_ETHERTYPES
from dpif.packet.layout import Layout, locate

if TYPE_CHECKING:
    from dpif.userspace.engine.conntrack.connection import Tracked
    from dpif.userspace.engine.port import Port

NO_CUT: Final = 0xFFFFFFFF
"""The value of ``cut`` that cuts no packet."""
_VLAN_SIZE: Final = 4
_KEPT: Final = METADATA | bits("eth.type")  # a packet without Ethernet header has its EtherType from outside


class Frame:
    """One packet and what is known of it.

    ``key`` is its flat key; ``stale`` says that the packet has been changed in a way that the key does not show,
    so that `refresh` must extract it anew before it is looked up. ``is_ethernet`` is False for a packet that
    starts with its network header. ``port`` is where the packet came in, ``cut`` how many bytes of it the next
    output takes (the action ``trunc``), ``tunnel`` the flat tunnel key that it is to be sent with (0: none; the one
    that it came with is in ``key``), ``mru`` the largest fragment that it was put together from (0: none),
    ``fragment_sizes`` the payloads of these as long as there is no copy of the packet. ``hash`` is what came with
    it as `PacketAttr.HASH` (0: to be computed), ``tracked`` what the last ``ct`` found, ``probability`` that of the
    ``sample`` that it is in (out of 2**32 - 1; 0: in none), ``upcall_pid`` who is to get its upcalls whatever else is
    said (0: nobody in particular).
    """

    __slots__ = (
        "_data",
        "_layout",
        "cut",
        "fragment_sizes",
        "hash",
        "is_ethernet",
        "key",
        "mru",
        "port",
        "probability",
        "stale",
        "tracked",
        "tunnel",
        "upcall_pid",
    )

    def __init__(self, data: bytes | bytearray, key: int, port: Port) -> None:
        self._data = data
        self._layout: Layout | None = None
        self.key = key
        self.port = port
        self.cut = NO_CUT
        self.tunnel = 0
        self.mru = 0
        self.fragment_sizes: tuple[int, ...] = ()
        self.hash = 0
        self.stale = False
        self.is_ethernet = True
        self.tracked: Tracked | None = None
        self.probability = 0
        self.upcall_pid = 0

    @classmethod
    def from_user(cls, data: bytes, key: int, port: Port, mru: int = 0, hash: int = 0) -> Frame:
        """Return a packet that user space sends, which may be one without an Ethernet header."""
        self = cls(data, key, port)
        self.mru = mru
        self.hash = hash
        self.is_ethernet = get(key, "mac_proto") == MAC_PROTO_ETHERNET
        return self

    def __len__(self) -> int:
        return len(self._data)

    @property
    def data(self) -> bytes:
        """The packet as it is now."""
        return bytes(self._data)

    @property
    def layout(self) -> Layout:
        """Where the packet's headers are."""
        if self._layout is None:
            self._layout = locate(self._data, None if self.is_ethernet else get(self.key, "eth.type"))
        return self._layout

    @property
    def has_vlan(self) -> bool:
        """Tell whether the packet has a VLAN tag."""
        return self.is_ethernet and int.from_bytes(self._data[12:14]) in VLAN_ETHERTYPES

    @property
    def tag_size(self) -> int:
        """Bytes of the outermost VLAN tag, which the kernel keeps beside the packet and leaves out of lengths."""
        return _VLAN_SIZE if self.has_vlan else 0

    def writable(self) -> bytearray:
        """Return the packet to be changed in place; call `moved` after a change that moves bytes."""
        if not isinstance(self._data, bytearray):
            self._data = bytearray(self._data)
        return self._data

    def moved(self) -> None:
        """Take note that headers are no longer where they were."""
        self._layout = None

    def replace(self, data: bytes) -> None:
        """Put another packet in the place of this one."""
        self._data = data
        self._layout = None
        self.hash = 0
        self.stale = True

    def refresh(self) -> None:
        """Extract the key anew if it is stale (ovs_flow_key_update); raise `RuleBroken`."""
        if self.stale:
            kept = _KEPT
            if get(self.key, "ct_orig_proto"):  # else other fields have these bits
                kept |= CT_ORIG4 if get(self.key, "eth.type") == ETH_P_IP else CT_ORIG6
            self.key = extract_flat(self.data, self.key & kept, self.port.datapath.rules)
            self.stale = False

    def clone(self) -> Frame:
        """Return a copy that can be changed without changing this one; it has no ``fragment_sizes``."""
        other = Frame(self.data, self.key, self.port)
        other._layout = self._layout
        other.cut = self.cut
        other.tunnel = self.tunnel
        other.mru = self.mru
        other.hash = self.hash
        other.stale = self.stale
        other.is_ethernet = self.is_ethernet
        other.tracked = self.tracked
        other.probability = self.probability
        other.upcall_pid = self.upcall_pid
        return other

    def take_output(self) -> bytes:
        """Return what an output sends: the packet, or the part that the last ``trunc`` left of it."""
        if self.cut == NO_CUT:
            return bytes(self._data)
        data = self.data[: self.cut + self.tag_size]
        self.cut = NO_CUT
        return data
