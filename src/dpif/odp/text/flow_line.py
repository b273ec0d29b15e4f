"""Lines of ``dump-flows`` back to flows (`parse_flow_line`): the inverse of `dpif.odp.lines.text.format_flow_line`.

Match and actions are read by those who read them elsewhere. What stands between them are the counters, each by its
name, and what ``ovs-vswitchd`` says of where a flow is (``dp:tc``, ``offloaded:yes``, ``dp-extra-info:…``).
`parse_flow_line` passes over that, `read_flow_line` gives it too. Whatever has a name may stand in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dpif._lazy import pattern
from dpif._typing import Final, NamedTuple, TypeAlias, TypeVar
from dpif.errors import EncodeError, ParseError
from dpif.odp.actions import parse_actions
from dpif.odp.constants.flow import FlowCmd
from dpif.odp.messages.flow import FlowCounters, FlowRecord
from dpif.odp.model.key import parse_match
from dpif.odp.model.tcp_flags import parse_tcp_flags
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.text.matches import encode_actions_text, encode_match_text

__all__ = ["ToldFlow", "parse_flow_line", "read_flow_line"]

T = TypeVar("T")
Names = Mapping[str, int] | None

_COUNTERS: Final = ("packets", "bytes", "used", "flags")
_PASSED_OVER: Final = ("offload_packets", "offload_bytes", "offloaded", "dp", "dp-extra-info")
_MOST: Final = 0xFFFFFFFFFFFFFFFF
_NUMBER = pattern(r"[0-9]{1,20}")
_SECONDS = pattern(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?s?")
_FIELD = pattern(r",[ \t]++(?:([a-z][a-z_-]*+):)?")
_EXPECTED: Final = "a line of dump-flows is MATCH, packets:N, bytes:N, used:SECONDS, actions:ACTIONS"

Fields: TypeAlias = dict[str, tuple[str, int]]
"""What stands by its name behind a match, with its place in the line."""


class ToldFlow(NamedTuple):
    """The flow of a line, and what else the line tells of it by name, in the line's order (``dp``: ``tc``)."""

    record: FlowRecord
    told: dict[str, str]


def parse_flow_line(line: str, now: int, port_names: Names = None) -> FlowRecord:
    """Return the flow of a line, with or without ``-m``; raise `ParseError`.

    `now` is when the line was made, in milliseconds on the datapath's monotonic clock; `port_names` gives the numbers
    of names that stand in it.
    """
    line = line.strip()
    match, fields = _split(line)
    if not any(name in fields for name in _COUNTERS):
        raise ParseError("there are no counters", line, len(line), _EXPECTED)
    for name, (text, place) in fields.items():
        if name not in (*_COUNTERS, *_PASSED_OVER, "actions"):
            raise ParseError(f"{name}:{text[:40]} is nothing that is told of a flow", line, place, _EXPECTED)
    return _read(line, match, fields, now, port_names).record


def read_flow_line(line: str, now: int, port_names: Names = None) -> ToldFlow:
    """Return the flow of a line as `parse_flow_line` does; counters may be missing, and names be any."""
    line = line.strip()
    return _read(line, *_split(line), now, port_names)


def _split(line: str) -> tuple[str, Fields]:
    """Return the match of a line, and what stands behind it."""
    found = [place for place in _FIELD.finditer(line) if place[1]]
    fields: Fields = {}
    ends = [*(place.start() for place in found), len(line)]
    for place, end in zip(found, ends[1:], strict=True):
        if place[1] in fields:
            raise ParseError(f"{place[1]} is given twice", line, place.start(1))
        fields[place[1]] = line[place.end() : end], place.end()
    return line[: ends[0]], fields


def _read(line: str, match: str, fields: Fields, now: int, port_names: Names) -> ToldFlow:
    if "actions" not in fields:
        raise ParseError("expected actions:", line, len(line), _EXPECTED)
    ufid, key, mask = _within(line, 0, lambda text: _match(text, port_names), match)
    text, start = fields.pop("actions")
    actions = _within(line, start, lambda text: _actions(text, port_names), text)
    record = FlowRecord(command=FlowCmd.NEW, key=key, mask=mask, actions=actions, ufid=ufid)
    return ToldFlow(record, _count(record, line, fields, now))


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


def _count(record: FlowRecord, line: str, fields: Fields, now: int) -> dict[str, str]:
    """Note the counters that a line tells; return what else it tells."""
    counts = {"packets": 0, "bytes": 0}
    told: dict[str, str] = {}
    for name, (text, place) in fields.items():
        if name not in _COUNTERS:
            told[name] = text
        elif name in counts and _NUMBER.fullmatch(text) and int(text) <= _MOST:
            counts[name] = int(text)
        elif name == "used" and text == "never":
            pass
        elif name == "used" and (seconds := _SECONDS.fullmatch(text)):
            record.used = now - _milliseconds(seconds[1], seconds[2] or "") or 1  # for 0 says never
        elif name == "flags" and (flags := parse_tcp_flags(text)) is not None:
            record.tcp_flags = flags
        else:
            raise ParseError(f"{name}:{text[:40]} is nothing that is told of a flow", line, place, _EXPECTED)
    if any(counts.values()):
        record.stats = FlowCounters(counts["packets"], counts["bytes"])
    return told


def _milliseconds(whole: str, part: str) -> int:
    return int(whole) * 1000 + int(f"{part:0<3}"[:3])
