"""Layouts of keys: fields stand where the model finds them, and the kernel's rules take every mask."""

from __future__ import annotations

from random import Random

import pytest

from dpif.odp.extraction import extract
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.tunnel import Tunnel
from dpif.program.layout import EXTRAS, Layout, layout_of
from dpif.testing.odd_packets import packets

TUNNELS = [
    None,
    Tunnel(tun_id=7, src="192.0.2.1", dst="192.0.2.2", ttl=64),
    Tunnel(src="192.0.2.1", dst="192.0.2.2", ttl=64, df=True, csum=True, tp_dst=4789),
    Tunnel(tun_id=7, ipv6_src="2001:db8::1", ipv6_dst="2001:db8::2", ttl=64,
           geneve=[{"class": 0x102, "type": 1, "data": "61626364"}]),
]  # fmt: skip


def keys(seed: int, count: int) -> list[FlowKey]:
    """Keys of odd packets, some out of a tunnel, some with conntrack state."""
    random = Random(seed)
    found = []
    for packet in packets(random):
        metadata = random.choice([{}, {"ct_state": 0x21, "ct_zone": 5, "ct_mark": 7, "ct_labels": 1 << 90}])
        try:
            key = extract(packet, random.randrange(1, 9), tunnel=random.choice(TUNNELS), **metadata)
            from_match(key, None)
        except RuleBroken:
            continue  # of a label stack that is cut short no flow can be made
        found.append(key)
        if len(found) == count:
            break
    return found


def some_mask(random: Random, layout: Layout) -> int:
    """A mask as a run would leave it: some fields whole, some bits of others, some headers asked for."""
    mask = layout.always
    places = list(layout.places.values())
    for place in random.sample(places, random.randrange(0, 5)):
        mask |= place.bits(random.choice([place.ones, random.getrandbits(place.width) & place.ones])) | place.needs
    for header in random.sample(["tcp", "udp", "arp", "ipv4", "ipv6", "nd", "icmpv6", "tunnel", "mpls"], 2):
        mask |= layout.telling(header)
    if "tunnel" in layout.headers and random.random() < 0.5:
        mask |= layout.extra("tunnel") | layout.extra("tunnel.df")
    return mask


@pytest.mark.parametrize("seed", range(4))
def test_the_rules_take_every_mask_and_it_matches_what_was_read(seed: int) -> None:
    random = Random(seed)
    for key in keys(seed, 400):
        encoded = key.to_bytes()
        layout, number = layout_of(encoded)
        mask = some_mask(random, layout)
        found = FlowMask.from_bytes(layout.encode(mask))
        flat_key, flat_mask = from_match(key, found)
        # Whatever differs in a bit that was read is told apart by the flow.
        for place in random.sample(list(layout.places.values()), 5):
            read = place.number(mask)
            if not read or (place.name.startswith("tunnel.") and not mask & layout.extra("tunnel")):
                continue
            bit = 1 << random.choice([at for at in range(place.width) if read >> at & 1])
            other = other_key(layout, number ^ place.bits(bit))
            try:
                flat_other, _ = from_match(other, found)
            except RuleBroken:
                continue  # no such packet
            assert (flat_key ^ flat_other) & flat_mask, (place.name, str(key), str(found))


def other_key(layout: Layout, number: int) -> FlowKey:
    return FlowKey.from_bytes(number.to_bytes(layout.size, "big"))


@pytest.mark.parametrize("seed", range(2))
def test_fields_are_those_of_the_model(seed: int) -> None:
    for key in keys(seed, 200):
        layout, number = layout_of(key.to_bytes())
        for name in ("in_port", "eth.src", "eth.dst", "ipv4.src", "ipv6.dst", "arp.op", "tcp.dst", "udp.src",
                     "ct_state", "ct_zone", "ct_mark", "ct_label", "ipv4.frag"):  # fmt: skip
            place = layout.places.get(name)
            if place is None:
                continue
            attr, _, field = name.partition(".")
            value = getattr(innermost(key, attr), attr)
            assert place.value(place.number(number)) == (getattr(value, field) if field else value)
            assert place.number_of(place.value(place.number(number))) == place.number(number)


def innermost(key: FlowKey, attr: str) -> FlowKey:
    while getattr(key, attr) is None and key.encap is not None:
        key = key.encap
    return key


def test_a_shape_is_learned_once() -> None:
    key = keys(1, 1)[0].to_bytes()
    assert layout_of(key)[0] is layout_of(bytes(key))[0]


def test_the_absence_of_a_tunnel_and_of_an_ethertype_can_be_matched() -> None:
    key = extract(bytes.fromhex("020000000002 020000000001 0004 42420300"), 1)
    layout, _ = layout_of(key.to_bytes())
    mask = FlowMask.from_bytes(layout.encode(layout.always | layout.eth_type() | layout.extra("tunnel")))
    assert mask.eth_type == 0xFFFF
    assert mask.tunnel is not None
    from_match(key, mask)
    assert set(EXTRAS) >= {"tunnel", "eth_type"}
