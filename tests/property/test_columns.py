"""Columns of a dump are what its flows, decoded one by one, have."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpif.client.flows import Flow
from dpif.errors import DecodeError
from dpif.netlink.constants import NLM_F_MULTI, NLMSG_DONE, NLMSG_NOOP
from dpif.netlink.exchange import Dump, Request, RequestKind
from dpif.netlink.message import pack_message
from dpif.odp.actions import parse_actions
from dpif.odp.columns import Options, to_arrays, to_table
from dpif.odp.columns.arrays import Values
from dpif.odp.columns.window import Window
from dpif.odp.constants import FlowAttr
from dpif.odp.messages import FlowCounters, FlowRecord
from dpif.odp.messages.base import pack_headers
from dpif.odp.model.key import FlowKey, parse_match
from dpif.testing.columns import plain_columns
from dpif.testing.strategies import matches

TYPE, SEQ, PORT = 31, 5, 77
ACTIONS = [
    parse_actions(text).to_bytes() for text in ("", "1", "2,3", "4,5", "push_vlan(vid=1,pcp=0),7", "clone(1),0")
]
FIRST_USE = 1_000
ALL = Options(dotted=True)


def random_key(key: FlowKey, source: random.Random) -> FlowKey:
    """Return a key of the same layout with other values."""
    kept = {}
    for number, value in key.kept():
        type_ = key.type_of(number)
        data = type_.encode(value)
        kept[number] = value if isinstance(value, FlowKey | bytes) else type_.decode(scramble(type_, data, source))
    return key.of_kept(kept)


def scramble(type_: Any, data: bytes, source: random.Random) -> bytes:
    """Return other bytes of a payload, unless it is a nest."""
    return data if hasattr(type_, "nest") else source.randbytes(len(data))


@st.composite
def flows(draw: st.DrawFn) -> list[bytes]:
    """Flows as a dump tells them, a few layouts mixed, each told by its number of packets."""
    shapes = draw(st.lists(matches(), min_size=1, max_size=4))
    source = random.Random(draw(st.integers(0, 999)))
    payloads = []
    for number in range(draw(st.integers(0, 30))):
        key, mask = source.choice(shapes)
        attributes = {
            FlowAttr.KEY: random_key(key, source).to_bytes(),
            FlowAttr.MASK: source.choice((mask, random_key(mask, source))).to_bytes(),
            FlowAttr.ACTIONS: source.choice(ACTIONS),
            FlowAttr.STATS: FlowCounters(number + 1, source.getrandbits(64)),
            FlowAttr.USED: source.choice((None, 0, FIRST_USE + number, (1 << 64) - 1)),
            FlowAttr.TCP_FLAGS: source.choice((None, source.randrange(256))),
            FlowAttr.UFID: source.choice((None, source.randbytes(16), source.randbytes(16), b"\x01\x02\x03")),
        }
        names = list(attributes)
        if draw(st.booleans()):
            source.shuffle(names)
        shuffled = {name: attributes[name] for name in names}
        payloads.append(pack_headers(1, 1, 5) + FlowRecord.ATTRIBUTES.encode(shuffled))
    return payloads


def dump(payloads: list[bytes], between: bytes = b"", size: int = 2000) -> Any:
    """Return what makes a dump in datagrams of about that many bytes, with `between` in each before the last row."""
    return functools.partial(hand_out, datagrams_of(payloads, between, size))


def hand_out(datagrams: list[bytes], take: Callable[[bytes], None]) -> Iterator[Dump[bytes]]:
    exchange = Dump(Request(RequestKind(TYPE, bytes), b""), TYPE, SEQ, PORT)
    rest = iter(datagrams)
    while not exchange.done:
        for datagram in itertools.islice(rest, 3):
            take(datagram)
        yield exchange


def datagrams_of(payloads: list[bytes], between: bytes, size: int) -> list[bytes]:
    datagrams, part = [], b""
    for payload in payloads:
        message = pack_message(TYPE, NLM_F_MULTI, SEQ, PORT, payload)
        if len(part) + len(message) > size:
            datagrams.append(part)
            part = between
        part += message
    return [*datagrams, part, pack_message(NLMSG_DONE, NLM_F_MULTI, SEQ, PORT, bytes(4))]


def by_packets(rows: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return rows by their numbers of packets; of times beyond 2 ** 53 the last digit is nobody's business."""
    return {
        row["packets"]: {name: float(f"{value:.12g}") if name == "used" else value for name, value in row.items()}
        for row in rows
    }


def plain(payloads: list[bytes]) -> dict[int, dict[str, Any]]:
    return by_packets(plain_columns(Flow(FlowRecord.from_reply(payload))) for payload in payloads)


def of_table(table: Any) -> dict[int, dict[str, Any]]:
    table.validate(full=True)
    return by_packets({name: value for name, value in row.items() if value is not None} for row in table.to_pylist())


def of_arrays(arrays: dict[str, Values]) -> dict[int, dict[str, Any]]:
    return by_packets(
        {
            name: column.values[index : index + 1].tolist()[0]
            for name, column in arrays.items()
            if column.present[index]
        }
        for index in range(len(arrays["packets"].values))
    )


@settings(max_examples=60)
@given(flows(), st.sampled_from([b"", pack_message(NLMSG_NOOP, 0, SEQ, PORT, b"")]))
def test_both_ways_agree(payloads: list[bytes], between: bytes) -> None:
    expected = plain(payloads)
    table = to_table(dump(payloads, between), ALL, lambda record: record)
    assert of_table(table) == expected
    assert of_arrays(to_arrays(dump(payloads, between), ALL, lambda record: record)) == expected
    assert table.num_rows == len(payloads)


@settings(max_examples=30)
@given(flows(), st.sets(st.sampled_from(["packets", "in_port", "ipv4.dst", "tcp.src.mask", "used", "tunnel.geneve"])))
def test_some_columns(payloads: list[bytes], names: set[str]) -> None:
    wanted = ["packets", *sorted(names - {"packets"})]
    rows = plain(payloads)
    expected = {number: {name: row[name] for name in wanted if name in row} for number, row in rows.items()}
    table = to_table(dump(payloads), Options(wanted, dotted=True), lambda record: record)
    assert table.column_names == wanted
    assert of_table(table) == expected


KEYS = [
    parse_match(text)
    for text in (
        "in_port(1),eth(),eth_type(0x0806),arp(op=1)",
        "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)),in_port(2),eth(),eth_type(0x1234)",
        "in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x0800),ipv4(proto=6))",
        "ct_state(+trk),ct_label(0x12),in_port(1),eth(),eth_type(0x8847),mpls(label=3,tc=0,ttl=1,bos=1),key99(00 01)",
    )
]


@st.composite
def good(draw: st.DrawFn) -> bytes:
    """A message of few layouts."""
    key, mask = draw(st.sampled_from(KEYS))
    record = FlowRecord(
        command=1,
        key=key.to_bytes(),
        mask=mask.to_bytes(),
        actions=draw(st.sampled_from(ACTIONS)),
        stats=FlowCounters(1, 2),
        used=draw(st.none() | st.just(FIRST_USE)),
        ufid=draw(st.none() | st.just(bytes(16))),
    )
    return record.to_payload()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A message with some bytes changed, or cut short."""
    payload = bytearray(draw(good()))
    for at in draw(st.lists(st.integers(0, len(payload) - 1), max_size=4)):
        payload[at] = draw(st.integers(0, 255))
    return bytes(
        payload[: draw(st.sampled_from([len(payload), len(payload), len(payload) - 1, len(payload) - 4, 6]))]
    )


def decode_plainly(payload: bytes) -> dict[int, dict[str, Any]]:
    record = FlowRecord.from_reply(payload)
    record.flow_actions()
    return plain([payload])


def outcome(decode: Any) -> Any:
    try:
        return decode()
    except DecodeError as error:
        return str(error)


@given(st.lists(good(), max_size=4), damaged())
def test_damaged_messages(payloads: list[bytes], bad: bytes) -> None:
    slow = outcome(lambda: decode_plainly(bad))
    assert outcome(lambda: of_table(to_table(dump([bad]), ALL, lambda record: record))) == slow
    if isinstance(slow, str):  # found out among good ones too
        assert outcome(lambda: to_table(dump([*payloads, bad]), ALL, lambda record: record)) == slow


def test_a_plain_window_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    (payload,) = [FlowRecord(command=1, key=KEYS[0][0].to_bytes()).to_payload()]
    datagrams = datagrams_of([payload] * 100, b"", 2000)
    looked_at = []
    plainly = Dump.payloads
    monkeypatch.setattr(Dump, "payloads", lambda *both: looked_at.append(both[1]) or plainly(*both))
    window = Window()
    found = [window.rows(exchange)[1:] for exchange in hand_out(datagrams, window.add)]
    assert sum(len(starts) for starts, _ in found) == 100
    assert {size for starts, ends in found for size in (ends - starts).tolist()} == {len(payload)}
    assert looked_at == datagrams[-1:]


@pytest.mark.parametrize("between", [b"", pack_message(NLMSG_NOOP, 0, SEQ, PORT, b"")])
def test_a_window_grows(between: bytes) -> None:
    key = KEYS[0][0].to_bytes()
    payloads = [FlowRecord(command=1, key=key, actions=bytes(4 * n)).to_payload() for n in range(100)]
    window = Window()
    for _ in range(2):
        for datagram in datagrams_of(payloads * 60, between, 30_000):
            window.add(datagram)
        exchange = Dump(Request(RequestKind(TYPE, bytes), b""), TYPE, SEQ, PORT)
        data, starts, ends = window.rows(exchange)
        found = [bytes(data[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        assert found == payloads * 60
        assert exchange.done
