"""Lines of flows by templates, by writers and the slow way are the same, whatever the flow."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink.attributes import attribute, raw_attribute, walk
from dpif.odp.actions import parse_actions
from dpif.odp.constants import ActionAttr, KeyAttr, TunnelKeyAttr
from dpif.odp.constants.flow import FlowAttr
from dpif.odp.lines import compiled, frequent, learned
from dpif.odp.lines.actions import ActionWriter
from dpif.odp.lines.compiled import FlowLines
from dpif.odp.lines.flows import FlowWriter
from dpif.odp.lines.learned import MAX_ALIKE
from dpif.odp.lines.templates import MAX_COMPILED
from dpif.odp.lines.text import format_flow_line
from dpif.odp.messages import FlowCounters, FlowRecord
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.model.key import FlowKey, parse_key, parse_match
from dpif.odp.model.nest import Nested
from dpif.testing.strategies import action_lists, matches

NOW = 1_000_000
NAMES = {0: "br0", 1: "eth0", 7: "tap7"}


@pytest.fixture(autouse=True, scope="module")
def _at_once() -> Iterator[None]:
    """Have writers make the first line, and a template the third of a shape."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "FEW", 0)
        patch.setattr(learned, "FREQUENT", 1)
        yield


@contextmanager
def counting_written() -> Iterator[mock.MagicMock]:
    """Count the lines that writers make, as calls of what is given."""
    with mock.patch.object(FlowWriter, "line", autospec=True, side_effect=FlowWriter.line) as written:
        yield written


KEYS = st.sampled_from(
    [
        *map(
            parse_match,
            [
                "in_port(1),eth(),eth_type(0x0806),arp(op=1)",
                "in_port(7),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,frag=no)",
                "eth(),eth_type(0x86dd),ipv6(src=fe80::/ffff::,label=0x1,frag=first),key32(00 00/00 00)",
                "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)),in_port(2),eth(),eth_type(0x1234)",
                "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x0800),ipv4(proto=6))",
                "recirc_id(0x1),ct_state(+trk-new),ct_label(0x12/0xff),in_port(1),eth(),eth_type(0x8847),mpls(label=3)",
                "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6),tcp(src=1,dst=2/0xff),tcp_flags(+syn-ack)",
                "skb_priority(0),in_port(0),eth(dst=ff:ff:ff:ff:ff:ff),eth_type(0/0)",
                "eth(),eth_type(0/0xffff)",
                "eth(),eth_type(0x0806),arp(op=1/0xff)",
                "skb_mark(0/0),eth_type(0/0xffff)",
                "packet_type(ns=0,id=0/0),eth(),eth_type(0x0800),ipv4(proto=6,frag=no/0x1)",
                "eth(),packet_type(ns=1,id=0x800),eth_type(0x0800)",
                "in_port(1),eth(),eth_type(0x894f),nsh(np=1,spi=0x10,si=255)",
                "eth(),eth_type(0x894f),nsh(mdtype=1,c1=0x1)",
            ],
        )
    ]
)

ACTIONS = ["", "1", "2,3", "push_vlan(vid=1,pcp=0),7", "clone(1),0", "2,drop", "drop(42)", "action99(07)"]


@st.composite
def keys_and_masks(draw: st.DrawFn) -> tuple[FlowKey, FlowKey]:
    """A key of one of the shapes with any values in it, and a mask: its own, another's, a full one, an empty one."""
    key, mask = draw(KEYS)
    kept = dict(key.kept())
    for number, value in kept.items():
        type_ = key.type_of(number)
        if not isinstance(type_, Nested) and draw(st.booleans()):
            size = len(type_.encode(value))
            kept[number] = type_.decode(draw(st.binary(min_size=size, max_size=size)))
    any_key = FlowKey.of_kept(kept)
    other, _ = draw(KEYS)
    masks = [mask, any_key.full_mask(), any_key.zero_mask(), other.full_mask(), FlowKey()]
    return any_key, draw(st.sampled_from(masks))


@st.composite
def records(draw: st.DrawFn) -> FlowRecord:
    """A flow as a dump tells it."""
    key, mask = draw(keys_and_masks())
    counters = st.integers(0, 2**64 - 1)
    return FlowRecord(
        command=1,
        dp_ifindex=5,
        key=key.to_bytes(),
        mask=mask.to_bytes(),
        actions=draw(st.sampled_from(ACTIONS).map(_encode)),
        stats=draw(st.none() | st.builds(FlowCounters, counters, counters)),
        used=draw(st.none() | st.integers(0, 2 * NOW)),
        tcp_flags=draw(st.none() | st.integers(0, 255)),
        ufid=draw(st.none() | st.binary(min_size=1, max_size=16)),
    )


def _encode(text: str) -> bytes:
    return parse_actions(text).to_bytes()


def payloads_of(texts: list[str]) -> list[bytes]:
    """Messages of flows with these matches, and no actions."""
    return [
        FlowRecord(command=1, key=key.to_bytes(), mask=mask.to_bytes(), actions=b"").to_payload()
        for key, mask in map(parse_match, texts)
    ]


def slow_line(payload: bytes, *, verbose: bool = False, port_names: dict[int, str] | None = None) -> str:
    return format_flow_line(FlowRecord.from_reply(payload), NOW, verbose=verbose, port_names=port_names)


@given(st.lists(records(), min_size=1, max_size=12), st.booleans(), st.sampled_from([None, NAMES]))
def test_both_ways_agree(flows: list[FlowRecord], verbose: bool, port_names: dict[int, str] | None) -> None:
    renderer = FlowLines(verbose=verbose, port_names=port_names, clock=lambda: NOW)
    payloads = [flow.to_payload() for flow in flows]
    slow = [slow_line(payload, verbose=verbose, port_names=port_names) for payload in payloads]
    for _ in range(3):  # what is new is learnt, templates are compiled, they make the lines
        assert renderer.lines(payloads) == slow


def other_values(random: Random, data: bytes) -> bytes:
    """Attributes with the same headers as these and other bytes in them, also within those that hold others."""
    try:
        found = [(start, raw_attribute(data, start, end)) for _, start, end in walk(data)]
    except DecodeError:
        found = []
    if not found or len(data) % 4:
        return bytes([byte if random.random() < 0.5 else random.choice((0, 1, 255, byte ^ 1)) for byte in data])
    return b"".join([attribute(raw.type, other_values(random, raw.payload)) for _, raw in found])


def changed(flow: FlowRecord, **changes: bytes) -> FlowRecord:
    return FlowRecord(**{**vars(flow), **changes})


@st.composite
def any_flow(draw: st.DrawFn) -> FlowRecord:
    """A flow of any attributes, masks and actions that there are."""
    key, mask = draw(matches())
    counters = st.integers(0, 2**64 - 1)
    return FlowRecord(
        command=1,
        dp_ifindex=5,
        key=key.to_bytes(),
        mask=draw(st.sampled_from([mask, key.full_mask(), key.zero_mask()])).to_bytes(),
        actions=draw(action_lists()).to_bytes(),
        stats=draw(st.none() | st.builds(FlowCounters, counters, counters)),
        used=draw(st.none() | st.integers(0, 2 * NOW)),
        tcp_flags=draw(st.none() | st.integers(0, 255)),
        ufid=draw(st.none() | st.binary(min_size=16, max_size=16)),
    )


def as_listed(flow: FlowRecord) -> bytes:
    """The message of a flow in the kernel's order."""
    payload = flow.to_payload()
    names = ("UFID", "KEY", "MASK", "USED", "STATS", "TCP_FLAGS", "ACTIONS")
    order = [FlowAttr[name] for name in names]
    attributes = {number: attribute(number, payload[start:end]) for number, start, end in walk(payload, OVS_HDRLEN)}
    return payload[:OVS_HDRLEN] + b"".join([attributes[number] for number in order if number in attributes])


def line_or_error(line: Callable[[bytes], str], payload: bytes) -> str:
    try:
        return line(payload)
    except DecodeError as error:
        return f"{type(error).__name__}: {error}"


STYLES = st.fixed_dictionaries({"verbose": st.booleans(), "port_names": st.sampled_from([None, NAMES])})


@given(any_flow(), st.randoms(use_true_random=False), STYLES)
def test_all_ways_agree_on_any_flow(flow: FlowRecord, random: Random, style: dict[str, Any]) -> None:
    """Flows alike but for their values, in the key alone, in the actions alone, in the mask too."""
    key, mask, actions = flow.key or b"", flow.mask or b"", flow.actions or b""
    flows = [flow]
    for _ in range(4):
        flows += [
            changed(flow, key=other_values(random, key)),
            changed(flow, actions=other_values(random, actions)),
            changed(flow, key=other_values(random, key), mask=other_values(random, mask)),
        ]
    renderer = FlowLines(clock=lambda: NOW, **style)
    for record in flows * 2:
        payload = as_listed(record)
        fast = line_or_error(lambda one: "".join(renderer.lines([one])), payload)
        assert fast == line_or_error(lambda one: slow_line(one, **style), payload)


@given(any_flow(), st.randoms(use_true_random=False), STYLES)
def test_all_ways_agree_on_damaged_flows(flow: FlowRecord, random: Random, style: dict[str, Any]) -> None:
    payload = as_listed(flow)
    renderer = FlowLines(clock=lambda: NOW, **style)
    renderer.lines([payload] * 3)
    for _ in range(8):
        damaged = bytearray(payload)
        for _ in range(random.choice((1, 1, 2, 8))):
            damaged[random.randrange(8, len(damaged))] = random.choice((0, 1, 4, 8, random.randrange(256)))
        cut = bytes(damaged[: random.choice((len(damaged), len(damaged), random.randrange(8, len(damaged))))])
        fast = line_or_error(lambda one: "".join(renderer.lines([one])), cut)
        assert fast == line_or_error(lambda one: slow_line(one, **style), cut)


ONE_SHAPE = (
    "recirc_id(#),dp_hash(#),in_port(#),ct_mark(#),ct_tuple4(src=10.#.0.#,dst=10.0.0.1,proto=6,tp_src=#,tp_dst=5),"
    "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:0#),eth_type(0x0800),"
    "ipv4(src=10.0.#.#,dst=10.#.0.0,proto=6,tos=#,ttl=#,frag=no),tcp(src=#,dst=#)"
)


@st.composite
def flows_of_one_shape(draw: st.DrawFn) -> list[FlowRecord]:
    """Flows that differ in values, none of which says what follows; most are alike."""
    numbers = st.sampled_from([0, 0, 0, 0, 0, 1, 2, 9])
    keys = [
        parse_key(re.sub("#", lambda _: str(draw(numbers)), ONE_SHAPE))
        for _ in range(draw(st.integers(1, 4 * MAX_COMPILED)))
    ]
    _, partly = parse_match("in_port(1),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,frag=no),tcp(src=1)")
    mask = draw(st.sampled_from([partly, keys[0].full_mask(), keys[0].zero_mask()]))
    return [
        FlowRecord(
            command=1,
            key=key.to_bytes(),
            mask=mask.to_bytes(),
            actions=_encode(str(draw(numbers))),
            stats=FlowCounters(draw(numbers), draw(numbers)),
            ufid=draw(st.binary(min_size=16, max_size=16)),
        )
        for key in keys
    ]


def one_after_the_other() -> list[FlowRecord]:
    """Flows of one shape, of which each is the first in which another value changes."""
    mask = parse_key(ONE_SHAPE.replace("#", "1")).full_mask()
    texts = [ONE_SHAPE.replace("#", "1")]
    while "#" in ONE_SHAPE.replace("#", "2", len(texts) - 1):
        texts.append(ONE_SHAPE.replace("#", "2", len(texts)).replace("#", "1"))
    return [
        FlowRecord(command=1, key=parse_key(text).to_bytes(), mask=mask.to_bytes(), actions=_encode("1"))
        for text in texts
    ]


@given(flows_of_one_shape(), st.booleans())
@example(one_after_the_other(), True)
def test_few_flows_of_a_shape_have_no_template(flows: list[FlowRecord], verbose: bool) -> None:
    """Whatever changes, and whenever it begins to."""
    renderer = FlowLines(verbose=verbose)
    payloads = [flow.to_payload() for flow in flows]
    with counting_written() as written:
        assert renderer.lines(payloads) == [slow_line(payload, verbose=verbose) for payload in payloads]
        assert written.call_count <= 1 + MAX_COMPILED
    with counting_written() as written:
        renderer.lines(payloads * 2)
        assert written.call_count <= (1 if len(flows) == 1 else 0)


def test_values_that_do_not_change_are_text_until_they_do() -> None:
    _, mask = parse_match("in_port(1),eth(),eth_type(0x0806),arp(op=1,sip=10.0.0.1)")
    renderer = FlowLines()
    taken = []
    for port, address in [
        (1, "10.0.0.1"),
        (2, "10.0.0.1"),
        (3, "10.0.0.1"),
        (4, "10.0.0.2"),
        (4, "10.9.0.3"),
        (5, "10.9.0.3"),
    ]:
        key = parse_key(f"in_port({port}),eth(),eth_type(0x0806),arp(op=1,sip={address})")
        record = FlowRecord(command=1, key=key.to_bytes(), mask=mask.to_bytes(), actions=b"")
        with counting_written() as written:
            (line,) = renderer.lines([record.to_payload()])
        assert line.startswith(f"in_port({port}),eth(),eth_type(0x0806),arp(sip={address},op=1), packets:0")
        taken.append(written.called)
    assert taken == [True, True, False, True, False, False]


@pytest.mark.parametrize(
    "headers",
    [
        ("eth_type(0x1234)", "eth_type(0x1235)"),
        ("eth_type(0x0800),ipv4(proto=6)", "eth_type(0x0800),ipv4(proto=17)"),
        ("eth_type(0x0800),ipv4(frag=no)", "eth_type(0x0800),ipv4(frag=later)"),
    ],
)
def test_what_says_what_follows_belongs_to_the_shape(headers: tuple[str, str]) -> None:
    """A template has it as text: flows that differ in nothing else have templates of their own."""
    texts = [f"in_port(1),eth(),{header}" for header in headers]
    payloads = payloads_of(texts)
    renderer = FlowLines()
    for _ in range(3):
        assert [line.partition(", packets")[0] for line in renderer.lines(payloads)] == texts


def test_other_attributes_under_the_same_mask_are_another_shape() -> None:
    """Whatever a datapath answers, where the lengths agree too: before the headers of the packet, and among them."""
    mask = parse_match("skb_priority(0x1),in_port(1),eth(),eth_type(0x0800),ipv4(),udp(src=1)")[1].to_bytes()
    texts = [
        f"{metadata}(0x7),in_port(1),eth(),eth_type(0x0800),ipv4(proto=17),{header}(src=5,dst=6)"
        for metadata in ("skb_priority", "skb_mark", "recirc_id")
        for header in ("udp", "sctp", "tcp")
    ]
    payloads = [
        FlowRecord(command=1, key=parse_key(text).to_bytes(), mask=mask, actions=b"").to_payload() for text in texts
    ]
    assert len({len(payload) for payload in payloads}) == 1
    slow = [slow_line(payload, verbose=True) for payload in payloads]
    assert len(set(slow)) == len(texts)
    renderer = FlowLines(verbose=True)
    for _ in range(3):
        assert renderer.lines(payloads) == slow


def test_the_length_of_an_option_without_data_that_is_not_matched_is_not_told() -> None:
    options = attribute(TunnelKeyAttr.GENEVE_OPTS, bytes(4))
    key = attribute(KeyAttr.TUNNEL, options)
    payloads = [
        as_listed(FlowRecord(command=1, key=key + port, mask=key + port, actions=b""))
        for port in [attribute(KeyAttr.IN_PORT, struct.pack("=I", number)) for number in (1, 2, 3)]
    ]
    slow = [slow_line(payload) for payload in payloads]
    assert slow[0].startswith("tunnel(geneve({}))")
    renderer = FlowLines()
    for _ in range(2):
        assert renderer.lines(payloads) == slow


def test_flows_of_one_shape_have_any_actions() -> None:
    """They have one template, and each kind of list one of its own, whatever the flows are that have it."""
    key, mask = parse_match("in_port(1),eth(),eth_type(0x1234)")
    lists = [
        "ct(commit,zone=#,mark=#/0xff,label=0x#,nat(src=10.0.0.#:#)),recirc(#)",
        "set(tunnel(tun_id=#,dst=10.0.0.#,ttl=64,geneve({class=0x102,type=0x80,len=4,0x#}),flags(key))),#",
        "set(eth(src=00:00:00:00:00:0#/ff:ff:ff:ff:ff:ff)),push_vlan(vid=#,pcp=0),#",
        "sample(sample=50%,actions(#,userspace(pid=#))),check_pkt_len(size=#,gt(#),le(drop))",
    ]
    payloads = [
        as_listed(FlowRecord(command=1, key=key.to_bytes(), mask=mask.to_bytes(), actions=_encode(text)))
        for number in range(1, 9)
        for text in [actions.replace("#", str(number)) for actions in lists]
    ]
    slow = [slow_line(payload) for payload in payloads]
    renderer = FlowLines()
    with counting_written() as written:
        assert renderer.lines(payloads) == slow
        assert written.call_count <= 1 + len(lists)
    with mock.patch.object(ActionWriter, "write", autospec=True, side_effect=ActionWriter.write) as written:
        assert FlowLines().lines(payloads) == slow
        assert written.call_count <= 4 * len(lists)


def test_of_many_shapes_that_look_alike_some_have_no_template() -> None:
    texts = [f"in_port(1),eth(),eth_type(0x{number:04x})" for number in range(0x1000, 0x1000 + 2 * MAX_ALIKE)]
    payloads = payloads_of(texts)
    renderer = FlowLines()
    for count in (2 * MAX_ALIKE, MAX_ALIKE, MAX_ALIKE):
        with counting_written() as written:
            assert [line.partition(", packets")[0] for line in renderer.lines(payloads)] == texts
            assert written.call_count == count


def test_of_many_shapes_some_have_no_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frequent, "MAX_SHAPES", 2)
    texts = ["in_port(1),eth(),eth_type(0x1234)", "in_port(1),eth(),eth_type(0x0800),ipv4()", "in_port(1)"]
    payloads = payloads_of(texts)
    renderer = FlowLines()
    renderer.lines(payloads * 2)
    with counting_written() as written:
        assert len(renderer.lines(payloads)) == len(texts)
        assert written.call_count == 1


def test_what_is_rare_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what has a template, and not for good."""
    monkeypatch.setattr(learned, "MAX_KNOWN", 3)
    monkeypatch.setattr(learned, "FREQUENT", 3)
    rare = [f"in_port(1),eth(src=00:00:00:00:00:00/{number:02x}:00:00:00:00:00)" for number in range(1, 9)]
    renderer = FlowLines()
    renderer.lines(payloads_of(["in_port(1)"] * 3))
    renderer.lines(payloads_of(rare))
    with counting_written() as written:
        renderer.lines(payloads_of(["in_port(1)", *[rare[-1]] * 4]))
        assert written.call_count == 2


def test_few_flows_take_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FEW", 3)
    payloads = payloads_of(["in_port(1)"]) * 5
    slow: list[FlowRecord] = []

    def note(record: FlowRecord) -> FlowRecord:
        slow.append(record)
        return record

    renderer = FlowLines(complete=note)
    assert renderer.lines(payloads) == [slow_line(payload) for payload in payloads]
    assert len(slow) == 3


@pytest.mark.parametrize("padded", [(), ("key",), ("mask",), ("key", "mask", "actions", "flow")])
@pytest.mark.parametrize("verbose", [False, True])
def test_pads_send_nothing_the_slow_way(padded: tuple[str, ...], verbose: bool) -> None:
    """Where unaligned reads are slow, numbers of 64 bits have pads before them: in a key and not in its mask, too."""
    given = "tunnel(tun_id=0x7,src=10.0.0.#,dst=10.0.0.2,flags(-df+key)),in_port(#),eth(),eth_type(0x1234)"
    slow: list[FlowRecord] = []
    renderer = FlowLines(complete=lambda record: slow.append(record) or record, clock=lambda: NOW, verbose=verbose)
    for last in range(1, 5):
        key, mask = (part.to_bytes() for part in parse_match(given.replace("#", str(last))))
        actions = _encode(f"set(tunnel(tun_id=0x{last},dst=10.0.0.9,ttl=64,flags(key))),{last}")
        whole = b"".join(
            [
                attribute(FlowAttr.KEY, with_pads(key) if "key" in padded else key),
                attribute(FlowAttr.MASK, with_pads(mask) if "mask" in padded else mask),
                attribute(FlowAttr.PAD, b"") if "flow" in padded else b"",
                attribute(FlowAttr.STATS, struct.pack("=QQ", last, 64)),
                attribute(FlowAttr.PAD, b"") if "flow" in padded else b"",
                attribute(FlowAttr.USED, struct.pack("=Q", NOW - last)),
                attribute(FlowAttr.ACTIONS, actions_with_pads(actions) if "actions" in padded else actions),
            ]
        )
        payload = FlowRecord(command=1, dp_ifindex=5).to_payload() + whole
        assert renderer.lines([payload]) == [slow_line(payload, verbose=verbose)]
    assert slow == []


def with_pads(data: bytes) -> bytes:
    """Return the attributes of a key with a pad before the id of a tunnel."""
    return b"".join(
        [
            attribute(
                number, (attribute(TunnelKeyAttr.PAD, b"") if number == KeyAttr.TUNNEL else b"") + data[start:end]
            )
            for number, start, end in walk(data)
        ]
    )


def actions_with_pads(data: bytes) -> bytes:
    """Return actions with pads in what they set."""
    return b"".join(
        [
            attribute(number, with_pads(data[start:end]) if number == ActionAttr.SET else data[start:end])
            for number, start, end in walk(data)
        ]
    )


def test_a_flow_that_is_gone_has_no_line() -> None:
    payload = FlowRecord(command=1, key=parse_match("in_port(1)")[0].to_bytes()).to_payload()
    assert FlowLines(complete=lambda record: None).lines([payload]) == []


def test_the_clock_is_asked_once_for_flows_that_came_together_and_only_when_one_was_used() -> None:
    key, mask = parse_match("in_port(1),eth(),eth_type(0x0806),arp(op=1)")
    unused, used = (
        FlowRecord(command=1, key=key.to_bytes(), mask=mask.to_bytes(), actions=b"", used=when).to_payload()
        for when in (None, NOW - 500)
    )
    times = iter([0, 0, NOW, NOW + 1000])
    renderer = FlowLines(clock=lambda: next(times))
    for _ in range(2):
        renderer.lines([unused, used])  # the slow way, to which the time is told in any case
    renderer.lines([unused, unused])
    assert [line.partition(", used:")[2] for line in renderer.lines([used, used])] == ["0.500s, actions:drop"] * 2
    assert [line.partition(", used:")[2] for line in renderer.lines([used, used])] == ["1.500s, actions:drop"] * 2
