"""The order of connections."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from dpif.conntrack.entry import Counters, Entry, TcpInfo
from dpif.conntrack.order import FIELDS, parse_order
from dpif.conntrack.tuples import Tuple
from dpif.errors import ParseError


def entry(number: int, src: str, port: int | None, zone: int = 0, counted: int | None = None) -> Entry:
    protocol = 17 if port else 47
    orig = Tuple(ip_address(src), ip_address(src), protocol, port, port)
    counters = None if counted is None else Counters(counted, counted * 100)
    return Entry(orig, orig, id=number, zone=zone, counters_orig=counters, counters_reply=counters)


ENTRIES = [
    entry(0, "10.0.0.10", 9, zone=2, counted=5),
    entry(1, "10.0.0.9", 10, zone=1, counted=7),
    entry(2, "fe80::1", 1, zone=1),
    entry(3, "10.0.0.9", None, counted=0),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("src", [1, 3, 0, 2]),
        ("-src", [2, 0, 1, 3]),
        ("sport", [2, 0, 1, 3]),
        ("-sport", [1, 0, 2, 3]),
        ("packets", [3, 0, 1, 2]),
        ("bytes:desc", [1, 0, 3, 2]),
        ("zone,-src", [3, 2, 1, 0]),
        ("-zone:desc,id", None),
        ("zone:asc,sport", [3, 2, 1, 0]),
        ("state", [0, 1, 2, 3]),
        ("protocol", [3, 0, 1, 2]),
    ],
)
def test_orders(text: str, expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(ParseError, match="unknown field 'id'"):
            parse_order(text)
        return
    order = parse_order(text)
    assert [one.id for one in order.sorted(ENTRIES)] == expected
    assert [one.id for one in order.sorted(iter(ENTRIES), 2)] == expected[:2]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_orders_all_connections(name: str) -> None:
    some = [*ENTRIES, ENTRIES[0]._replace(protoinfo=TcpInfo(3), start=5)]
    for text in (name, f"-{name}"):
        assert sorted(one.id for one in parse_order(text).sorted(some)) == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(("text", "position"), [("", 0), ("src,x", 4), ("src:up", 0), ("src,,dst", 4)])
def test_mistakes(text: str, position: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse_order(text)
    assert caught.value.position == position
    assert caught.value.hint
