"""What must and what may come together in a flow's key and mask (match_validate)."""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import Any
from dpif.odp.constants import FragType, KeyAttr
from dpif.odp.kernel.protocols import IP_ETHERTYPES, ND_TYPES, NETWORK, TRANSPORT
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import get
from dpif.odp.kernel.typed import name_of, typed, typed_owners, typed_protocol, typed_type
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMPV6

Attrs = dict[int, Any]
"""Kept values by attribute number."""


def validate(key: int, key_attrs: Attrs, mask: int, mask_attrs: Attrs) -> None:
    """Check what belongs together (match_validate)."""
    for number, reason in _expected(key).items():
        if number not in key_attrs:
            raise RuleBroken("missing-attribute", f"{reason} needs {typed(number)}")
    for number in mask_attrs:
        _check_mask_allowed(number, key, key_attrs, mask)


def _expected(key: int) -> dict[int, str]:
    """Return the attributes that a key must have, each with what in the key asks for it."""
    eth_type, proto = get(key, "eth.type"), get(key, "ip.proto")
    expected = {int(number): typed_type(eth_type) for number in NETWORK.get(eth_type, ())}
    if get(key, "ip.frag") != FragType.LATER:
        for number in TRANSPORT.get((eth_type, proto), ()):
            expected[number] = typed_protocol(eth_type, proto)
        if _has_nd(key):
            expected[KeyAttr.ND] = f"icmpv6(type={get(key, 'tp.src')})"
    return expected


def _has_nd(key: int) -> bool:
    return (
        get(key, "eth.type") == ETH_P_IPV6
        and get(key, "ip.proto") == IPPROTO_ICMPV6
        and get(key, "ip.frag") != FragType.LATER
        and get(key, "tp.src") in ND_TYPES
    )


_ALLOWED_ALWAYS = frozenset({KeyAttr.TUNNEL, KeyAttr.IN_PORT, KeyAttr.ETHERTYPE})
_CT_TUPLES: Mapping[int, int] = {
    KeyAttr.CT_ORIG_TUPLE_IPV4: ETH_P_IP,
    KeyAttr.CT_ORIG_TUPLE_IPV6: ETH_P_IPV6,
}
_NETWORK_ATTRS = frozenset(number for numbers in NETWORK.values() for number in numbers)
_TRANSPORT_ATTRS = frozenset(number for numbers in TRANSPORT.values() for number in numbers)


def _wrong_type(name: str, number: int, key_attrs: Attrs, eth_type: int) -> str:
    """Say what the type of packets should be, or that it should be there at all."""
    if KeyAttr.ETHERTYPE in key_attrs:
        return f"{name}(...) does not go with {typed_type(eth_type)}"
    fitting = [one for one, numbers in NETWORK.items() if number in numbers] or [_CT_TUPLES[number]]
    return f"{name}(...) needs {' or '.join(map(typed_type, fitting))}"


def _wrong_protocol(name: str, number: int, key: int) -> str:
    """Say which protocol packets should have."""
    eth_type, proto = get(key, "eth.type"), get(key, "ip.proto")
    owners = typed_owners(number)
    if get(key, "ip.frag") == FragType.LATER:
        return f"{name}(...) does not go with a later fragment"
    if proto and eth_type in IP_ETHERTYPES:
        return f"{name}(...) does not go with proto={proto}"
    if eth_type in IP_ETHERTYPES:
        owners = [owner for owner in owners if owner[0] == eth_type] or owners
    return f"{name}(...) needs {' or '.join(_typed_owner(*owner, eth_type) for owner in owners)}"


def _typed_owner(eth_type: int, proto: int, present: int) -> str:
    """Return the text of the headers below a transport protocol, without the EtherType that is there."""
    header = typed_protocol(eth_type, proto)
    return header if eth_type == present else f"{typed_type(eth_type)},{header}"


def _check_mask_allowed(number: int, key: int, key_attrs: Attrs, mask: int) -> None:
    """Check that what a mask matches is there in every packet that the rest of the mask matches."""
    eth_type, proto = get(key, "eth.type"), get(key, "ip.proto")
    name = name_of(number)
    if number in _ALLOWED_ALWAYS:
        return
    if number in _NETWORK_ATTRS or number in _CT_TUPLES:
        fits = eth_type == _CT_TUPLES.get(number, eth_type)
        if number in _NETWORK_ATTRS:
            fits = number in NETWORK.get(eth_type, ())
        if not fits:
            raise RuleBroken("unexpected-mask", _wrong_type(name, number, key_attrs, eth_type))
        if get(mask, "eth.type") != 0xFFFF:
            raise RuleBroken("unexpected-mask", f"a mask for {name}(...) needs an exact {typed_type(eth_type)}")
        if number == KeyAttr.CT_ORIG_TUPLE_IPV6 and _has_nd(key):
            raise RuleBroken("unexpected-mask", "ct_tuple6(...) does not go with neighbour discovery")
    elif number in _TRANSPORT_ATTRS:
        if number not in _expected(key):
            raise RuleBroken("unexpected-mask", _wrong_protocol(name, number, key))
        if get(mask, "ip.proto") != 0xFF:
            needed = typed_protocol(eth_type, proto)
            raise RuleBroken("unexpected-mask", f"a mask for {name}(...) needs an exact {needed}")
    elif number == KeyAttr.ND:
        if not _has_nd(key):
            raise RuleBroken("unexpected-mask", "nd(...) needs icmpv6(type=135) or icmpv6(type=136)")
        if get(mask, "tp.src") != 0xFF:
            needed = f"icmpv6(type={get(key, 'tp.src')})"
            raise RuleBroken("unexpected-mask", f"a mask for nd(...) needs an exact {needed}")
    elif number not in key_attrs:
        raise RuleBroken("unexpected-mask", f"the mask has {name}(...), which the key lacks")
