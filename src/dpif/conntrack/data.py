"""Entries as plain data, for JSON: numbers, text, lists and dicts by name."""

from __future__ import annotations

from dpif.conntrack.constants import SctpState, TcpFlag
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.parse import format_match
from dpif.conntrack.text import SHOWN_STATUS, flag_names, format_address, protocol_name, tcp_state
from dpif.conntrack.tuples import Tuple

Data = dict[str, object]


def entry_data(entry: Entry) -> Data:
    """Return all of an entry; what the kernel left out is None.

    Times are in seconds: ``timeout`` from now, ``start`` and ``stop`` since 1970. ``match`` is what
    ``flush-conntrack`` takes to delete this one.
    """
    return {
        "match": format_match(entry.orig, entry.zone),
        "protocol": protocol_name(entry.orig.protocol),
        "orig": _tuple(entry.orig, entry.counters_orig),
        "reply": _tuple(entry.reply, entry.counters_reply),
        "id": entry.id,
        "zone": entry.zone,
        "status": flag_names(entry.status, SHOWN_STATUS),
        "timeout": entry.timeout,
        "start": _seconds(entry.start),
        "stop": _seconds(entry.stop),
        "mark": entry.mark,
        "labels": hex(entry.labels),
        "tcp": _tcp(entry.protoinfo) if isinstance(entry.protoinfo, TcpInfo) else None,
        "sctp": _sctp(entry.protoinfo) if isinstance(entry.protoinfo, SctpInfo) else None,
        "helper": entry.helper or None,
        "parent": None if entry.parent is None else _tuple(entry.parent, None),
    }


def _tuple(tuple_: Tuple, counters: Counters | None) -> Data:
    """Return what there is of one direction, and its counters where they are kept."""
    told: Data = {name: value for name, value in tuple_._asdict().items() if value is not None}
    told |= {"src": format_address(tuple_.src), "dst": format_address(tuple_.dst)}
    return told if counters is None else told | counters._asdict()


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / 1e9, 6)


def _tcp(info: TcpInfo) -> Data:
    return {
        "state": tcp_state(info.state),
        "wscale_orig": info.wscale_orig,
        "wscale_reply": info.wscale_reply,
        "flags_orig": flag_names((info.flags_orig or TcpFlags()).flags, TcpFlag),
        "flags_reply": flag_names((info.flags_reply or TcpFlags()).flags, TcpFlag),
    }


def _sctp(info: SctpInfo) -> Data:
    state = SctpState(info.state).name if info.state in set(SctpState) else info.state
    return info._asdict() | {"state": state}
