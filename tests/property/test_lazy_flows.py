"""Flows decoded by their layouts, attribute by attribute when read, are those decoded the slow way."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink.attributes import attribute
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FlowRecord, encode_flow
from dpif.odp.messages.flow_rows import FlowRows
from dpif.odp.model.key import FlowKey, parse_match
from dpif.odp.model.lazy import LazyDecoder

KEYS = [
    parse_match(text)[0].to_bytes()
    for text in (
        "in_port(1),eth(),eth_type(0x0806),arp(op=1)",
        "in_port(7),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(proto=6),tcp(src=1),tcp_flags(+syn)",
        "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)),in_port(2),eth(),eth_type(0x1234)",
        "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x0800),ipv4(proto=6))",
        "ct_state(+trk),ct_label(0x12),in_port(1),eth(),eth_type(0x8847),mpls(label=3,tc=0,ttl=1,bos=1),key99(00 01)",
    )
]


@st.composite
def damaged_keys(draw: st.DrawFn) -> bytes:
    """A key with some bytes changed: mostly other values, now and then other types, lengths, or nonsense."""
    key = bytearray(draw(st.sampled_from(KEYS)))
    for at in draw(st.lists(st.integers(0, len(key) - 1), max_size=4)):
        key[at] = draw(st.integers(0, 255))
    return bytes(key[: draw(st.sampled_from([len(key), len(key), len(key) - 4]))])


def outcome(decode: object, data: bytes) -> object:
    assert callable(decode)
    try:
        return decode(data)
    except DecodeError as error:
        return str(error)


@given(st.lists(damaged_keys(), max_size=8))
def test_keys_agree(datas: list[bytes]) -> None:
    lazy = LazyDecoder(FlowKey)
    for data in KEYS:
        lazy(data)
    for data in datas:
        fast, slow = outcome(lazy, data), outcome(FlowKey.from_bytes, data)
        assert fast == slow
        assert slow == fast
        if isinstance(fast, FlowKey) and isinstance(slow, FlowKey):
            assert fast.to_bytes() == slow.to_bytes()
            assert str(fast) == str(slow)
            assert hash(fast) == hash(slow)
            assert fast.full_mask() == slow.full_mask()
            assert fast.unknown == slow.unknown
            assert pickle.loads(pickle.dumps(fast)) == slow


@pytest.mark.parametrize("data", KEYS)
def test_the_second_key_of_a_layout_is_decoded_when_read(data: bytes) -> None:
    lazy = LazyDecoder(FlowKey)
    assert isinstance(lazy(data)._kept, dict)
    second = lazy(data)
    assert not isinstance(second._kept, dict)
    assert second.in_port == FlowKey.from_bytes(data).in_port
    assert second.sctp is None


attributes = st.one_of(
    st.builds(attribute, st.just(FlowAttr.STATS), st.binary(min_size=16, max_size=16)),
    st.builds(attribute, st.just(FlowAttr.USED), st.binary(min_size=8, max_size=8)),
    st.builds(attribute, st.just(FlowAttr.TCP_FLAGS), st.binary(min_size=1, max_size=1)),
    st.builds(attribute, st.sampled_from([FlowAttr.MASK, FlowAttr.ACTIONS]), st.binary(min_size=4, max_size=5)),
    st.builds(attribute, st.just(FlowAttr.UFID), st.binary(min_size=16, max_size=16)),
    st.just(attribute(FlowAttr.PAD, b"")),
    st.builds(
        attribute, st.sampled_from([FlowAttr.PROBE, FlowAttr.UFID_FLAGS, 77]), st.sampled_from([b"", bytes(4)])
    ),
)
messages = st.builds(
    lambda ifindex, key, rest: pack_headers(1, 1, ifindex) + key + b"".join(rest),
    st.integers(0, 3),
    st.builds(attribute, st.sampled_from([FlowAttr.KEY, FlowAttr.UFID]), st.binary(min_size=8, max_size=8)),
    st.lists(attributes, max_size=4),
)


@given(st.lists(messages, max_size=6))
def test_records_agree(payloads: list[bytes]) -> None:
    rows = FlowRows()
    for payload in [*payloads, *payloads, *[payload[:-1] for payload in payloads]]:
        assert outcome(rows, payload) == outcome(FlowRecord.from_reply, payload)


def test_the_second_message_of_a_layout_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = FlowRows()
    payload = pack_headers(1, 1, 5) + attribute(FlowAttr.KEY, KEYS[0]) + attribute(FlowAttr.STATS, bytes(16))
    first = rows(payload)
    monkeypatch.setattr(FlowRecord, "from_reply", None)
    assert rows(payload) == first


@given(
    st.binary(max_size=9),
    st.binary(max_size=9),
    st.none() | st.binary(max_size=9),
    st.none() | st.binary(min_size=1, max_size=16),
    st.booleans(),
    st.booleans(),
)
def test_puts_agree(
    key: bytes, actions: bytes, mask: bytes | None, ufid: bytes | None, clear: bool, probe: bool
) -> None:
    slow = FlowRecord(
        command=1, dp_ifindex=5, key=key, actions=actions, mask=mask, ufid=ufid, clear=clear, probe=probe
    )
    fast = encode_flow(key=key, actions=actions, mask=mask, ufid=ufid, clear=clear, probe=probe)
    assert pack_headers(1, 1, 5) + fast == slow.to_payload()
