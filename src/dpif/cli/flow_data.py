"""A flow as the data that JSON tells: beside its text, the counters as numbers."""

from __future__ import annotations

from collections.abc import Mapping

from dpif.odp.key import FlowKey, format_key
from dpif.odp.messages.flow import FlowRecord


def flow_data(
    flow: FlowRecord, now: int, *, verbose: bool, port_names: Mapping[int, str] | None
) -> dict[str, object]:
    """Return what is told of a flow; the arguments are those of `format_flow_line`."""
    key, actions = flow.flow_key() or FlowKey(), flow.flow_actions()
    return {
        "ufid": None if flow.ufid is None else str(flow.flow_ufid()),
        "text": {
            "match": format_key(key, flow.flow_mask(), verbose=verbose, port_names=port_names),
            "actions": "drop" if actions is None else actions.format(verbose=verbose, port_names=port_names),
        },
        **counter_data(flow, now),
    }


def counter_data(flow: FlowRecord, now: int) -> dict[str, object]:
    """Return packets, bytes, and how many seconds ago the flow was used; `now` is as for `format_counters`."""
    packets, octets = flow.stats or (0, 0)
    return {
        "packets": packets,
        "bytes": octets,
        "used": max(now - flow.used, 0) / 1000 if flow.used else None,
    }
