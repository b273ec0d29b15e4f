"""Flows and their counters as lines of text, as ``ovs-dpctl`` prints them (format_dpif_flow in dpctl.c)."""

from __future__ import annotations

import time
from collections.abc import Mapping

from dpif._typing import Final
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.key import FlowKey, format_key
from dpif.odp.model.tcp_flags import format_tcp_flags

_OF_OVS: Final[Mapping[str, str]] = {"dp": "ovs"}
_LAST: Final = "dp-extra-info"
"""What stands behind the actions."""


def milliseconds() -> int:
    """Return the time by which datapaths of this machine say when a flow was used: its monotonic clock's."""
    return time.monotonic_ns() // 1_000_000


def format_counters(flow: FlowRecord, now: int) -> str:
    """Return packets, bytes, when last used, and TCP flags where there were any.

    `now` is the time in milliseconds on the datapath's monotonic clock.
    """
    packets, octets = flow.stats or (0, 0)
    used = f"{max(now - flow.used, 0) / 1000:.3f}s" if flow.used else "never"
    flags = f", flags:{format_tcp_flags(flow.tcp_flags)}" if flow.tcp_flags else ""
    return f"packets:{packets}, bytes:{octets}, used:{used}{flags}"


def format_flow_line(
    flow: FlowRecord,
    now: int,
    *,
    verbose: bool = False,
    port_names: Mapping[int, str] | None = None,
    told: Mapping[str, str] = _OF_OVS,
) -> str:
    """Return the line that lists a flow; `now` as for `format_counters`, the rest as for `format_key`.

    `told` is what a verbose line tells beside the counters, by name.
    """
    ufid = f"{flow.flow_ufid()}, " if verbose and flow.ufid else ""
    key = format_key(flow.flow_key() or FlowKey(), flow.flow_mask(), verbose=verbose, port_names=port_names)
    actions = flow.flow_actions()
    shown = "drop" if actions is None else actions.format(verbose=verbose, port_names=port_names)
    fields = [f", {name}:{text}" for name, text in told.items() if name != _LAST] if verbose else ()
    end = f", {_LAST}:{told[_LAST]}" if verbose and _LAST in told else ""
    return f"{ufid}{key}, {format_counters(flow, now)}{''.join(fields)}, actions:{shown}{end}"
