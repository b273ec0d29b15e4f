"""The match of an OpenFlow flow in a datapath's syntax, with all that such a flow must have."""

from __future__ import annotations

import re

from dpif._typing import NamedTuple
from dpif.odp.constants import KeyAttr
from dpif.odp.filter.openflow_fields import FIELDS, PROTOCOLS, RESERVED_PORTS, OpenFlowField
from dpif.odp.kernel.protocols import NETWORK, TRANSPORT
from dpif.odp.kernel.typed import name_of, typed, typed_type
from dpif.odp.model.key import FlowKey
from dpif.odp.openflow.items import Item, NoCounterpart, items_of, number_of
from dpif.packet.constants import ETH_P_8021Q, IPPROTO_ICMPV6, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT

_ABOUT_THE_FLOW = """
    table priority cookie cookie_mask duration n_packets n_bytes idle_age hard_age idle_timeout hard_timeout
    importance out_port out_group send_flow_rem reset_counts no_packet_counts no_byte_counts check_overlap
"""
"""What OpenFlow says of a flow besides its match: a datapath has one table, without priorities."""
_ELSEWHERE = re.compile(
    r"x{0,2}reg\d++|metadata|conj_id|actset_output|packet_type|nd_(?:reserved|options_type)|ipv6_exthdr"
    r"|tun_(?:flags|metadata\d++|erspan_\w++|gtpu_\w++|gbp_\w++)|nsh_\w++|nsp|nsi|nshc\d"
)
_METADATA = """
    recirc_id dp_hash skb_priority tunnel in_port skb_mark ct_state ct_zone ct_mark ct_label ct_tuple4 ct_tuple6
"""
_HEADERS = frozenset(attr.text_name for attr in FlowKey.ATTRS.values())
_OF_IP = {"src": "nw_src", "dst": "nw_dst", "proto": "nw_proto", "tos": "nw_tos", "ttl": "nw_ttl", "frag": "nw_frag"}
_OF_IPV6 = {**_OF_IP, "src": "ipv6_src", "dst": "ipv6_dst", "label": "ipv6_label"}
_NO_TAG = 0xFFFF


class Translated(NamedTuple):
    """The match in a datapath's syntax, and what its actions may ask about it; 0 and None where it does not say.

    ``is_openflow`` tells whether anything in it had to be translated.
    """

    text: str
    is_openflow: bool
    eth_type: int = 0
    proto: int = 0
    in_port: str | None = None
    is_tagged: bool = False


def translate_match(text: str) -> Translated | None:
    """Return the match of a text in either syntax; None for a text of another kind. Raise `NoCounterpart`."""
    match = _Match()
    for item in items_of(text):
        if not match.take(item):
            return None
    return match.translated()


class _Match:
    """A match as it is read: values by attribute and field, "" for an attribute's only value."""

    def __init__(self) -> None:
        self._is_openflow = False
        self._eth_type = self._proto = 0
        self._tag: dict[str, str] = {}
        self._settings: list[tuple[OpenFlowField, str]] = []
        self._own: dict[str, str] = {}  # what is in the datapath's syntax already
        self._values: dict[str, dict[str, str]] = {}

    def take(self, item: Item) -> bool:
        """Take an item; return False for one of neither syntax."""
        name = item.name
        if item.arguments is not None and name in _HEADERS:
            self._take_own(item)
            return True
        self._is_openflow = True
        if name in _ABOUT_THE_FLOW.split():
            return True
        if _ELSEWHERE.fullmatch(name) and not item.is_bare:
            raise NoCounterpart(f"{name} is no field of a datapath's flow")
        if name in PROTOCOLS and item.value is None:
            self._take_protocol(name, item.arguments)
            return True
        value = item.arguments if item.value is None else item.value
        if name in FIELDS and value:
            self._take_field(FIELDS[name], name, value)
            return True
        return False

    def _take_own(self, item: Item) -> None:
        self._own[item.name] = item.text
        arguments = item.arguments or ""
        if item.name == "eth_type":
            self._eth_type = number_of(arguments.partition("/")[0], "an EtherType")
        proto = re.search(r"\bproto=(\d++)", arguments)
        if item.name in ("ipv4", "ipv6") and proto:
            self._proto = int(proto[1])

    def _take_protocol(self, name: str, arguments: str | None) -> None:
        self._eth_type, proto = PROTOCOLS[name]
        self._proto = proto or self._proto
        fields = _OF_IPV6 if name.endswith("6") else _OF_IP
        for one in items_of(arguments or ""):
            if one.name not in fields or not one.value:
                raise NoCounterpart(f"{name} has no {one.text}")
            self._take_field(FIELDS[fields[one.name]], one.name, one.value)

    def _take_field(self, field: OpenFlowField, name: str, value: str) -> None:
        if field.name == "dl_type":
            self._eth_type = number_of(value, name)
        elif field.name == "nw_proto":
            self._proto = number_of(value, name)
        elif field.places == "vlan":
            self._take_tag(field.name, value)
        else:
            self._settings.append((field, value))

    def _take_tag(self, name: str, value: str) -> None:
        if name == "vlan_tci":
            raise NoCounterpart("vlan_tci is written as vlan(vid=…,pcp=…)")
        if name == "vlan_vid" or name == "dl_vlan":
            number = number_of(value.partition("/")[0], name)
            if number == _NO_TAG:
                return  # a flow without vlan(...) matches packets without a tag
            self._tag["vid"] = str(number & 0xFFF)
        else:
            self._tag["pcp"] = value

    def translated(self) -> Translated:
        """Return the whole; raise `NoCounterpart`."""
        for field, value in self._settings:
            self._place(field, value)
        in_port = self._values.get("in_port", {}).get("")
        text = ",".join([*self._metadata(), *self._headers()])
        return Translated(text, self._is_openflow, self._eth_type, self._proto, in_port, bool(self._tag))

    def _attributes(self) -> list[int]:
        """Return the headers that packets of the type have."""
        numbers: list[int] = [*NETWORK.get(self._eth_type, ())]
        numbers += TRANSPORT.get((self._eth_type, self._proto), ())
        icmp_type = next((value for field, value in self._settings if field.name == "icmpv6_type"), "")
        if self._proto == IPPROTO_ICMPV6 and icmp_type in (str(ND_NEIGHBOR_SOLICIT), str(ND_NEIGHBOR_ADVERT)):
            numbers.append(KeyAttr.ND)
        return numbers

    def _place(self, field: OpenFlowField, value: str) -> None:
        """Put a value where a datapath has it."""
        names = {*_METADATA.split(), "eth", *map(name_of, self._attributes())}
        places = [place.partition(".") for place in field.places.split()]
        place = next((place for place in places if place[0] in names), None)
        if place is None:
            assert field.needed is not None  # all others are there in every packet
            raise NoCounterpart(f"{field.name} needs its protocol beside it: {field.needed.words}")
        self._values.setdefault(place[0], {})[place[2]] = _value(field, value)

    def _metadata(self) -> list[str]:
        if "tunnel" in self._values:
            self._values["tunnel"].setdefault("ttl", "0/0")
        return [self._text(name) for name in _METADATA.split() if name in self._values or name in self._own]

    def _headers(self) -> list[str]:
        parts = [self._text("eth")]
        inner = self._network()
        if not self._tag:
            return parts + inner
        if not inner:
            raise NoCounterpart("a VLAN's tag needs the type within beside it: ip, arp or another")
        tag = ",".join(f"{name}={value}" for name, value in self._tag.items())
        return [*parts, typed_type(ETH_P_8021Q), f"vlan({tag})", f"encap({','.join(inner)})"]

    def _network(self) -> list[str]:
        if not self._eth_type:
            return []
        names = [name_of(number) for number in self._attributes()]
        if self._proto:
            if self._eth_type not in NETWORK or names[0] not in ("ipv4", "ipv6"):
                raise NoCounterpart("an IP protocol needs ip or ipv6 beside it")
            self._values.setdefault(names[0], {})["proto"] = str(self._proto)
        numbers = dict(zip(names, self._attributes(), strict=True))
        filled = [self._text(name, typed(numbers[name])) for name in names]
        return [typed_type(self._eth_type), *filled]

    def _text(self, name: str, empty: str = "") -> str:
        if name in self._own:
            return self._own[name]
        values = self._values.get(name, {})
        if not values:
            return empty or f"{name}()"
        return f"{name}({','.join(f'{field}={value}' if field else value for field, value in values.items())})"


def _value(field: OpenFlowField, text: str) -> str:
    """Return a value as a datapath's syntax has it."""
    if field.name == "in_port":
        return port_of(text)
    if not field.bits:
        return text
    value = number_of(text, field.name) << field.shift
    return f"{value:#x}/{field.mask & field.counting:#x}"


def port_of(text: str) -> str:
    """Return the name or number of a datapath's port; raise `NoCounterpart` for one of OpenFlow alone."""
    name = text.upper()
    if name == "LOCAL":
        return "0"
    if name in RESERVED_PORTS:
        raise NoCounterpart(f"{name} is a port of OpenFlow alone")
    return text
