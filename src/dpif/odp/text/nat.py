"""``nat(…)``: the range of addresses and ports to translate to."""

from __future__ import annotations

import sys

from dpif._lazy import pattern
from dpif._typing import NamedTuple
from dpif.odp.actions.nat import Nat
from dpif.odp.constants import NatAttr
from dpif.odp.text.parts import Parts, Value, wrapped
from dpif.odp.text.pieces import Cursor, UnusualError

_IPV4 = pattern(r"[0-9.]++(?::[0-9]++)?")
_IPV6 = pattern(r"[0-9a-fA-F:.]++|\[[0-9a-fA-F:.]++\](?::[0-9]++)?")
_DECIMAL = pattern(r"[0-9]++")


class _End(NamedTuple):
    """One end of a range: what reads its address and what its port, and the place of the piece."""

    size: int
    address: str
    port: str
    place: int


def nat(cursor: Cursor) -> Parts:
    """Take the arguments in parentheses, and the closing one."""
    found: dict[int, Parts] = {}
    is_over = cursor.skip("", ")")
    while not is_over:
        attr = Nat._by_text_name.get(cursor.word("=,)"))
        if attr is None or attr.name not in _NAMES or int(attr.number) in found:
            raise UnusualError
        found[int(attr.number)] = []
        if cursor.ends[cursor.at - 1] == "=":
            if attr.name not in ("src", "dst"):
                raise UnusualError
            found.update(_range(cursor))
        is_over = cursor.ends[cursor.at - 1] == ")"
    if (NatAttr.SRC in found) == (NatAttr.DST in found) and found:
        raise UnusualError
    if NatAttr.PROTO_HASH in found and NatAttr.PROTO_RANDOM in found:
        raise UnusualError
    return [part for number in Nat.ATTRS if number in found for part in wrapped(number, found[number])]


_NAMES = ("src", "dst", "persistent", "proto_hash", "proto_random")


def _range(cursor: Cursor) -> dict[int, Parts]:
    """Take ``first-last:lowest-highest``, of which much may be left out; a range ends above its start."""
    first = last = _end(cursor)
    found: dict[int, Parts] = {NatAttr.IP_MIN: [_address(first)]}
    if not first.port and cursor.ends[first.place] == "-":
        last = _end(cursor)
        found[NatAttr.IP_MAX] = [_address(last, first)]
    if last.port:
        found[NatAttr.PROTO_MIN] = [_port(f"nonzero(upto({last.port}, 65535))", last.place)]
        if cursor.ends[last.place] == "-":
            highest = cursor.take(",)")
            cursor.is_value(highest, _DECIMAL)
            lowest = last.port.replace("{0}", "{1}")
            found[NatAttr.PROTO_MAX] = [_port(f"above(upto(int({{0}}, 0), 65535), {lowest})", highest, last.place)]
    if cursor.ends[cursor.at - 1] not in ",)":
        raise UnusualError
    return found


def _end(cursor: Cursor) -> _End:
    """Take an address, and the port behind it if there is one."""
    place = cursor.take("-,)")
    text = cursor.pieces[place]
    if "." in text.partition(":")[0]:
        cursor.is_value(place, _IPV4)
        address, port = ("{0}.partition(':')[0]", "int({0}.partition(':')[2], 0)") if ":" in text else ("{0}", "")
        return _End(4, f"inet_pton(AF_INET, {address})", port, place)
    cursor.is_value(place, _IPV6)
    address, port = "{0}", ""
    if "]:" in text:
        address, port = "{0}[1:].partition(']:')[0]", "int({0}.partition(']:')[2], 0)"
    elif "[" in text:
        address = "{0}[1:-1]"
    return _End(16, f"inet_pton(AF_INET6, {address})", port, place)


def _address(end: _End, above: _End | None = None) -> Value:
    if above is None:
        return Value(f"{end.size}s", end.size, end.address, (end.place,))
    if above.size != end.size:
        raise UnusualError
    source = f"above({end.address}, {above.address.replace('{0}', '{1}')})"
    return Value(f"{end.size}s", end.size, source, (end.place, above.place))


def _port(source: str, *places: int) -> Value:
    return Value("2s", 2, f"({source}).to_bytes(2, {sys.byteorder!r})", places)
