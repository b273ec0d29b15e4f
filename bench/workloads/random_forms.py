"""Whatever the kernel takes: any attributes that go together, any masks, any actions.

`forms` draws `FORMS` of them from a seed: so many that no program knows them all beforehand, and so few that a
kernel, which looks through its masks one by one, still takes a hundred thousand flows. Every flow was recirculated,
by an id of its own, so that none overlaps another. `draw_form` draws one by one, for tests that want each flow of
another form. What is drawn follows from the tables of ``dpif.odp``, and what its model of the kernel refuses is left
out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from random import Random

from dpif import FlowKey, FlowMask, format_key, parse_actions, parse_match
from dpif.odp.constants import FragType, KeyAttr
from dpif.odp.kernel.check import explain_actions
from dpif.odp.kernel.protocols import ND_TYPES, NETWORK, TRANSPORT
from dpif.odp.kernel.rules import Features
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMPV6, VLAN_ETHERTYPES
from workloads import Form
from workloads.complete import complete
from workloads.draw import draw
from workloads.random_actions import draw_actions

FORMS = 256

_METADATA = (
    KeyAttr.DP_HASH,
    KeyAttr.PRIORITY,
    KeyAttr.TUNNEL,
    KeyAttr.IN_PORT,
    KeyAttr.SKB_MARK,
    KeyAttr.CT_STATE,
    KeyAttr.CT_ZONE,
    KeyAttr.CT_MARK,
    KeyAttr.CT_LABELS,
)
_TUPLES = {ETH_P_IP: KeyAttr.CT_ORIG_TUPLE_IPV4, ETH_P_IPV6: KeyAttr.CT_ORIG_TUPLE_IPV6}
_OTHER_TYPES = (0x88CC, 0x1234, 0x8863)
_OTHER_PROTOCOLS = (2, 47, 50, 89)

_Pairs = dict[int, tuple[object, object]]
"""Kept values and masks, by the numbers of attributes."""


def forms(seed: int, rules: Features) -> list[Form]:
    """Return as many forms as the workload has; other ones with another seed."""
    random = Random(seed)
    return [draw_form(random, rules) for _ in range(FORMS)]


def draw_form(random: Random, rules: Features) -> Form:
    """Return one form; half of all flows have UFIDs."""
    while True:
        match = _draw_match(random, rules)
        key, mask = parse_match(complete(match))
        if explain_actions((), key, mask, rules) is None:
            actions = draw_actions(random, partial(_takes, key, mask, rules))
            return Form(1, match, parse_actions(actions).format(), with_ufid=random.random() < 0.5)


def _takes(key: FlowKey, mask: FlowMask, rules: Features, actions: str) -> bool:
    return explain_actions(parse_actions(actions), key, mask, rules) is None


def _draw_match(random: Random, rules: Features) -> str:
    pairs: _Pairs = {KeyAttr.RECIRC_ID: (1, 0xFFFFFFFF)}
    for number in _METADATA:
        is_there = number == KeyAttr.IN_PORT or random.random() < 0.3
        if is_there and (rules.ct_zones or number != KeyAttr.CT_ZONE):
            pairs[number] = draw(FlowKey.type_of(number), random)
    eth_type = random.choice([*NETWORK, ETH_P_IP, ETH_P_IP, ETH_P_IPV6, *_OTHER_TYPES])
    if eth_type in _TUPLES and random.random() < 0.2:
        pairs[_TUPLES[eth_type]] = draw(FlowKey.type_of(_TUPLES[eth_type]), random)
    inner = dict(_draw_packet(eth_type, random))
    if random.random() < 0.9:
        pairs[KeyAttr.ETHERNET] = draw(FlowKey.type_of(KeyAttr.ETHERNET), random)
        for _ in range(random.choice([0, 0, 0, 1, 2])):
            inner = dict(_tagged(inner, random))
    key, mask = _nest(pairs | inner)
    return format_key(key, FlowMask.of_kept(dict(mask.kept())))


def _nest(pairs: _Pairs) -> tuple[FlowKey, FlowKey]:
    values, masks = ({number: pair[side] for number, pair in pairs.items()} for side in (0, 1))
    return FlowKey.of_kept(values), FlowKey.of_kept(masks)


def _tagged(inner: _Pairs, random: Random) -> Iterator[tuple[int, tuple[object, object]]]:
    yield KeyAttr.ETHERTYPE, (random.choice(sorted(VLAN_ETHERTYPES)), 0xFFFF)
    yield KeyAttr.VLAN, draw(FlowKey.type_of(KeyAttr.VLAN), random)
    yield KeyAttr.ENCAP, _nest(inner)


def _draw_packet(eth_type: int, random: Random) -> Iterator[tuple[int, tuple[object, object]]]:
    """Yield the EtherType and the headers behind it."""
    yield KeyAttr.ETHERTYPE, (eth_type, 0xFFFF)
    for number in NETWORK.get(eth_type, ()):
        header, mask = draw(FlowKey.type_of(number), random)
        if number not in (KeyAttr.IPV4, KeyAttr.IPV6):
            yield number, (header, mask)
            continue
        protocols = [proto for type_, proto in TRANSPORT if type_ == eth_type]
        proto = random.choice([*protocols, random.choice(_OTHER_PROTOCOLS)])
        has_transport = proto in protocols and header.frag != FragType.LATER
        yield number, (header.replace(proto=proto), mask.replace(proto=0xFF))
        if eth_type == ETH_P_IPV6 and random.random() < 0.2:
            yield KeyAttr.IPV6_EXTHDRS, draw(FlowKey.type_of(KeyAttr.IPV6_EXTHDRS), random)
        if has_transport:
            yield from _draw_transport(eth_type, proto, random)


def _draw_transport(eth_type: int, proto: int, random: Random) -> Iterator[tuple[int, tuple[object, object]]]:
    for number in TRANSPORT[eth_type, proto]:
        value, mask = draw(FlowKey.type_of(number), random)
        if proto == IPPROTO_ICMPV6:
            is_discovery = random.random() < 0.5
            type_ = random.choice(sorted(ND_TYPES)) if is_discovery else 128
            yield number, (value.replace(type=type_), mask.replace(type=0xFF))
            if is_discovery:
                yield KeyAttr.ND, draw(FlowKey.type_of(KeyAttr.ND), random)
        else:
            yield number, (value, mask)
