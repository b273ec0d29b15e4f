"""Matches from text, as ``flush-conntrack`` takes them (``ofp_ct_match_parse``).

Words stand in a fixed order, each may be left out: ``zone=N``, ``mark=VALUE[/MASK]``, ``labels=VALUE[/MASK]``, the
original tuple, the reply tuple. A tuple is ``ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80`` and the like; an empty
one fits anything. Numbers are decimal, or hexadecimal with ``0x``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dpif._addresses import IPv4Address, IPv6Address
from dpif._typing import Any, Final, NamedTuple
from dpif.conntrack.match import Masked, Match, TuplePattern
from dpif.conntrack.tuples import IPPROTO_ICMP, IPPROTO_ICMPV6, Tuple
from dpif.errors import ParseError

_SEPARATOR: Final = re.compile(r"[,\s]++")
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]++|0|[1-9][0-9]*+", re.ASCII)
_ICMP: Final = (IPPROTO_ICMP, IPPROTO_ICMPV6)


class _Field(NamedTuple):
    """One field of a tuple: its name in `TuplePattern`, its version of IP or how many bits it has."""

    name: str
    version: int = 0
    bits: int = 0


_FIELDS: Final = {
    "ct_nw_src": _Field("src", version=4),
    "ct_nw_dst": _Field("dst", version=4),
    "ct_ipv6_src": _Field("src", version=6),
    "ct_ipv6_dst": _Field("dst", version=6),
    "ct_nw_proto": _Field("protocol", bits=8),
    "ct_tp_src": _Field("src_port", bits=16),
    "ct_tp_dst": _Field("dst_port", bits=16),
    "icmp_id": _Field("icmp_id", bits=16),
    "icmp_type": _Field("icmp_type", bits=8),
    "icmp_code": _Field("icmp_code", bits=8),
}


def parse_match(words: Sequence[str]) -> tuple[Match, int | None]:
    """Return the match that `words` say, and the zone if they name one; raise `ParseError`."""
    rest = list(words)
    zone = _take(rest, "zone=")
    mark = _take(rest, "mark=")
    labels = _take(rest, "labels=")
    if len(rest) > 2:
        raise ParseError("invalid arguments")
    parser = _Tuples()
    orig, reply = (parser.parse(text) for text in [*rest, "", ""][:2])
    return (
        Match(
            parser.protocol,
            orig,
            reply,
            None if mark is None else _masked("mark", mark, 32),
            None if labels is None else _masked("labels", labels, 128),
        ),
        None if zone is None else parse_zone(zone),
    )


def format_match(orig: Tuple, zone: int) -> str:
    """Return the words that mean a connection: `parse_match` reads them, and ``flush-conntrack`` takes them."""
    fields = [
        f"{key}={getattr(orig, field.name)}"
        for key, field in _FIELDS.items()
        if field.version in (0, orig.src.version) and getattr(orig, field.name) is not None
    ]
    return f"zone={zone} {','.join(fields)}"


def parse_zone(text: str) -> int:
    """Return the number of a zone; raise `ParseError`."""
    try:
        return parse_number(text, 16)
    except ValueError:
        raise ParseError("failed to parse zone", hint="expected a number up to 65535") from None


class _Tuples:
    """The fields of both tuples, which share the protocol and the version of IP."""

    def __init__(self) -> None:
        self.protocol: int | None = None
        self._version = 0

    def parse(self, text: str) -> TuplePattern:
        """Return the pattern that `text` says."""
        found: dict[str, Any] = {}
        for part in filter(None, _SEPARATOR.split(text)):
            key, _, value = part.partition("=")
            if not value:
                raise ParseError(f"field {key} missing value")
            field = _FIELDS.get(key)
            if field is None:
                raise ParseError(f"invalid conntrack tuple field: {key}", hint=f"there are {', '.join(_FIELDS)}")
            if field.name in found or (field.name == "protocol" and self.protocol is not None):
                raise ParseError(f"{key} is set multiple times")
            self._check(field, value)
            found[field.name] = _field_value(key, field, value)
            self.protocol = found.pop("protocol", self.protocol)
        self._check_ports(found)
        return TuplePattern(**found)

    def _check(self, field: _Field, value: str) -> None:
        """Raise unless the field may stand beside those before it."""
        if field.version:
            if self._version not in (0, field.version):
                raise ParseError(f"the L3 protocol does not match {value}")
            self._version = field.version
        if field.name.startswith("icmp") and self.protocol not in _ICMP:
            raise ParseError("invalid L4 fields")

    def _check_ports(self, found: dict[str, Any]) -> None:
        if "src_port" in found or "dst_port" in found:
            if self.protocol is None:
                raise ParseError("port is set without protocol")
            if self.protocol in _ICMP:
                raise ParseError("invalid L4 fields")


def _field_value(key: str, field: _Field, text: str) -> Any:
    try:
        if field.version:
            return IPv4Address(text) if field.version == 4 else IPv6Address(text)
        return parse_number(text, field.bits)
    except ValueError:
        raise ParseError(f"failed to parse field {key}") from None


def _take(words: list[str], prefix: str) -> str | None:
    """Take the first word away if it starts with `prefix`; return what is behind that."""
    return words.pop(0).removeprefix(prefix) if words and words[0].startswith(prefix) else None


def _masked(name: str, text: str, bits: int) -> Masked:
    value, slash, mask = text.partition("/")
    try:
        return Masked(parse_number(value, bits), parse_number(mask, bits) if slash else (1 << bits) - 1)
    except ValueError:
        raise ParseError(f"failed to parse {name}") from None


def parse_number(text: str, bits: int) -> int:
    """Return a number of at most `bits` bits, decimal or with ``0x``; raise `ValueError`."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    number = int(text, 0)
    if number >> bits:
        raise ValueError(text)
    return number
