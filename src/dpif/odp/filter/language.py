"""One small language that picks flows: ``ipv4.dst in 10.0.0.0/8 and packets > 100``, ``actions has ct``.

::

    filter     = every ("or" every)*
    every      = one ("and" one)*
    one        = "not" one | "(" filter ")" | "actions has" WORD | FIELD [COMPARISON LITERAL]
    COMPARISON = "==" "!=" "<" "<=" ">" ">=" "in" "has"

A field by itself holds where the flow has it. A comparison with a field that the flow's key lacks or wildcards is
false. A field that is matched in part is compared by the bits that are; ``in`` a prefix (or ``value/mask``)
holds where all packets of the flow are in it. ``==`` with a mask, or with flags such as ``+new-est``, compares both
value and mask, as they are shown. ``has`` asks for flags that must be set: ``ct_state has new``; behind ``actions``
for an action, ``nat`` or a cookie such as ``slow_path``. ``FIELD.mask`` is the mask. Where there are several values
(labels, outputs) one that fits is enough. Names and literals are checked when the filter is parsed; `fields` has the
names.

What ``ovs-dpctl`` takes as a filter, such as ``tcp,tp_dst=80`` or ``arp``, means what it means there; that is in
`openflow`. No text is both: a list with commas or a single ``=`` is none of ours, and a word alone that names
a protocol is read as there.
"""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Mapping

from dpif._typing import Any
from dpif.odp.filter.action_words import scan_action
from dpif.odp.filter.fields import Asked, FlowLike, Subject, Test, scan_field
from dpif.odp.filter.openflow import is_openflow, scan_openflow
from dpif.odp.filter.values import SECONDS, number, scan_bits, scan_literal
from dpif.odp.model.kinds import Flags, Kind
from dpif.odp.model.nest import MAX_DEPTH
from dpif.odp.model.scanner import Scanner

_SPACE = re.compile(r"\s*+")
_KEYWORD = re.compile(r"(?:and|or|not)(?![A-Za-z0-9_.])")
_ACTIONS = re.compile(r"actions(?![A-Za-z0-9_.])")
_HAS = re.compile(r"has(?![A-Za-z0-9_.])")
_SIGN = re.compile(r"==|!=|<=|>=|<|>|(?:in|has)(?![A-Za-z0-9_.])")
_NEVER = re.compile(r"never(?![A-Za-z0-9_.])")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_HINT = "for example: ipv4.dst in 10.0.0.0/8 and tcp.dst == 80 and packets > 100"


class Filter:
    """A parsed filter; ``text`` is what it was parsed from."""

    __slots__ = ("_test", "text")

    def __init__(self, text: str, test: Test) -> None:
        self.text = text
        self._test = test

    def matches(self, flow: FlowLike, now: float | None = None) -> bool:
        """Tell whether it holds for `flow`, at the time `now` (seconds as `time.monotonic` counts)."""
        return self._test(Subject(flow, time.monotonic() if now is None else now))

    def __repr__(self) -> str:
        return f"<Filter {self.text}>"


def parse_filter(text: str, port_names: Mapping[str, int] | None = None) -> Filter:
    """Return the filter of a text; raise `ParseError`. `port_names` gives the numbers of ports named in it."""
    scanner = Scanner(text, port_names)
    if is_openflow(text):
        return Filter(text, scan_openflow(scanner))
    _skip(scanner)
    test = _scan_any(scanner)
    if not scanner.at_end:
        scanner.fail(f"expected a comparison, 'and' or 'or', found {scanner.found()}", _HINT)
    return Filter(text, test)


def _skip(scanner: Scanner) -> None:
    scanner.match(_SPACE)


def _take_keyword(scanner: Scanner, keyword: str) -> bool:
    """Take a keyword and the space behind it if it comes next."""
    start = scanner.position
    if scanner.match(_KEYWORD) == keyword:
        _skip(scanner)
        return True
    scanner.position = start
    return False


def _scan_any(scanner: Scanner) -> Test:
    tests = [_scan_every(scanner)]
    while _take_keyword(scanner, "or"):
        tests.append(_scan_every(scanner))
    return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)


def _scan_every(scanner: Scanner) -> Test:
    tests = [_scan_one(scanner)]
    while _take_keyword(scanner, "and"):
        tests.append(_scan_one(scanner))
    return tests[0] if len(tests) == 1 else lambda subject: all(test(subject) for test in tests)


def _scan_one(scanner: Scanner) -> Test:
    scanner.enter(MAX_DEPTH)
    if _take_keyword(scanner, "not"):
        inner = _scan_one(scanner)
        test: Test = lambda subject: not inner(subject)  # noqa: E731
    elif scanner.take("("):
        _skip(scanner)
        test = _scan_any(scanner)
        scanner.expect(")")
    elif scanner.match(_ACTIONS):
        test = _scan_has(scanner)
    else:
        test = _scan_comparison(scanner)
    scanner.leave()
    _skip(scanner)
    return test


def _scan_has(scanner: Scanner) -> Test:
    """Take ``has WORD``."""
    _skip(scanner)
    scanner.require(_HAS, "'has' and an action, such as 'actions has ct',")
    _skip(scanner)
    return scan_action(scanner)


def _scan_comparison(scanner: Scanner) -> Test:
    """Take a field and, where there is one, what it is compared with."""
    asked = scan_field(scanner)
    _skip(scanner)
    start = scanner.position
    sign = scanner.match(_SIGN)
    if sign is None:
        if scanner.looking_at("="):
            scanner.fail("found '='", "'==' compares")
        return asked.is_there
    if asked.kind is None:
        scanner.fail("this has no value to compare", "stand-alone it asks whether it is there", start)
    _skip(scanner)
    if sign == "has":
        return _scan_flags(scanner, asked, asked.kind, start)
    if sign == "in":
        return _scan_range(scanner, asked, asked.kind, start)
    if asked.kind is SECONDS and scanner.match(_NEVER):
        return _never(scanner, asked, sign, start)
    return _scan_value(scanner, asked, asked.kind, sign, start)


def _scan_flags(scanner: Scanner, asked: Asked, kind: Kind[Any], start: int) -> Test:
    """Take flags that must be matched, and set."""
    if not isinstance(kind, Flags):
        scanner.fail("'has' asks for a flag, and this field has none", "compare with == or in", start)
    flags = int(scan_literal(scanner, kind))
    return lambda subject: any(mask & int(value) & flags == flags for value, mask in asked.read(subject))


def _never(scanner: Scanner, asked: Asked, sign: str, start: int) -> Test:
    if sign not in ("==", "!="):
        scanner.fail("'never' has no order", "compare with == or !=", start)
    return asked.is_there if sign == "!=" else lambda subject: not asked.is_there(subject)


def _scan_value(scanner: Scanner, asked: Asked, kind: Kind[Any], sign: str, start: int) -> Test:
    """Take a value; one with a mask, or flags such as ``+new-est``, are compared with value and mask of the flow."""
    compare = _COMPARE[sign]
    if isinstance(kind, Flags) and scanner.text[scanner.position : scanner.position + 1] in ("+", "-"):
        literal, bits = kind.scan_masked(scanner)
    else:
        literal = scan_literal(scanner, kind)
        if kind is SECONDS or not scanner.take("/"):
            return lambda subject: any(compare(value, literal) for value, _ in asked.read(subject))
        bits = scan_bits(scanner, kind)
    if sign not in ("==", "!="):
        scanner.fail("what has a mask has no order", "compare with ==, != or in", start)
    shown = int(literal) & bits, bits
    return lambda subject: any(compare((int(value) & mask, mask), shown) for value, mask in asked.read(subject))


def _scan_range(scanner: Scanner, asked: Asked, kind: Kind[Any], start: int) -> Test:
    """Take a prefix, ``value/mask`` or, of flags, ``+set-clear``."""
    if kind is SECONDS:
        scanner.fail("'in' does not apply to a time", "compare with < or >", start)
    if isinstance(kind, Flags):
        literal, bits = kind.scan_masked(scanner)
    else:
        literal = int(scan_literal(scanner, kind))
        bits = scan_bits(scanner, kind) if scanner.take("/") else int(number(kind, kind.full))
    wanted = literal & bits
    return lambda subject: any(
        mask & bits == bits and int(value) & bits == wanted for value, mask in asked.read(subject)
    )
