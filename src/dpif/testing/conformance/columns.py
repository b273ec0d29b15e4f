"""A dump as columns says what a dump of typed flows says; needs PyArrow."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from dpif._typing import Any
from dpif.client import Datapath
from dpif.errors import NetlinkError
from dpif.packet import build
from dpif.testing.columns import plain_columns
from dpif.testing.conformance.harness import Harness, two_ports
from dpif.testing.rule_cases import CASES

UDP = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()"
FRAME = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x"))


def as_columns(dp: Datapath) -> list[dict[str, Any]]:
    """Return the rows of the table, without nulls and what each dump tells anew, sorted by UFID."""
    pytest.importorskip("pyarrow")
    rows = dp.flows.to_arrow(dotted=True).drop_columns(["datapath", "time", "last_used"]).to_pylist()
    return sorted(
        ({name: value for name, value in row.items() if value is not None} for row in rows),
        key=lambda row: row.get("ufid", b""),
    )


def as_typed(dp: Datapath) -> list[dict[str, Any]]:
    """Return the same the plain way."""
    return sorted((plain_columns(flow) for flow in dp.flows), key=lambda row: row.get("ufid", b""))


class FlowColumns:
    """``dp.flows.to_arrow()``."""

    def test_flows_of_every_kind(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for number, case in enumerate(case for case in CASES if not case.rule):
            own = {"skb_mark": number}  # else many would cover the same packets
            mask = None if case.mask is None else case.mask.replace(skb_mark=0xFFFFFFFF)
            with suppress(NetlinkError):  # what this datapath has not
                dp.flows.put(case.key.replace(**own), case.actions, mask, ufid=number.to_bytes(16, "big"))
        rows = as_columns(dp)
        assert len(rows) > 20
        assert rows == as_typed(dp)

    def test_counters(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP, "2")
        first.send(FRAME)
        assert second.recv() == FRAME
        (row,) = as_columns(dp)
        assert (row["packets"], row["bytes"]) == (1, len(FRAME))
        (typed,) = as_typed(dp)
        assert row.pop("used") == pytest.approx(typed.pop("used"), abs=1)  # told anew each time, to the tick
        assert row == typed
        (when,) = dp.flows.to_arrow(["datapath", "time", "last_used"]).to_pylist()
        assert when["datapath"] == str(dp)
        assert timedelta(seconds=-1) < when["time"] - when["last_used"] < timedelta(minutes=10)

    def test_no_flows(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        assert as_columns(dp) == []
