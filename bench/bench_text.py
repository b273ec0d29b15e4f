"""Texts of flows, read the plain way, and formatted; `kinds.py` has puts, and what they take by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from workloads import DATAPATH, flows

from dpif.odp.actions import parse_actions
from dpif.odp.model.key import format_key, parse_match

COUNT = 1000

Case = tuple[str, int, Callable[[], object]]


def bench_text() -> Iterator[Case]:
    found = flows("plain", COUNT)
    matches = [parse_match(flow.match) for flow in found]
    puts = [flow.put() for flow in found]
    yield "parse a match", COUNT, lambda: [parse_match(flow.match) for flow in found]
    yield "parse actions", COUNT, lambda: [parse_actions(flow.actions) for flow in found]
    yield "the request of a put", COUNT, lambda: [put.request(DATAPATH) for put in puts]
    yield "format a match", COUNT, lambda: [format_key(key, mask) for key, mask in matches]
