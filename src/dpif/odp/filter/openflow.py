"""The filter of ``ovs-dpctl dump-flows``: ``tcp,tp_dst=80``, ``in_port=1,dl_vlan=5``, in the fields of OpenFlow.

A flow is picked when it agrees with the filter in all bits that both look at (dpctl_dump_flows, minimatch): what
the flow leaves open agrees with anything. Beyond what Open vSwitch takes, a value may have a mask or, if it is an
address, a prefix length, ``ct_state`` and ``tcp_flags`` can be given, ``tp_src`` and ``tp_dst`` go with all three
protocols, and the order does not matter. Fields and words are in `openflow_fields`.
"""

from __future__ import annotations

import re

from dpif._typing import NamedTuple, NoReturn
from dpif.odp.filter.fields import NAMES, Asked, Pair, Subject, Test, scan_field
from dpif.odp.filter.openflow_fields import FIELDS, PROTOCOLS, READERS, RESERVED_PORTS, TPID, OpenFlowField
from dpif.odp.filter.values import number, scan_bits, scan_literal
from dpif.odp.model.kinds import Flags, Port
from dpif.odp.model.scanner import Scanner

_VALUE = r"[=:](?:\([^()\s]*+\)(?![^\s,])|[^=\s,][^\s,]*+)|\([^()]*+\)"
_ITEM = rf"(?!(?:and|or|not|in|has)\b)[A-Za-z_][A-Za-z0-9_]*+(?:{_VALUE})?+"
_LIST = re.compile(rf"[\s,]*+{_ITEM}(?:[\s,]++{_ITEM})*+[\s,]*+")
_SIGN = re.compile(r"[=:(,]")
_OTHER = re.compile(r"==|!=|[<>]|\b(?:and|or|not|in|has)\b")
"""What only the other language has."""
_FIRST = re.compile(r"[\s,]*+(\w++)")
_PORT_WORD = re.compile(r"[A-Za-z_]++(?![^,) \t\r\n])")
_ELSEWHERE = re.compile(
    r"x{0,2}reg\d++|metadata|conj_id|actset_output|tun_(?:flags|metadata\d++|erspan_\w++|gtpu_\w++)|nd_(?:reserved|options_type)"
)
"""Fields of OpenFlow that no filter takes."""


class _Setting(NamedTuple):
    """A value that is asked for; ``position`` is where the text names its field."""

    field: OpenFlowField
    value: int
    mask: int
    position: int


def is_openflow(text: str) -> bool:
    """Tell whether a filter is of this form: a list of words and of ``field=value``, or one word of a protocol.

    So is a list with a mistake in it: one with commas, or with a word in front that only OpenFlow knows.
    """
    if text.strip() in PROTOCOLS or (_SIGN.search(text) and _LIST.fullmatch(text)):
        return True
    first = _FIRST.match(text)
    is_known = first is not None and first[1] in {*PROTOCOLS, *FIELDS} - {*NAMES}
    return not _OTHER.search(text) and (is_known or "," in text)


def scan_openflow(scanner: Scanner) -> Test:
    """Take a filter of this form; raise `ParseError`."""
    settings: dict[str, _Setting] = {}
    scanner.skip_separators()
    while not scanner.at_end:
        start = scanner.position
        name = scanner.word("a field such as tp_dst=80, or a protocol such as tcp")
        if name in PROTOCOLS:
            made = [setting for setting in _of_protocol(name, start) if setting.value]
        elif name in FIELDS:
            made = [_scan_setting(scanner, name, FIELDS[name], start)]
        else:
            _refuse(scanner, name, start)
        for setting in made:
            if settings.setdefault(setting.field.name, setting) is not setting:
                scanner.fail(f"{setting.field.name} is given twice", position=start)
        scanner.skip_separators()
    for setting in settings.values():
        _check_needed(scanner, setting, settings)
    tests = [_test(setting) for setting in settings.values()]
    return lambda subject: all(test(subject) for test in tests)


def _of_protocol(name: str, position: int) -> list[_Setting]:
    type_, protocol = PROTOCOLS[name]
    return [
        _Setting(FIELDS["dl_type"], type_, 0xFFFF, position),
        _Setting(FIELDS["nw_proto"], protocol, 0xFF, position),
    ]


def _refuse(scanner: Scanner, name: str, position: int) -> NoReturn:
    if name in NAMES:
        scanner.fail(f"{name} is no field of OpenFlow", f"write '{name} == VALUE', without commas", position)
    if _ELSEWHERE.fullmatch(name):
        scanner.fail(f"{name} cannot be asked for: this is no field of a datapath's flow", position=position)
    some = "fields are those of OpenFlow, such as in_port, dl_vlan, nw_dst, tp_dst"
    scanner.unknown(name, [*FIELDS, *PROTOCOLS], "field", position, some)


def _scan_setting(scanner: Scanner, name: str, field: OpenFlowField, position: int) -> _Setting:
    """Take the value behind a name, and its mask if it has one."""
    in_parentheses = scanner.take("(")
    if not in_parentheses and not scanner.take("=") and not scanner.take(":"):
        scanner.fail(f"expected {name}=VALUE, found {scanner.found()}")
    value, mask = _scan_value(scanner, field)
    if in_parentheses:
        scanner.expect(")")
    if not scanner.at_end and scanner.text[scanner.position] not in ", \t\r\n":
        scanner.fail(f"expected ',' behind the value of {name}, found {scanner.found()}")
    if field.places == "vlan":
        value, mask = value | (TPID if value else 0), mask | TPID
    return _Setting(field, value, mask, position)


def _scan_value(scanner: Scanner, field: OpenFlowField) -> tuple[int, int]:
    """Take a value; return it and its mask as they stand in the field's place."""
    if field.name == "packet_type":
        return _scan_packet_type(scanner), field.mask
    if field.bits:
        return _scan_part(scanner, field)
    kind = _places(field)[0].kind
    assert kind is not None  # the table has fields with values only
    if isinstance(kind, Port):
        reserved = _PORT_WORD.match(scanner.text, scanner.position)
        if reserved is not None and reserved[0].upper() in RESERVED_PORTS:
            scanner.position = reserved.end()
            return RESERVED_PORTS[reserved[0].upper()], kind.full
    if isinstance(kind, Flags):
        value, mask = kind.scan_masked(scanner)
        return value, mask & kind.allowed
    value = int(scan_literal(scanner, kind))
    return value, scan_bits(scanner, kind) if scanner.take("/") else int(number(kind, kind.full))


def _scan_packet_type(scanner: Scanner) -> int:
    """Take ``(name space,type)``."""
    if not scanner.take("("):
        scanner.fail(f"expected a packet type such as (0,0) or (1,0x800), found {scanner.found()}")
    name_space = scanner.integer(0xFFFF, "a name space")
    scanner.expect(",")
    type_ = scanner.integer(0xFFFF, "a type")
    scanner.expect(")")
    return name_space << 16 | type_


def _scan_part(scanner: Scanner, field: OpenFlowField) -> tuple[int, int]:
    """Take the value of a field that is some bits of its place."""
    start, full = scanner.position, (1 << field.bits) - 1
    value = scanner.integer(max(full, field.absent))
    if value == field.absent:
        return 0, field.mask
    if value > full:
        scanner.fail(f"{value} is too large", f"at most {full}", start)
    bits = scanner.integer(full, "a mask") if scanner.take("/") else full
    return value << field.shift | field.always, (bits & field.counting) << field.shift | field.always


def _check_needed(scanner: Scanner, setting: _Setting, settings: dict[str, _Setting]) -> None:
    """Check that the protocol is there that a field belongs to."""
    needed = setting.field.needed
    if needed is None:
        return
    type_, protocol = settings.get("dl_type"), settings.get("nw_proto")
    has_type = type_ is not None and type_.value in needed.types
    if has_type and (not needed.protocols or (protocol is not None and protocol.value in needed.protocols)):
        return
    name = setting.field.name
    scanner.fail(
        f"{name} needs its protocol beside it", f"{needed.words}, as in '{needed.example},{name}=…'", setting.position
    )


def _places(field: OpenFlowField) -> list[Asked]:
    """Return the fields of `fields` that a field may be found in."""
    return [scan_field(Scanner(place)) for place in field.places.split()]


def _test(setting: _Setting) -> Test:
    """Return whether a flow agrees with a value in the bits that both look at."""
    field, wanted, asked_for = setting.field, setting.value, setting.mask
    read = READERS.get(field.places)
    if read is not None:
        return lambda subject: _agree(read(subject), wanted, asked_for)
    readers = [place.read for place in _places(field)]

    def test(subject: Subject) -> bool:
        found = (next(reader(subject), None) for reader in readers)
        return all(_agree(pair, wanted, asked_for) for pair in found if pair is not None)

    return test


def _agree(pair: Pair, wanted: int, asked_for: int) -> bool:
    value, matched = pair
    return not (int(value) ^ wanted) & matched & asked_for
