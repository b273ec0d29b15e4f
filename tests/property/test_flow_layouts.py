"""Flows decoded by their layouts are those decoded the slow way."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink.attributes import attribute
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FlowRecord, encode_flow
from dpif.odp.messages.flow_rows import FlowRows
from dpif.odp.model.key import FlowKey, parse_match
from dpif.odp.model.layouts import MISSES, LayoutDecoder

MATCHES = [
    parse_match(text)
    for text in (
        "in_port(1),eth(),eth_type(0x0806),arp(op=1)",
        "in_port(7),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(proto=6),tcp(src=1),tcp_flags(+syn)",
        "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)),in_port(2),eth(),eth_type(0x1234)",
        "tunnel(tun_id=0x1,geneve({class=0x102,type=0x80,len=4,0x20007}),flags(csum)),in_port(2),eth(),"
        "eth_type(0x86dd),ipv6(src=fe80::1,frag=later)",
        "tunnel(vxlan(gbp(id=7,flags=1)),erspan(ver=2,dir=1,hwid=0x7)),in_port(2),eth(),eth_type(0x894f),"
        "nsh(flags=0,ttl=63,mdtype=1,np=1,spi=0x1,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)",
        "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x0800),ipv4(proto=6))",
        "ct_state(+trk),ct_label(0x12),in_port(1),eth(),eth_type(0x8847),mpls(label=3,tc=0,ttl=1,bos=1),key99(00 01)",
    )
]
KEYS = [key.to_bytes() for key, _ in MATCHES]
ACTIONS = [
    parse_actions(text).to_bytes()
    for text in (
        "2,3,ct_clear,pop_vlan",
        "set(eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)),set(ipv4(ttl=63)),push_vlan(vid=5,pcp=1),7",
        "set(tunnel(tun_id=0x4,dst=10.6.12.8,ttl=64,geneve({class=0x102,type=0x80,len=4,0x70006}),flags(df|key))),2",
        "ct(commit,zone=5,mark=0x1/0x3,label=0x2/0x2,helper=ftp,nat(src=10.0.0.1-10.0.0.9:1-9)),recirc(0x2f1)",
        "sample(sample=50.0%,actions(1)),clone(set(tcp(src=5/0xff)),2),check_pkt_len(size=1500,gt(1),le(2)),action77(01)",
        "userspace(pid=5,slow_path(action)),push_mpls(label=5,tc=1,ttl=64,bos=1,eth_type=0x8847),hash(l4(0))",
    )
]


@st.composite
def damaged(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """One with some bytes changed: mostly other values, now and then other types, lengths, or nonsense."""
    data = bytearray(draw(st.sampled_from(good)))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.sampled_from([len(data), len(data), len(data) - 4]))])


def outcome(decode: object, data: bytes) -> object:
    assert callable(decode)
    try:
        return decode(data)
    except DecodeError as error:
        return str(error)


def decoder(cls: type[FlowKey | Actions], known: list[bytes]) -> LayoutDecoder[FlowKey | Actions]:
    """Return a decoder that has a layout for each of these."""
    made: LayoutDecoder[FlowKey | Actions] = LayoutDecoder(cls.from_bytes, cls.read_in)
    for data in known:
        for _ in range(MISSES):
            made(data)
    return made


BY_LAYOUT = decoder(FlowKey, KEYS)
ACTIONS_BY_LAYOUT = decoder(Actions, ACTIONS)


@given(damaged(KEYS))
def test_keys_agree(data: bytes) -> None:
    fast, slow = outcome(BY_LAYOUT, data), outcome(FlowKey.from_bytes, data)
    assert fast == slow
    assert slow == fast
    if isinstance(fast, FlowKey) and isinstance(slow, FlowKey):
        assert fast.to_bytes() == slow.to_bytes()
        assert str(fast) == str(slow)
        assert hash(fast) == hash(slow)
        assert fast.full_mask() == slow.full_mask()
        assert fast.unknown == slow.unknown
        assert list(fast.items()) == list(slow.items())
        assert pickle.loads(pickle.dumps(fast)) == slow


@given(damaged(ACTIONS))
def test_actions_agree(data: bytes) -> None:
    fast, slow = outcome(ACTIONS_BY_LAYOUT, data), outcome(Actions.from_bytes, data)
    assert fast == slow
    assert slow == fast
    if isinstance(fast, Actions) and isinstance(slow, Actions):
        assert fast.to_bytes() == slow.to_bytes()
        assert [repr(action) for action in fast] == [repr(action) for action in slow]
        assert hash(fast) == hash(slow)
        assert pickle.loads(pickle.dumps(fast)) == slow


@pytest.mark.parametrize("data", KEYS)
def test_a_layout_that_was_met_is_compiled(data: bytes) -> None:
    slowly = []

    def from_bytes(data: bytes) -> FlowKey:
        slowly.append(data)
        return FlowKey.from_bytes(data)

    decode = LayoutDecoder(from_bytes, FlowKey.read_in)
    assert [decode(data) for _ in range(MISSES + 3)] == [FlowKey.from_bytes(data)] * (MISSES + 3)
    assert len(slowly) == MISSES


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
