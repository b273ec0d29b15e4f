"""Lists of flows: what a dump costs beside the kernel's own part, from a recording; `kinds.py` has lines and more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from workloads import FAMILY, Replay, flows

from dpif.client.flows import Flow
from dpif.netlink.attributes import Buffer
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request, RequestKind
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.messages.flow_rows import FlowRows

COUNT = 5000

Case = tuple[str, int, Callable[[], object]]


def bench_dump() -> Iterator[Case]:
    replay = Replay([flow.message() for flow in flows("plain", COUNT)])

    def dump(decode: Callable[[Buffer], Any]) -> Iterator[Any]:
        return Connection(lambda: replay).dump(Request(RequestKind(FAMILY, decode), b""))

    def count(decode: Callable[[Buffer], object]) -> int:
        return sum(1 for _ in dump(decode))

    def touch() -> None:
        for record in dump(FlowRows()):
            flow = Flow(record)
            _ = flow.key, flow.mask, flow.actions, flow.packets, flow.bytes

    yield "rows alone", COUNT, lambda: count(len)
    yield "records, the slow way", COUNT, lambda: count(FlowRecord.from_reply)
    yield "records", COUNT, lambda: count(FlowRows())
    yield "key, mask, actions, stats", COUNT, touch
