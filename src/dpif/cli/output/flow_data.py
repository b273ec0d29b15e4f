"""Flows and actions as the data that JSON tells: their structure beside their text, counters as numbers."""

from __future__ import annotations

from collections.abc import Mapping

from dpif.odp.actions import Actions
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.key import FlowKey, FlowMask, format_key
from dpif.odp.model.kinds import TCP_FLAGS

Data = dict[str, object]
Names = Mapping[int, str] | None


def flow_data(flow: FlowRecord, now: int, *, verbose: bool, port_names: Names) -> Data:
    """Return what is told of a flow; the arguments are those of `format_flow_line`."""
    actions = flow.flow_actions()
    match = match_data(flow.flow_key(), flow.flow_mask(), verbose=verbose, port_names=port_names)
    told = actions_data(Actions() if actions is None else actions, verbose=verbose, port_names=port_names)
    ufid = None if flow.ufid is None else str(flow.flow_ufid())
    return {"ufid": ufid, "flow": _whole(flow, ufid), **match, **told, **counter_data(flow, now)}


def _whole(flow: FlowRecord, ufid: str | None) -> str:
    """Return the text by which commands know a flow again, or make it anew: nothing is left out, it is one word."""
    key = flow.flow_key()
    parts = [ufid, None if key is None else format_key(key, flow.flow_mask(), verbose=True)]
    return ",".join(part for part in parts if part).replace(" ", "")  # bytes are read with spaces or without


def match_data(key: FlowKey | None, mask: FlowMask | None, *, verbose: bool, port_names: Names = None) -> Data:
    """Return key and mask, and their text."""
    key = key or FlowKey()
    values, masks = key.plain_pair(mask, verbose)
    text = format_key(key, mask, verbose=verbose, port_names=port_names)
    return {"match": text, "key": values, "mask": masks}


def actions_data(actions: Actions, *, verbose: bool = False, port_names: Names = None) -> Data:
    """Return the text of actions, and each by itself."""
    text = actions.format(verbose=verbose, port_names=port_names)
    return {"actions": text, "action_list": actions.plain()}


def counter_data(flow: FlowRecord, now: int) -> Data:
    """Return packets, bytes, how many seconds ago a flow was used, and the TCP flags; `now` as for the text."""
    packets, octets = flow.stats or (0, 0)
    return {
        "packets": packets,
        "bytes": octets,
        "used": max(now - flow.used, 0) / 1000 if flow.used else None,
        "tcp_flags": TCP_FLAGS.plain(flow.tcp_flags or 0),
    }
