"""Lists of flows: what a dump costs beside the kernel's own part, from a recording of 20,000 flows of ten kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import workload

from dpif.client.flows import Flow
from dpif.netlink.attributes import Buffer
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request, RequestKind
from dpif.odp.lines.compiled import FlowLines
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.messages.flow_rows import FlowRows

COUNT = 20_000

Case = tuple[str, int, Callable[[], object]]


def bench_dump() -> Iterator[Case]:
    replay = workload.Replay(workload.payloads(COUNT))

    def dump(decode: Callable[[Buffer], Any]) -> Iterator[Any]:
        return Connection(lambda: replay).dump(Request(RequestKind(workload.FAMILY, decode), b""))

    def count(decode: Callable[[Buffer], object]) -> int:
        return sum(1 for _ in dump(decode))

    def lines(renderer: FlowLines) -> int:
        request = Request(RequestKind(workload.FAMILY, bytes), b"")
        came: list[bytes] = []
        parts = Connection(lambda: replay).dump_datagrams(request, 1, came.append)
        return sum(len(renderer.lines(dump.payloads(came.pop()))) for dump in parts)

    def touch() -> None:
        for record in dump(FlowRows()):
            flow = Flow(record)
            _ = flow.key, flow.mask, flow.actions, flow.packets, flow.bytes

    yield "rows alone", COUNT, lambda: count(len)
    yield "lines", COUNT, lambda: lines(FlowLines())
    yield "lines -m", COUNT, lambda: lines(FlowLines(verbose=True))
    yield "records, the slow way", COUNT, lambda: count(FlowRecord.from_reply)
    yield "records", COUNT, lambda: count(FlowRows())
    yield "key, mask, actions, stats", COUNT, touch
