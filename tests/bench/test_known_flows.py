"""What is known of encoded matches and actions holds for those that differ from them in any way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from random import Random

import pytest

from dpif.errors import DecodeError
from dpif.odp.actions import Actions
from dpif.odp.kernel import known
from dpif.odp.kernel.check import check_actions
from dpif.odp.kernel.known import KnownActions, KnownMatches
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.rules import NEWEST, RuleBroken
from dpif.odp.model.key import FlowKey, FlowMask

WORKLOADS = ("plain", "ovn", "openstack", "random")
ODD_KEYS = [
    "in_port(65534),eth(),eth_type(0x8847),mpls(label=1,tc=0,ttl=1,bos=0,label=2,tc=0,ttl=2,bos=1)",
    "in_port(1),eth(),eth_type(0x86dd),ipv6(proto=58,frag=no),icmpv6(type=135,code=0),nd(target=fe80::1)",
    "in_port(1),eth(),eth_type(0x8100),vlan(vid=1),encap(eth_type(0x8100),vlan(vid=2),encap(eth_type(0x0800),ipv4()))",
    "tunnel(dst=0.0.0.1,ttl=0/0),in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()",
    "ct_state(+trk),ct_zone(1),ct_tuple4(src=1.1.1.1,dst=2.2.2.2,proto=6,tp_src=1,tp_dst=2),eth(),eth_type(0x0800),ipv4()",
    "in_port(1),eth(),eth_type(0x0800),ipv4(src=1.2.3.4),ipv6(src=::1/::,dst=::/::,label=0/0,proto=0/0,tclass=0/0,hlimit=0/0,frag=no/0)",
]


def decoded(key: bytes, mask: bytes | None) -> Callable[[], tuple[FlowKey, FlowKey | None]]:
    return lambda: (FlowKey.from_bytes(key), None if mask is None else FlowMask.from_bytes(mask))


def result(read: Callable[[], object]) -> object:
    """Return what was read, or the rule that was broken."""
    try:
        return read()
    except RuleBroken as broken:
        return broken.rule
    except DecodeError:
        return "malformed"


def by_the_rules(key: bytes, mask: bytes) -> object:
    return result(lambda: from_match(*decoded(key, mask)(), NEWEST))


def as_known(reader: KnownMatches, key: bytes, mask: bytes) -> object:
    return result(lambda: reader.read(key, mask, decoded(key, mask)))


def taken_by_the_rules(actions: bytes, masked: int) -> bool:
    return result(lambda: check_actions(Actions.from_bytes(actions), masked)) is None


def changed(data: bytes, random: Random) -> Iterator[bytes]:
    """Yield encodings that differ in one bit, in a byte that has none or all, and in several bytes."""
    for _ in range(8):
        at = random.randrange(len(data))
        for byte in (data[at] ^ 1 << random.randrange(8), 0, 0xFF):
            yield data[:at] + bytes([byte]) + data[at + 1 :]
        size = random.choice((2, 4))
        yield data[:at] + random.choice((bytes(size), b"\xff" * size)) + data[at + size :]


def matches(name: str) -> Iterator[tuple[bytes, bytes]]:
    from workloads import fill, forms

    from dpif import parse_match

    given = [form._replace(share=1) for form in forms(name)]
    for flow in itertools.islice(fill(given), 3 * len(given)):
        key, mask = parse_match(flow.match)
        yield key.to_bytes(), mask.to_bytes()
    for text in ODD_KEYS:
        key, mask = parse_match(text)
        for _ in range(3):
            yield key.to_bytes(), mask.to_bytes()


@pytest.mark.parametrize("name", WORKLOADS)
def test_matches_are_read_as_the_rules_read_them(name: str) -> None:
    random, reader, fast = Random(name), KnownMatches(NEWEST), 0

    def not_asked() -> tuple[FlowKey, FlowKey | None]:
        raise LookupError

    for key, mask in matches(name):
        for one in (key, *changed(key, random)):
            expected = by_the_rules(one, mask)
            assert as_known(reader, one, mask) == expected
            try:
                assert reader.read(one, mask, not_asked) == expected
                fast += 1
            except LookupError:
                pass
    assert fast > 500


@pytest.mark.parametrize("name", WORKLOADS)
def test_actions_are_taken_as_the_rules_take_them(name: str) -> None:
    from workloads import fill, forms

    from dpif import parse_actions, parse_match

    random, taken, fast = Random(name), KnownActions(), 0
    given = [form._replace(share=1) for form in forms(name)]
    for flow in itertools.islice(fill(given), 3 * len(given)):
        value, mask = from_match(*parse_match(flow.match))
        masked, actions = value & mask, parse_actions(flow.actions).to_bytes()
        for one in (actions, *(changed(actions, random) if actions else ())):
            is_taken = taken_by_the_rules(one, masked)
            if taken.has(one, masked):
                fast += 1
                assert is_taken
            elif is_taken:
                taken.learn(one, masked)
    assert fast > 300


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MAX_REMEMBERED", 8)
    monkeypatch.setattr(known, "MOST_ALIKE", 2)
    reader = KnownMatches(NEWEST)
    for key, mask in matches("random"):
        reader.read(key, mask, decoded(key, mask))
        forms = reader._forms
        assert len(forms._seen) <= 8
        assert sum(len(found) for alike in forms._by_kind.values() for _, found in alike) <= 8
        assert all(len(alike) <= 2 for alike in forms._by_kind.values())
    assert reader._forms._by_kind


def test_very_long_actions_are_not_remembered() -> None:
    actions = b"\x08\x00\x01\x00\x02\x00\x00\x00" * 300
    taken = KnownActions()
    for _ in range(3):
        taken.learn(actions, 0)
    assert not taken.has(actions, 0)
