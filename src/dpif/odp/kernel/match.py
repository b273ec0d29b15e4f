"""From attributes to the flat key and mask, by every rule that the kernel has for them.

The model is ovs_nla_get_match of Linux 6.1 (net/openvswitch/flow_netlink.c) with what it calls. `from_match` is
for whoever installs flows, `metadata` for a packet that user space sends, `explain_match` for whoever was told
EINVAL and no more.

Attributes whose values share bits are read in the kernel's order, so that the same one wins. Lengths of
attributes are not checked here: a `FlowKey` cannot hold one of the wrong length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct

from dpif._typing import Any
from dpif.odp.constants import DP_MAX_PORTS, ETH_P_802_3_MIN, VLAN_CFI, CtState, FragType, KeyAttr, NshKeyAttr
from dpif.odp.kernel.match_tunnel import Role, read_tunnel, tunnel_bits
from dpif.odp.kernel.match_validate import Attrs, validate
from dpif.odp.kernel.places import CVLAN_PLACE, PLACES, VLAN_PLACE
from dpif.odp.kernel.rules import NEWEST, Features, RuleBroken, no_zones
from dpif.odp.kernel.swkey import (
    FIELDS,
    MAC_PROTO_ETHERNET,
    MAC_PROTO_NONE,
    MPLS_LABEL_DEPTH,
    NSH_MD_TYPE1,
    bits,
    get,
    put,
)
from dpif.odp.kernel.typed import name_of, typed, typed_type
from dpif.odp.model.key import FlowKey
from dpif.odp.model.nsh import Nsh
from dpif.packet.constants import ETH_P_802_2, VLAN_ETHERTYPES

__all__ = ["READ", "explain_match", "from_match", "metadata", "tunnel_bits"]


def from_match(key: FlowKey, mask: FlowKey | None, features: Features = NEWEST) -> tuple[int, int]:
    """Return the flat value, not yet masked, and the flat mask of a flow.

    Without a mask every attribute of the key is matched exactly, and what the key lacks is wildcarded. Raise
    `RuleBroken` where the kernel refuses the pair.
    """
    latest: Attrs = {}
    value, attrs = _read_vlans(0, _collect({}, key, Role.KEY, latest), Role.KEY, 0, latest)
    value = _read(value, attrs, Role.KEY, 0, features)
    role = Role.EXACT if mask is None else Role.MASK
    flat = _TUNNEL_BITS if mask is None and get(value, "tun_proto") else 0
    flat |= _ALWAYS_MATCHED
    flat, mask_attrs = _read_vlans(flat, _collect({}, mask or key, role, latest), role, value, latest)
    flat = _read(flat, mask_attrs, role, value, features)
    validate(value, attrs, flat, mask_attrs)
    return value, flat


def metadata(key: FlowKey, features: Features = NEWEST) -> int:
    """Return the flat metadata of a packet that user space sends; what else is in `key` is passed over.

    The model is ovs_nla_get_flow_metadata: with an EtherType and no Ethernet header the packet starts with its
    network header.
    """
    attrs = _collect({}, key, Role.KEY, {})
    if not features.ct_zones:
        attrs.pop(KeyAttr.CT_ZONE, None)
    return _read_metadata(0, attrs, Role.KEY, 0)


def explain_match(key: FlowKey, mask: FlowKey | None = None, features: Features = NEWEST) -> RuleBroken | None:
    """Return the rule that a flow's key and mask break, None when the kernel takes them."""
    try:
        from_match(key, mask, features)
    except RuleBroken as broken:
        return broken
    return None


_TUNNEL_BITS = bits(*(name for name in FIELDS if name.startswith("tun.")))
_ALWAYS_MATCHED = bits("eth.vlan.tci", "eth.cvlan.tci")


def _collect(found: Attrs, nest: FlowKey, role: Role, latest: Attrs) -> Attrs:
    """Return the attributes of `nest` with those `found` outside it; a mask without a bit set is left out.

    `latest` gets them too. It lasts over key and mask, for the kernel has one array for all that it parses.
    """
    attrs = dict(found)
    for number, kept in nest.kept():
        if number not in READ:
            raise RuleBroken("unknown-attribute", f"the kernel knows no attribute {name_of(number)}; leave it out")
        if number in attrs:
            raise RuleBroken(
                "duplicate-attribute", f"{name_of(number)} is there twice, inside and outside encap(...)"
            )
        if role is Role.KEY or not _is_zero(number, kept, role):
            attrs[number] = latest[number] = kept
    return attrs


_NESTS = frozenset({KeyAttr.ENCAP, KeyAttr.TUNNEL, KeyAttr.NSH})


def _is_zero(number: int, kept: Any, role: Role) -> bool:
    """Tell whether the kernel sees no bit in a mask; a nest has the bits of its attributes' headers."""
    if number in _NESTS:
        return not len(kept)
    return role is Role.MASK and not any(FlowKey.type_of(number).encode(kept))


# VLAN tags


def _read_vlans(flat: int, attrs: Attrs, role: Role, key: int, latest: Attrs) -> tuple[int, Attrs]:
    """Read up to two VLAN tags; return what is inside them with the attributes of the outside."""
    flat, attrs = _read_vlan(flat, attrs, role, key, "eth.vlan", latest)
    if get(flat if role is Role.KEY else key, "eth.vlan.tci") & VLAN_CFI:
        return _read_vlan(flat, attrs, role, key, "eth.cvlan", latest)
    return flat, attrs


def _read_vlan(flat: int, attrs: Attrs, role: Role, key: int, tag: str, latest: Attrs) -> tuple[int, Attrs]:
    is_tagged = _has_vlan(attrs) if role is Role.KEY else _has_vlan_mask(attrs, role, key, tag, latest)
    if not is_tagged:
        return flat, attrs
    place = VLAN_PLACE if tag == "eth.vlan" else CVLAN_PLACE
    tci, tpid = latest[KeyAttr.VLAN], latest[KeyAttr.ETHERTYPE]
    exact = role is Role.EXACT
    flat = flat & ~place.bits | (place.bits if exact else place.flat(tci))
    flat = put(flat, f"{tag}.tpid", 0xFFFF if exact else tpid)
    outside = {number: kept for number, kept in attrs.items() if number not in _TAG}
    return flat, _collect(outside, attrs[KeyAttr.ENCAP], role, latest)


_TAG = frozenset({KeyAttr.VLAN, KeyAttr.ETHERTYPE, KeyAttr.ENCAP})


def _tci(attrs: Attrs) -> int:
    vlan = attrs.get(KeyAttr.VLAN)
    return 0 if vlan is None else int.from_bytes(vlan.to_bytes(), "big")


def _has_vlan(attrs: Attrs) -> bool:
    """Tell whether a key's attributes are those of a tagged frame, and check that they belong together."""
    if KeyAttr.ETHERNET not in attrs or attrs.get(KeyAttr.ETHERTYPE) not in VLAN_ETHERTYPES:
        return False
    missing = [typed(number) for number in (KeyAttr.VLAN, KeyAttr.ENCAP) if number not in attrs]
    if missing:
        raise RuleBroken(
            "missing-attribute",
            f"{typed_type(attrs[KeyAttr.ETHERTYPE])} needs {' and '.join(missing)}",
        )
    tci = _tci(attrs)
    if tci and not tci & VLAN_CFI:
        raise RuleBroken("vlan-cfi", "vlan(...) needs cfi=1, which says that a tag is present")
    if not tci and len(attrs[KeyAttr.ENCAP]):
        raise RuleBroken("vlan-cfi", "vlan(...) without any bit set is a truncated tag and needs an empty encap()")
    return True


def _has_vlan_mask(attrs: Attrs, role: Role, key: int, tag: str, latest: Attrs) -> bool:
    """Tell whether a mask looks inside a tag, and check that it matches the tag's presence and type.

    Where it lacks a mask for the tag, the kernel by mistake takes the tag that it parsed last for one.
    """
    if KeyAttr.ENCAP not in attrs:
        return False
    if not get(key, f"{tag}.tci") & VLAN_CFI:
        raise RuleBroken("vlan-mask", "the mask has encap(...), but the key has no VLAN tag there")
    if role is Role.EXACT:
        return True
    if latest.get(KeyAttr.ETHERTYPE) != 0xFFFF:
        raise RuleBroken("vlan-mask", "a mask with encap(...) needs an exact eth_type(0x8100) or eth_type(0x88a8)")
    if not _tci(latest) & VLAN_CFI:
        raise RuleBroken("vlan-mask", "a mask with encap(...) needs an exact cfi=1 in vlan(...)")
    return True


# Values


def _read(flat: int, attrs: Attrs, role: Role, key: int, features: Features) -> int:
    """Read all attributes but VLAN tags (ovs_key_from_nlattrs)."""
    if KeyAttr.CT_ZONE in attrs and not features.ct_zones:
        raise no_zones("no-ct-zones", "ct_zone(...)")
    flat = _read_metadata(flat, attrs, role, key)
    leftover = [number for number in (KeyAttr.VLAN, KeyAttr.ENCAP) if number in attrs]
    if leftover:
        raise RuleBroken("vlan-unexpected", _unexpected_vlan(leftover[0], role))
    if KeyAttr.ETHERTYPE in attrs:
        flat = _read_ethertype(flat, attrs, role)
    elif role is Role.KEY:
        if KeyAttr.ETHERNET not in attrs:
            raise RuleBroken(
                "missing-attribute",
                "a key needs eth(), or an eth_type such as eth_type(0x0800)",
            )
        flat = put(flat, "eth.type", ETH_P_802_2)
    for number in _HEADERS:
        if number in attrs:
            flat = _read_one(flat, number, attrs[number], role, key)
    return flat


def _unexpected_vlan(number: int, role: Role) -> str:
    if role is Role.KEY:
        return f"{name_of(number)}(...) needs eth() and eth_type(0x8100) or eth_type(0x88a8) beside it"
    return f"a mask for {name_of(number)}(...) needs {typed(KeyAttr.ENCAP)} or the like, and a tag in the key"


def _read_metadata(flat: int, attrs: Attrs, role: Role, key: int) -> int:
    """Read what does not come from a packet's bytes (metadata_from_nlattrs)."""
    if role is Role.KEY and KeyAttr.IN_PORT not in attrs:
        flat = put(flat, "phy.in_port", DP_MAX_PORTS)
    for number in _METADATA:
        if number in attrs:
            flat = _read_one(flat, number, attrs[number], role, key)
    if role is not Role.KEY:
        return put(flat, "mac_proto", 0xFF)
    if KeyAttr.ETHERNET in attrs or KeyAttr.ETHERTYPE not in attrs:
        return put(flat, "mac_proto", MAC_PROTO_ETHERNET)
    return _read_ethertype(put(flat, "mac_proto", MAC_PROTO_NONE), attrs, role)


def _read_ethertype(flat: int, attrs: Attrs, role: Role) -> int:
    eth_type = attrs[KeyAttr.ETHERTYPE]
    if role is not Role.KEY:
        return put(flat, "eth.type", 0xFFFF)
    if eth_type < ETH_P_802_3_MIN:
        raise RuleBroken(
            "eth-type",
            f"eth_type(0x{eth_type:04x}) is the length of an 802.3 frame; leave eth_type out to match such frames",
        )
    return put(flat, "eth.type", eth_type)


_METADATA = (
    KeyAttr.DP_HASH,
    KeyAttr.RECIRC_ID,
    KeyAttr.PRIORITY,
    KeyAttr.IN_PORT,
    KeyAttr.SKB_MARK,
    KeyAttr.TUNNEL,
    KeyAttr.CT_STATE,
    KeyAttr.CT_ZONE,
    KeyAttr.CT_MARK,
    KeyAttr.CT_LABELS,
    KeyAttr.CT_ORIG_TUPLE_IPV4,
    KeyAttr.CT_ORIG_TUPLE_IPV6,
)
_HEADERS = (
    KeyAttr.ETHERNET,
    KeyAttr.IPV4,
    KeyAttr.IPV6,
    KeyAttr.IPV6_EXTHDRS,
    KeyAttr.ARP,
    KeyAttr.NSH,
    KeyAttr.MPLS,
    KeyAttr.TCP,
    KeyAttr.TCP_FLAGS,
    KeyAttr.UDP,
    KeyAttr.SCTP,
    KeyAttr.ICMP,
    KeyAttr.ICMPV6,
    KeyAttr.ND,
)
"""In the kernel's order, which decides where a key has attributes of several protocols."""
READ = frozenset({*_METADATA, *_HEADERS, KeyAttr.VLAN, KeyAttr.ETHERTYPE, KeyAttr.ENCAP})
"""What is read here. Of whatever else a `FlowKey` may have nothing is known: a flow that matches it is refused."""


def _read_one(flat: int, number: int, kept: Any, role: Role, key: int) -> int:
    if number == KeyAttr.TUNNEL:
        return read_tunnel(flat, kept, role, key)
    if number == KeyAttr.NSH:
        return _read_nsh(flat, kept, role)
    place = PLACES[number]
    if role is Role.EXACT:
        return flat & ~place.bits | place.exact(kept)
    check = _CHECKS.get(number)
    if check:
        check(kept, role)
    if role is Role.MASK and number == KeyAttr.IN_PORT:
        return flat | place.bits
    return flat & ~place.bits | place.flat(kept)


def _check_in_port(port: int, role: Role) -> None:
    if role is Role.KEY and port >= DP_MAX_PORTS:
        raise RuleBroken("port-number", f"in_port({port}) is out of range; port numbers are below {DP_MAX_PORTS}")


_CT_STATES = sum(CtState)


def _check_ct_state(state: int, role: Role) -> None:
    if state & ~_CT_STATES:
        what = "value" if role is Role.KEY else "mask"
        raise RuleBroken("ct-state", f"the {what} of ct_state has bits that the kernel does not know: {state:#x}")


def _check_ip(header: Any, role: Role) -> None:
    if role is Role.KEY and header.frag > FragType.LATER:
        raise RuleBroken("ip-frag", f"frag={int(header.frag)} is out of range; it is no, first or later")


def _check_ipv6(header: Any, role: Role) -> None:
    _check_ip(header, role)
    if role is Role.KEY and header.label > 0xFFFFF:
        raise RuleBroken("ipv6-label", f"the flow label {header.label:#x} has more than 20 bits")


def _check_arp(header: Any, role: Role) -> None:
    if role is Role.KEY and header.op > 0xFF:
        raise RuleBroken("arp-op", f"op={header.op} is out of range; the kernel matches ARP operations up to 255")


def _check_mpls(labels: tuple[Any, ...], role: Role) -> None:
    if not 1 <= len(labels) <= MPLS_LABEL_DEPTH:
        raise RuleBroken("mpls-labels", f"mpls(...) has 1 to {MPLS_LABEL_DEPTH} labels, not {len(labels)}")


_CHECKS: Mapping[int, Callable[[Any, Role], None]] = {
    KeyAttr.IN_PORT: _check_in_port,
    KeyAttr.CT_STATE: _check_ct_state,
    KeyAttr.IPV4: _check_ip,
    KeyAttr.IPV6: _check_ipv6,
    KeyAttr.ARP: _check_arp,
    KeyAttr.MPLS: _check_mpls,
}

_NSH_BASE = Struct("!BBBBI")
_NSH_BASE_FIELDS = ("nsh.flags", "nsh.ttl", "nsh.mdtype", "nsh.np", "nsh.path_hdr")


def _read_nsh(flat: int, nsh: Nsh, role: Role) -> int:
    """Read an NSH nest (nsh_key_put_from_nlattr)."""
    data = {number: Nsh.type_of(number).encode(kept) for number, kept in nsh.kept()}
    for number, payload in data.items():
        if role is Role.EXACT:
            payload = b"\xff" * len(payload)
        if number == NshKeyAttr.BASE and len(payload) == _NSH_BASE.size:
            for name, value in zip(_NSH_BASE_FIELDS, _NSH_BASE.unpack(payload), strict=True):
                flat = put(flat, name, value)
        elif number == NshKeyAttr.MD1 and len(payload) == FIELDS["nsh.context"].width // 8:
            flat = put(flat, "nsh.context", int.from_bytes(payload, "big"))
        else:
            raise RuleBroken("nsh-metadata", "nsh(...) can match its base header and metadata of type 1 alone")
    mdtype = data[NshKeyAttr.BASE][2] if NshKeyAttr.BASE in data else 0
    if role is Role.KEY and NshKeyAttr.MD1 in data and mdtype != NSH_MD_TYPE1:
        raise RuleBroken("nsh-metadata", f"nsh(...) has metadata of type 1, but says mdtype={mdtype}")
    return flat
