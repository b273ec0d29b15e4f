"""The packet that a program is given."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Any, TypeVar
from dpif.errors import EncodeError
from dpif.odp.actions import Action, PopMpls, PopVlan, PushMpls, PushVlan, Set, SetMasked
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layers import Mpls
from dpif.odp.model.structs import Struct
from dpif.packet.constants import (
    ETH_P_8021Q,
    ETH_P_ARP,
    ETH_P_IP,
    ETH_P_IPV6,
    ETH_P_MPLS_UC,
    ETH_P_RARP,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    MPLS_ETHERTYPES,
)
from dpif.packet.layout import locate
from dpif.program import headers
from dpif.program.decision import encapsulation
from dpif.program.errors import ProgramError
from dpif.program.tags import VlanTag
from dpif.program.trace import Trace, WouldChange, Written
from dpif.program.values import Number, Value

if TYPE_CHECKING:
    from dpif.packet.layout import Layout

__all__ = ["Packet"]

V = TypeVar("V", bound=Value)
_BEFORE_MPLS = MPLS_ETHERTYPES | {ETH_P_IP, ETH_P_IPV6, ETH_P_ARP, ETH_P_RARP}
"""What a kernel lets be behind a label that it puts on."""


class Packet:
    """A packet as a function of a program sees it.

    Headers are None where the packet has none: ``packet.tcp is None``. What is read of it becomes the flow's mask,
    what is not read stays wildcarded; see `dpif.program`.
    """

    __slots__ = ("_data", "_labels", "_ops", "_sets", "_tags", "_written", "trace")

    def __init__(self, trace: Trace, data: bytes | None = None) -> None:
        self.trace = trace
        self._data = data
        self._ops: list[Action] = []
        self._labels = 0
        self._sets: dict[str, dict[str, Any]] = {}
        self._written: dict[str, Written] = {}
        self._tags: list[str | tuple[int, int, int]] | None = None

    # -- metadata ----------------------------------------------------------------------------------------------

    @property
    def in_port(self) -> Number:
        """The number of the port that the packet came in through; every flow matches it in any case."""
        return Number(self.trace, self.trace.layout.places["in_port"])

    @property
    def recirc_id(self) -> Number:
        """The recirculation id; every flow matches it in any case."""
        return self.field("recirc_id", Number)

    @property
    def skb_mark(self) -> Number:
        """The mark of the packet's buffer; may be set."""
        return self.field("skb_mark", Number)

    @skb_mark.setter
    def skb_mark(self, value: int) -> None:
        self.write("skb_mark", value)

    @property
    def skb_priority(self) -> Number:
        """The priority of the packet's buffer, its queue; may be set."""
        return self.field("skb_priority", Number)

    @skb_priority.setter
    def skb_priority(self, value: int) -> None:
        self.write("skb_priority", value)

    @property
    def dp_hash(self) -> Number:
        """The hash that a ``hash(…)`` action computed, 0 before; see `select`."""
        return self.field("dp_hash", Number)

    @property
    def ct(self) -> headers.Ct:
        """What connection tracking says of the packet."""
        return headers.Ct(self, "")

    @property
    def tunnel(self) -> headers.Tunnel | None:
        """The outer header that the packet came in, None when it came in none."""
        return headers.Tunnel(self, "tunnel") if self.trace.ask("tunnel") else None

    # -- headers -----------------------------------------------------------------------------------------------

    @property
    def eth(self) -> headers.Ethernet | None:
        """The Ethernet header; a packet of a layer 3 port has none."""
        return headers.Ethernet(self, "eth") if "eth" in self.trace.layout.headers else None

    @property
    def eth_type(self) -> int | None:
        """The EtherType of what the Ethernet header and its tags carry, None of an 802.2 frame; it is read whole."""
        layout = self.trace.layout
        bits = layout.eth_type()
        self.trace.mask |= bits
        if bits == layout.extra("eth_type"):
            return None
        return (self.trace.key & bits) >> (bits & -bits).bit_length() - 1

    @property
    def arp(self) -> headers.Arp | None:
        """An ARP or RARP message."""
        return headers.Arp(self, "arp") if self.trace.ask("arp") else None

    @property
    def ipv4(self) -> headers.Ipv4 | None:
        """The IPv4 header."""
        return headers.Ipv4(self, "ipv4") if self.trace.ask("ipv4") else None

    @property
    def ipv6(self) -> headers.Ipv6 | None:
        """The IPv6 header."""
        return headers.Ipv6(self, "ipv6") if self.trace.ask("ipv6") else None

    @property
    def ip(self) -> headers.Ip | None:
        """The IPv4 or the IPv6 header."""
        return self.ipv4 or self.ipv6

    @property
    def tcp(self) -> headers.Tcp | None:
        """Ports and flags of TCP; a later fragment has none."""
        return headers.Tcp(self, "tcp") if self.trace.ask("tcp") else None

    @property
    def udp(self) -> headers.Ports | None:
        """Ports of UDP; a later fragment has none."""
        return headers.Ports(self, "udp") if self.trace.ask("udp") else None

    @property
    def sctp(self) -> headers.Ports | None:
        """Ports of SCTP; a later fragment has none."""
        return headers.Ports(self, "sctp") if self.trace.ask("sctp") else None

    @property
    def icmp(self) -> headers.Icmp | None:
        """Type and code of ICMP for IPv4."""
        return headers.Icmp(self, "icmp") if self.trace.ask("icmp") else None

    @property
    def icmpv6(self) -> headers.Icmp | None:
        """Type and code of ICMPv6."""
        return headers.Icmp(self, "icmpv6") if self.trace.ask("icmpv6") else None

    @property
    def nd(self) -> headers.Nd | None:
        """A neighbour solicitation or advertisement."""
        return headers.Nd(self, "nd") if self.trace.ask("nd") else None

    @property
    def mpls(self) -> headers.Mpls | None:
        """The outermost MPLS label."""
        return headers.Mpls(self, "mpls") if self.trace.ask("mpls") else None

    @property
    def nsh(self) -> headers.Nsh | None:
        """The network service header."""
        return headers.Nsh(self, "nsh") if self.trace.ask("nsh") else None

    # -- VLAN tags ---------------------------------------------------------------------------------------------

    @property
    def vlan(self) -> VlanTag | None:
        """The outermost VLAN tag, None without one. Whether there is one every flow matches in any case."""
        tags = self.tags()
        return VlanTag(self, 0) if tags else None

    @property
    def cvlan(self) -> VlanTag | None:
        """The tag behind the outermost one."""
        return VlanTag(self, 1) if len(self.tags()) > 1 else None

    def tags(self) -> list[str | tuple[int, int, int]]:
        """Return the VLAN tags, outermost first: the names of those that came, VID, PCP and TPID of those put on."""
        if self._tags is None:
            layout, key = self.trace.layout, self.trace.key
            self._tags = [
                name
                for name in ("vlan", "cvlan")
                if name in layout.headers and layout.places[f"{name}.cfi"].number(key)
            ]
        return self._tags

    def push_vlan(self, vid: int, pcp: int = 0, tpid: int = ETH_P_8021Q) -> None:
        """Put a VLAN tag in front of those that are there."""
        vid, pcp, tpid = int(vid), int(pcp), int(tpid)
        if not 0 <= vid < 4096 or not 0 <= pcp < 8:
            raise ProgramError(f"a VLAN id is below 4096 and a priority below 8, not {vid} and {pcp}")
        self._do(PushVlan(vid=vid, pcp=pcp, tpid=tpid))
        self.tags().insert(0, (vid, pcp, tpid))

    def pop_vlan(self) -> None:
        """Take the outermost VLAN tag off."""
        tags = self.tags()
        if not tags:
            raise ProgramError("the packet has no VLAN tag to take off")
        self._do(PopVlan())
        del tags[0]

    # -- MPLS labels -------------------------------------------------------------------------------------------

    def push_mpls(self, label: int, *, tc: int = 0, ttl: int = 64) -> None:
        """Put an MPLS label in front of what is behind the Ethernet header: IP, ARP, or a label."""
        label, tc, ttl = int(label), int(tc), int(ttl)
        if not 0 <= label < 1 << 20 or not 0 <= tc < 8 or not 0 <= ttl < 256:
            raise ProgramError(f"a label has 20 bits, its class 3, its TTL 8: not {label}, {tc} and {ttl}")
        if self.tags() or self.eth_type not in _BEFORE_MPLS:
            raise ProgramError("MPLS labels are put before IP, ARP and labels, where there are no VLAN tags")
        is_bottom = self.eth_type not in MPLS_ETHERTYPES and not self._labels
        self._do(PushMpls(label=label, tc=tc, ttl=ttl, bos=int(is_bottom), eth_type=ETH_P_MPLS_UC))
        self._labels += 1

    def pop_mpls(self, ethertype: int = ETH_P_IP) -> None:
        """Take the outermost MPLS label off; `ethertype` is what is behind it, and `recirculate` lets it be seen."""
        if self.tags() or (self.mpls is None and not self._labels):
            raise ProgramError("the packet has no MPLS label to take off, or VLAN tags before it")
        self._do(PopMpls(eth_type=int(ethertype)))
        self._labels -= 1

    # -- where it is to go -------------------------------------------------------------------------------------

    def set_tunnel(
        self, dst: Any, id: int | None = None, *, src: str | None = None, ttl: int = 64, **more: Any
    ) -> None:
        """Say with what outer header a tunnel port is to send the packet.

        `more` are fields of `dpif.odp.model.tunnel.Tunnel`. A `dst` that is an IPv6 address makes it an IPv6 tunnel.
        """
        self._do(encapsulation(dst, id, src=src, ttl=ttl, **more))

    # -- the packet itself -------------------------------------------------------------------------------------

    @property
    def data(self) -> bytes:
        """The packet's bytes as it came up. No flow matches them: who reads them decides on this packet alone."""
        self.trace.uncache("it read the packet's bytes, which no flow matches")
        if self._data is None:
            raise WouldChange
        return self._data

    @property
    def payload(self) -> bytes:
        """What TCP, UDP or SCTP carries; empty where there is none of them. It is of the bytes, as `data`."""
        data = self.data
        at = locate(data)
        size = _header_size(data, at)
        return bytes(data[at.l4 + size : at.end]) if size else b""

    def __repr__(self) -> str:
        layout, key = self.trace.layout, self.trace.key
        shown = str(FlowKey.from_bytes((key & (1 << 8 * layout.size) - 1).to_bytes(layout.size, "big")))
        return f"<Packet {shown}>"

    # -- for the views -----------------------------------------------------------------------------------------

    def field(self, name: str, kind: type[V]) -> V:
        """Return a field, whose value notes its use unless it was written before."""
        place = self.trace.layout.places.get(name)
        if self._written and name in self._written and place is not None:
            return kind(self._written[name], place)
        if place is None:
            return _as(kind, 0)  # a datapath without this feature: no connection has a zone, and so on
        return kind(self.trace, place)

    def extra(self, name: str) -> bool:
        """Return a flag that has no bit in the key, and note that it was read."""
        self.trace.mask |= self.trace.layout.extra(name) | self.trace.layout.extra("tunnel")
        return name in self.trace.layout.headers

    def write(self, name: str, value: Any) -> None:
        """Set a field of the packet on its way out; raise `ProgramError` for a value that does not fit it."""
        place = self.trace.layout.places.get(name)
        if place is None:
            raise ProgramError(f"the packet has no {name}")
        plain = value.value if isinstance(value, Value) else value
        try:
            number = place.number_of(plain)
        except EncodeError as error:
            raise ProgramError(f"{name}: {error.reason}") from None
        self.trace.mask |= place.needs
        self._written[name] = Written(place.bits(number))
        attr, _, field = name.partition(".")
        self._sets.setdefault(attr, {})[field] = place.value(number)

    def _do(self, action: Action) -> None:
        self._flush()
        self._ops.append(action)

    def _flush(self) -> None:
        self._ops += [_set(attr, values) for attr, values in self._sets.items()]
        self._sets = {}

    def rewrites(self) -> list[Action]:
        """Return the actions that change the packet as the program did."""
        self._flush()
        return self._ops


def _as(kind: type[V], value: Any) -> V:
    """Let a plain value stand for one that notes its use."""
    same: V = value
    return same


def _header_size(data: bytes, at: Layout) -> int:
    """Return the length of a transport header, 0 without one."""
    if at.protocol == IPPROTO_TCP and at.l4:
        return data[at.l4 + 12] >> 4 << 2
    return {IPPROTO_UDP: 8, IPPROTO_SCTP: 12}.get(at.protocol, 0) if at.l4 else 0


def _set(attr: str, values: dict[str, Any]) -> Action:
    """Return what sets some fields of an attribute, or all of a scalar one."""
    if "" in values:
        return Set(FlowKey(**{attr: values[""]}))
    if attr == "mpls":
        ones = {field.name: field.kind.full for field in Mpls.FIELDS if field.name in values}
        return SetMasked(FlowKey(mpls=Mpls(**values)), FlowMask(mpls=Mpls(**ones)))
    cls: type[Struct] = FlowKey.attr(attr).type.cls  # type: ignore[attr-defined]  # those with fields are structures
    mask = cls.of_raw(tuple([field.kind.full if field.name in values else field.kind.zero for field in cls.FIELDS]))
    return SetMasked(FlowKey(**{attr: cls(**values)}), FlowMask(**{attr: mask}))
