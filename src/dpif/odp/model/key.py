"""Flow keys and masks: what a packet is, and which of it a flow looks at.

`FlowKey` lists every ``OVS_KEY_ATTR_*`` once; `FlowMask` has the same attributes, each a value of the same form
whose set bits must match. An attribute that a mask lacks is wildcarded. Text in and out is Open vSwitch's
(odp-util.c): `parse_match` gives key and mask, `parse_key` the key alone, `format_key` the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpif._typing import TYPE_CHECKING, Any, Self
from dpif.odp.constants.key import KeyAttr
from dpif.odp.model.attrs import PLAIN, EtherType, FlagSet, Opaque, PortNumber, Scalar, Structure, Style
from dpif.odp.model.kinds import CT_STATE, ETHERTYPE, LABELS, PORT, TCP_FLAGS, U16X, U32X
from dpif.odp.model.layers import (
    Arp,
    CtTuple4,
    CtTuple6,
    Ethernet,
    Icmp,
    Icmpv6,
    Ipv4,
    Ipv6,
    MplsStack,
    NdExtensions,
    NeighborDiscovery,
    PacketType,
    Sctp,
    Tcp,
    Udp,
    Vlan,
)
from dpif.odp.model.nest import Attr, Nest, Nested

if TYPE_CHECKING:
    from dpif.odp.model.nsh import Nsh
    from dpif.odp.model.tunnel import Tunnel

_EMPTY = "<empty>"
"""What is shown of a key without attributes."""


def _tunnel() -> type[Tunnel]:
    from dpif.odp.model.tunnel import Tunnel  # many flows have none

    return Tunnel


def _nsh() -> type[Nsh]:
    from dpif.odp.model.nsh import Nsh

    return Nsh


class FlowKey(Nest):
    """A flow key, ``enum ovs_key_attr``.

    Build it by keyword, from bytes or from text; read an attribute by name, None when it is absent::

        key = FlowKey(in_port=1, eth=Ethernet(src="02:00:00:00:00:01"), eth_type=0x0806)
        key.eth.src, key.to_bytes(), str(key)
    """

    __slots__ = ()

    encap = Attr(KeyAttr.ENCAP, Nested(lambda: FlowKey))
    skb_priority = Attr(KeyAttr.PRIORITY, Scalar(U32X, "="))
    in_port = Attr(KeyAttr.IN_PORT, PortNumber(PORT, "="))
    eth = Attr(KeyAttr.ETHERNET, Structure(Ethernet))
    vlan = Attr(KeyAttr.VLAN, Structure(Vlan))
    eth_type = Attr(KeyAttr.ETHERTYPE, EtherType(ETHERTYPE, "!"))
    ipv4 = Attr(KeyAttr.IPV4, Structure(Ipv4))
    ipv6 = Attr(KeyAttr.IPV6, Structure(Ipv6))
    tcp = Attr(KeyAttr.TCP, Structure(Tcp))
    udp = Attr(KeyAttr.UDP, Structure(Udp))
    icmp = Attr(KeyAttr.ICMP, Structure(Icmp))
    icmpv6 = Attr(KeyAttr.ICMPV6, Structure(Icmpv6))
    arp = Attr(KeyAttr.ARP, Structure(Arp))
    nd = Attr(KeyAttr.ND, Structure(NeighborDiscovery))
    skb_mark = Attr(KeyAttr.SKB_MARK, Scalar(U32X, "="))
    tunnel = Attr(KeyAttr.TUNNEL, Nested(_tunnel))
    sctp = Attr(KeyAttr.SCTP, Structure(Sctp))
    tcp_flags = Attr(KeyAttr.TCP_FLAGS, FlagSet(TCP_FLAGS, "!"))
    dp_hash = Attr(KeyAttr.DP_HASH, Scalar(U32X, "="))
    recirc_id = Attr(KeyAttr.RECIRC_ID, Scalar(U32X, "=", maskable=False))
    mpls = Attr(KeyAttr.MPLS, MplsStack())
    ct_state = Attr(KeyAttr.CT_STATE, FlagSet(CT_STATE, "=", numeric_when_verbose=True))
    ct_zone = Attr(KeyAttr.CT_ZONE, Scalar(U16X, "="))
    ct_mark = Attr(KeyAttr.CT_MARK, Scalar(U32X, "="))
    ct_label = Attr(KeyAttr.CT_LABELS, Scalar(LABELS, "="))
    ct_tuple4 = Attr(KeyAttr.CT_ORIG_TUPLE_IPV4, Structure(CtTuple4))
    ct_tuple6 = Attr(KeyAttr.CT_ORIG_TUPLE_IPV6, Structure(CtTuple6))
    nsh = Attr(KeyAttr.NSH, Nested(_nsh))
    packet_type = Attr(KeyAttr.PACKET_TYPE, Structure(PacketType))
    nd_ext = Attr(KeyAttr.ND_EXTENSIONS, Structure(NdExtensions))
    ipv6_exthdrs = Attr(KeyAttr.IPV6_EXTHDRS, Opaque(), text_name="key32")

    _EXPECTED = "a flow key field such as in_port(1)"

    def show(self, mask: Self | None, style: Style = PLAIN) -> str:
        """Return the text; a mask for an EtherType that the key lacks is told behind it (802.2 packets)."""
        parts = list(self._show_parts(mask, style))
        if mask is not None and parts[:1] == ["eth()"] and not style.exact:
            parts[:2] = ["".join(parts[:2])]  # Open vSwitch puts no comma behind an eth() that comes first
        shown = ",".join(parts)
        if mask is not None and mask.eth_type is not None and len(self) and self.eth_type is None:
            shown += f",eth_type(0/0x{mask.eth_type:04x})"
        return shown

    def without_packet_type(self) -> Self:
        """Return the key as the kernel is asked for it: it knows no ``packet_type``.

        A packet with an Ethernet header has one said by that; of another the type becomes its ``eth_type``.
        """
        if KeyAttr.PACKET_TYPE not in self._kept:
            return self
        key = self.replace(packet_type=None)
        packet_type = self.packet_type
        if packet_type is None or KeyAttr.ETHERNET in self._kept:
            return key
        return key.replace(eth_type=packet_type.id)

    def format(
        self, mask: FlowKey | None = None, *, verbose: bool = False, port_names: Mapping[int, str] | None = None
    ) -> str:
        """Return the text as `format_key` does."""
        return format_key(self, mask, verbose=verbose, port_names=port_names)

    def _show_wildcarded(self, number: int, mask: Self) -> Iterator[str]:
        if number == KeyAttr.ETHERNET and self.shows_ethernet(mask):
            yield "eth()"

    def shows_ethernet(self, mask: FlowKey) -> bool:
        """Tell whether a wildcarded ``eth()`` is shown: it says that this is an Ethernet packet.

        A ``packet_type`` that is matched, and stands before it, says so, too.
        """
        order = list(self._kept)
        if KeyAttr.PACKET_TYPE not in order or order.index(KeyAttr.PACKET_TYPE) > order.index(KeyAttr.ETHERNET):
            return True
        return mask.packet_type is None or mask.packet_type.is_zero()


class FlowMask(FlowKey):
    """Which bits of a flow key must match; the same attributes, absent ones match anything.

    Many flows share a mask, which is one object then; it remembers what is read of it.
    """

    __slots__ = ("_items",)

    _items: list[tuple[str, Any]]

    def items(self) -> Iterator[tuple[str, Any]]:
        """Iterate over names and natural values of the known attributes, in order."""
        try:
            return iter(self._items)
        except AttributeError:
            self._items = list(super().items())
            return iter(self._items)

    @classmethod
    def exact(cls, key: FlowKey) -> FlowMask:
        """Return the mask that matches every attribute of `key` exactly."""
        return cls.of_kept(dict(key.full_mask().kept()))


def parse_match(text: str, port_names: Mapping[str, int] | None = None) -> tuple[FlowKey, FlowMask]:
    """Return key and mask of a flow's text; raise `ParseError`.

    A leading ``ufid:…`` is passed over. `port_names` gives the numbers of names that ``in_port`` may use. Any
    attribute may be given by its number and its bytes: ``key99(00 01/ff ff)``.
    """
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.ufid import skip_ufid

    scanner = Scanner("" if text == _EMPTY else text, port_names)
    scanner.skip_separators()
    skip_ufid(scanner)
    key, mask = FlowKey.scan(scanner)
    if not scanner.at_end:
        scanner.fail("unbalanced ')'")
    return key, FlowMask.of_kept(dict(mask.kept()))


def parse_key(text: str, port_names: Mapping[str, int] | None = None) -> FlowKey:
    """Return the key of a flow's text, its masks checked and left out; raise `ParseError`."""
    return parse_match(text, port_names)[0]


def format_key(
    key: FlowKey,
    mask: FlowKey | None = None,
    *,
    verbose: bool = False,
    port_names: Mapping[int, str] | None = None,
) -> str:
    """Return the text of `key` under `mask` as ``ovs-dpctl`` prints it (odp_flow_format).

    `verbose` is its ``-m``: wildcarded fields are shown too. `port_names` are shown in place of numbers.
    """
    return key.show(mask, Style(verbose, port_names)) if len(key) else _EMPTY
