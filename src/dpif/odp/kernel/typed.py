"""What one types to mend a flow that breaks a rule: explanations name it, and it is taken as it stands."""

from __future__ import annotations

from dpif.odp.constants import KeyAttr
from dpif.odp.kernel.protocols import IP_ETHERTYPES, NETWORK, TRANSPORT
from dpif.odp.model.key import FlowKey
from dpif.packet.constants import ETH_P_NSH, MPLS_ETHERTYPES

_FILLED = {
    KeyAttr.TCP_FLAGS: "tcp_flags(0/0)",
    KeyAttr.VLAN: "vlan(vid=0/0)",
    KeyAttr.ENCAP: "encap(eth_type(0x0800),ipv4())",
}
"""Attributes of which the empty text is not taken, or says nothing."""
_NSH_OF_ETHERNET = "nsh(np=3)"
"""The rules for actions want to know what is inside."""


def name_of(number: int) -> str:
    """Return an attribute's name in text."""
    attr = FlowKey.ATTRS.get(number)
    return attr.text_name if attr else f"key{number}"


def typed(number: int) -> str:
    """Return the text of an attribute that must be there, and may match anything."""
    return _FILLED.get(KeyAttr(number)) or f"{name_of(number)}()"


def typed_type(eth_type: int) -> str:
    """Return the text of an EtherType."""
    return f"eth_type(0x{eth_type:04x})"


def typed_protocol(eth_type: int, proto: int) -> str:
    """Return the text of the IP header that says which protocol is within."""
    return f"{name_of(NETWORK[eth_type][0])}(proto={proto})"


def typed_flow(eth_type: int, proto: int | None = None) -> str:
    """Return the text of all that a flow of an EtherType, and of an IP protocol, must have besides its addresses."""
    parts = [typed_type(eth_type), *map(typed, NETWORK[eth_type])]
    if eth_type == ETH_P_NSH:
        parts[-1] = _NSH_OF_ETHERNET
    if proto is not None:
        parts[-1] = typed_protocol(eth_type, proto)
        parts += map(typed, TRANSPORT[eth_type, proto])
    return ",".join(parts)


def typed_owners(number: int) -> list[tuple[int, int]]:
    """Return the EtherTypes and IP protocols whose keys have an attribute of a transport protocol."""
    return [owner for owner, numbers in TRANSPORT.items() if number in numbers]


def typed_mpls() -> str:
    """Return the texts of flows of both EtherTypes of MPLS."""
    return " or ".join(map(typed_flow, sorted(MPLS_ETHERTYPES)))


def typed_ip(proto: int | None = None) -> str:
    """Return the texts of flows of both versions of IP."""
    return " or ".join(typed_flow(eth_type, proto) for eth_type in sorted(IP_ETHERTYPES))
