"""Lines of ``dump-flows`` back to flows (`parse_flow_line`): the inverse of `dpif.odp.lines.text.format_flow_line`.

Match and actions are read by those who read them elsewhere. What stands between them are the counters, each by its
name, and what ``ovs-vswitchd`` says of where a flow is (``dp:tc``, ``offloaded:yes``, ``dp-extra-info:…``), which is
passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dpif._lazy import pattern
from dpif._typing import Final, TypeVar
from dpif.errors import EncodeError, ParseError
from dpif.odp.actions import parse_actions
from dpif.odp.constants.flow import FlowCmd
from dpif.odp.messages.flow import FlowCounters, FlowRecord
from dpif.odp.model.key import parse_match
from dpif.odp.model.tcp_flags import parse_tcp_flags
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.text.matches import encode_actions_text, encode_match_text

__all__ = ["parse_flow_line"]

T = TypeVar("T")
Names = Mapping[str, int] | None

_COUNTERS: Final = ", packets:"
_ACTIONS: Final = "actions:"
_BEHIND_ACTIONS: Final = ", dp-extra-info:"
_PASSED_OVER: Final = ("dp", "offloaded", "dp-extra-info")
_MOST: Final = 0xFFFFFFFFFFFFFFFF
_NUMBER = pattern(r"[0-9]{1,20}")
_SECONDS = pattern(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?s?")
_EXPECTED: Final = "a line of dump-flows is MATCH, packets:N, bytes:N, used:SECONDS, actions:ACTIONS"


def parse_flow_line(line: str, now: int, port_names: Names = None) -> FlowRecord:
    """Return the flow of a line, with or without ``-m``; raise `ParseError`.

    `now` is when the line was made, in milliseconds on the datapath's monotonic clock; `port_names` gives the numbers
    of names that stand in it.
    """
    line = line.strip()
    middle = line.find(_COUNTERS)
    if middle < 0:
        raise ParseError("there are no counters", line, len(line), _EXPECTED)
    ufid, key, mask = _within(line, 0, lambda text: _match(text, port_names), line[:middle])
    fields, start = _fields(line, middle + 2)
    end = line.find(_BEHIND_ACTIONS, start)
    actions = _within(line, start, lambda text: _actions(text, port_names), line[start : end if end >= 0 else None])
    record = FlowRecord(command=FlowCmd.NEW, key=key, mask=mask, actions=actions, ufid=ufid)
    _count(record, line, fields, now)
    return record


def _within(line: str, start: int, read: Callable[[str], T], text: str) -> T:
    """Read a part of a line; what is wrong with it is said of the line."""
    try:
        return read(text)
    except ParseError as error:
        raise ParseError(error.reason, line, start + error.position, error.hint) from None
    except EncodeError as error:  # it is too long for a message
        raise ParseError(str(error), line, start) from None


def _match(text: str, port_names: Names) -> tuple[Ufid | None, bytes, bytes]:
    encoded = encode_match_text(text)
    if encoded is not None:
        return None, *encoded
    ufid, rest = split_ufid(text)
    encoded = None if ufid is None else encode_match_text(rest)
    if encoded is None:
        key, mask = _at(len(text) - len(rest), lambda: parse_match(rest, port_names))
        encoded = key.to_bytes(), mask.to_bytes()
    return ufid, *encoded


def _at(offset: int, read: Callable[[], T]) -> T:
    try:
        return read()
    except ParseError as error:
        raise ParseError(error.reason, error.text, offset + error.position, error.hint) from None


def _actions(text: str, port_names: Names) -> bytes:
    encoded = encode_actions_text(text)
    return parse_actions(text, port_names).to_bytes() if encoded is None else encoded


def _fields(line: str, start: int) -> tuple[dict[str, tuple[str, int]], int]:
    """Return what stands by its name between match and actions, with its place, and where the actions begin."""
    fields: dict[str, tuple[str, int]] = {}
    while not line.startswith(_ACTIONS, start):
        colon, comma = line.find(":", start), line.find(", ", start)
        if not start < colon < comma:
            raise ParseError("expected actions:", line, start, _EXPECTED)
        name = line[start:colon]
        if name in fields:
            raise ParseError(f"{name} is given twice", line, start)
        fields[name] = line[colon + 1 : comma], colon + 1
        start = comma + 2
    return fields, start + len(_ACTIONS)


def _count(record: FlowRecord, line: str, fields: Mapping[str, tuple[str, int]], now: int) -> None:
    """Note the counters that a line tells."""
    counts = {"packets": 0, "bytes": 0}
    for name, (text, place) in fields.items():
        if name in counts and _NUMBER.fullmatch(text) and int(text) <= _MOST:
            counts[name] = int(text)
        elif name == "used" and text == "never":
            pass
        elif name == "used" and (seconds := _SECONDS.fullmatch(text)):
            record.used = now - _milliseconds(seconds[1], seconds[2] or "") or 1  # for 0 says never
        elif name == "flags" and (flags := parse_tcp_flags(text)) is not None:
            record.tcp_flags = flags
        elif name not in _PASSED_OVER:
            raise ParseError(f"{name}:{text[:40]} is nothing that is told of a flow", line, place, _EXPECTED)
    if any(counts.values()):
        record.stats = FlowCounters(counts["packets"], counts["bytes"])


def _milliseconds(whole: str, part: str) -> int:
    return int(whole) * 1000 + int(f"{part:0<3}"[:3])
