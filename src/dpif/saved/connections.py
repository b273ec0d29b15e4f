"""Connections as ``dump-conntrack`` prints them, with ``-m`` and ``-s`` or without, back to entries."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from dpif._addresses import IPv4Address, IPv6Address
from dpif._lazy import pattern
from dpif._typing import Final
from dpif.conntrack.constants import SctpState, Status, TcpFlag, TcpState
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.text import PROTOCOL_NAMES, tcp_state
from dpif.conntrack.tuples import IPPROTO_SCTP, Tuple
from dpif.errors import ParseError
from dpif.saved.faults import Fault, Faults
from dpif.saved.sources import Line

__all__ = ["parse_entry", "read_entries"]

_NUMBERS: Final = {name: number for number, name in PROTOCOL_NAMES.items()}
_STATES: Final = {tcp_state(state): state for state in reversed(TcpState)}
_LINE = pattern(r"\s*+(\w++),orig=\(")
_PART = pattern(r"(\w++)=(?:\(([^()]*+)\)|([^,()]*+))(?:,|$)")
_TIME = pattern(r"(\d++-\d++-\d++T\d++:\d++:\d++)\.(\d{3})")
_PORTS: Final = {
    "sport": "src_port",
    "dport": "dst_port",
    "id": "icmp_id",
    "type": "icmp_type",
    "code": "icmp_code",
    "zone": "zone",
}


def read_entries(lines: Iterable[Line], faults: Faults) -> Iterator[Entry]:
    """Yield the connections of the lines that have one, as they come."""
    for file, number, text in lines:
        if "orig=(" in text and _LINE.match(text):
            try:
                yield parse_entry(text)
            except ParseError as error:
                faults.add(Fault(file, number, str(error)))


def parse_entry(line: str) -> Entry:
    """Return the connection of a line of ``dump-conntrack``; raise `ParseError`."""
    line = line.strip()
    protocol, _, rest = line.partition(",")
    parts = _parts(rest, line, len(protocol) + 1)
    if not {"orig", "reply"} <= parts.keys():
        raise ParseError("a connection has orig=(…) and reply=(…)", line, len(protocol) + 1)
    try:
        return _entry(_protocol(protocol), parts)
    except (ValueError, KeyError) as error:
        raise ParseError(f"this is no connection: {error}", line) from None


def _parts(text: str, line: str, offset: int) -> dict[str, str]:
    """Return what stands by its name, without its parentheses."""
    parts: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise ParseError("expected name=value", line, offset + at)
        parts[found[1]] = found[3] if found[2] is None else found[2]
        at = found.end()
    return parts


def _entry(protocol: int, parts: dict[str, str]) -> Entry:
    orig, reply = _parts(parts["orig"], parts["orig"], 0), _parts(parts["reply"], parts["reply"], 0)
    parent = parts.get("parent")
    return Entry(
        orig=_tuple(protocol, orig),
        reply=_tuple(protocol, reply),
        id=int(parts.get("id", "0")),
        zone=int(parts.get("zone", "0")),
        status=_status(parts.get("status", "0")),
        timeout=int(parts.get("timeout", "0")),
        mark=int(parts.get("mark", "0"), 0),
        labels=int(parts.get("labels", "0"), 0),
        counters_orig=_counters(orig),
        counters_reply=_counters(reply),
        start=_nanoseconds(parts.get("start")),
        stop=_nanoseconds(parts.get("stop")),
        protoinfo=_protoinfo(protocol, parts.get("protoinfo")),
        helper=parts.get("helper", ""),
        parent=None if parent is None else _tuple(protocol, _parts(parent, parent, 0)),
    )


def _protocol(text: str) -> int:
    return _NUMBERS[text] if text in _NUMBERS else int(text)


def _tuple(protocol: int, parts: dict[str, str]) -> Tuple:
    numbers = {field: int(parts[name]) for name, field in _PORTS.items() if name in parts}
    return Tuple(_address(parts["src"]), _address(parts["dst"]), protocol, **numbers)


def _address(text: str) -> IPv4Address | IPv6Address:
    return IPv6Address(text) if ":" in text else IPv4Address(text)


def _counters(parts: dict[str, str]) -> Counters | None:
    if "packets" not in parts:
        return None
    return Counters(int(parts["packets"]), int(parts.get("bytes", "0")))


def _status(text: str) -> Status:
    if text == "0":
        return Status(0)
    status = Status(0)
    for name in text.split("|"):
        status |= Status[name]
    return status


def _nanoseconds(text: str | None) -> int | None:
    """Return a local time of the host that printed it, taken for one of this host."""
    if text is None:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text} is no time")
    seconds = int(time.mktime(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")))
    return seconds * 1_000_000_000 + int(found[2]) * 1_000_000


def _protoinfo(protocol: int, text: str | None) -> TcpInfo | SctpInfo | None:
    if text is None:
        return None
    parts = _parts(text, text, 0)
    if protocol == IPPROTO_SCTP:
        state = SctpState[parts["state"]]
        return SctpInfo(state, int(parts.get("vtag_orig", "0")), int(parts.get("vtag_reply", "0")))
    name = parts.get("state", parts.get("state_orig", ""))
    return TcpInfo(
        _STATES[name],
        _optional(parts.get("wscale_orig")),
        _optional(parts.get("wscale_reply")),
        _tcp_flags(parts.get("flags_orig")),
        _tcp_flags(parts.get("flags_reply")),
    )


def _optional(text: str | None) -> int | None:
    return None if text is None else int(text)


def _tcp_flags(text: str | None) -> TcpFlags | None:
    if text is None:
        return None
    flags = 0
    for name in text.split("|") if text != "0" else ():
        flags |= TcpFlag[name]
    return TcpFlags(flags)
