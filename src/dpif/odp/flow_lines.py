"""Flow messages to lines of text, fast: one compiled template for each shape of message.

The flows of a dump share shapes: the same attributes of the same lengths, the same mask. The first message of a
shape takes the slow way (`format_flow_line`) and compiles a *template*: a function that reads the values that the
line shows at their offsets, by one `struct` call for each byte order, and puts them between the texts that never
change. Every later message of the shape is told by one masked comparison of all its bytes but the values, and
rendered by one call. Values that say what follows them (EtherType, protocol, fragment type) belong to the shape.

::

    message   headers | KEY: in_port eth eth_type … | USED | STATS | MASK: … | ACTIONS: …
    compared  ======= | ===  ==  ===  ===========   | ==   | ==    | ======= | ==
    read              |    1    2                   |   12 |   3 4 |         |   by its bytes, from a table

Both ways give the same line; a property test says so. Scalars and plain structures are read directly, whatever else
there is (flags, VLAN tags, tunnels, what we do not know) is formatted by its own type and remembered by its bytes.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import functools
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from dpif._typing import Any, Final, NamedTuple
from dpif.netlink.attributes import Buffer, walk
from dpif.odp.attrs import Scalar, Structure, Style
from dpif.odp.constants.flow import FlowAttr
from dpif.odp.constants.key import KeyAttr
from dpif.odp.flow_text import format_flow_line, format_tcp_flags
from dpif.odp.key import FlowKey, FlowMask
from dpif.odp.kinds import ETHERTYPE, FRAG, PROTO, Ipv4Kind, Ipv6Kind, Kind, MacKind, UInt
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.structs import Struct

MAX_TEMPLATES: Final = 1024
"""More shapes than this take the slow way: then it is not shapes that the flows share."""
MAX_REMEMBERED: Final = 4096
"""Texts of action lists and of odd attributes that are remembered at a time."""

_DECIDING: Final = (ETHERTYPE, PROTO, FRAG)
"""Kinds of field whose value says what follows. They take few values, which a template has as text."""

Template = Callable[[Buffer], str]


class _Value(NamedTuple):
    """A value in a line: where it stands, how it is read, and the expression that shows it, with ``{0}`` for it."""

    offset: int
    code: str
    order: str
    expression: str
    names: dict[str, Any]


_Piece = str | _Value


def milliseconds() -> int:
    """Return the time by which the kernel says when a flow was used."""
    return time.monotonic_ns() // 1_000_000


class FlowLines:
    """Lines of flow messages in one style.

    `clock` tells milliseconds on the datapath's monotonic clock. `complete` is given each record that is not rendered
    by a template, and may add what it lacks; for None instead of a record there is no line.
    """

    def __init__(
        self,
        *,
        verbose: bool = False,
        port_names: Mapping[int, str] | None = None,
        clock: Callable[[], int] = milliseconds,
        complete: Callable[[FlowRecord], FlowRecord | None] = lambda record: record,
    ) -> None:
        self._style = Style(verbose, port_names)
        self._now = _Now(clock)
        self._complete = complete
        self._masks: dict[int, list[int]] = {}  # what to compare, by the message's length
        self._templates: dict[int, Template] = {}

    def lines(self, payloads: Iterable[Buffer]) -> list[str]:
        """Return the lines of messages that came together."""
        lines: list[str] = []
        masks_of, template_of, number_of = self._masks.get, self._templates.get, int.from_bytes
        self._now.forget()
        for payload in payloads:
            number = number_of(payload, "little")
            for mask in masks_of(len(payload), ()):
                template = template_of(number & mask)
                if template is not None:
                    lines.append(template(payload))
                    break
            else:
                lines += self._first(payload, number)
        return lines

    def _first(self, payload: Buffer, number: int) -> Iterator[str]:
        """Yield the line the slow way, and compile a template for its like."""
        received = FlowRecord.from_reply(payload)
        record = self._complete(received)
        if record is None:
            return
        whole = record is received and record.key and record.mask is not None and record.actions is not None
        if whole and len(self._templates) < MAX_TEMPLATES:
            shape = _Shape(payload, record, self._style, self._now)
            masks = self._masks.setdefault(len(payload), [])
            mask = shape.comparison_mask()
            if mask not in masks:
                masks.append(mask)
            self._templates[number & mask] = shape.template
        style = self._style
        yield format_flow_line(record, self._now(), verbose=style.verbose, port_names=style.port_names)


class _Now:
    """The time for messages that came together: the clock is asked once for all of them, and only for one that tells.

    Where a clock is a system call it costs as much as dozens of lines.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.read: int | None = None
        """What it said, once it was asked. Who looks here first saves half of what it takes to show a time."""

    def forget(self) -> None:
        """Ask the clock anew when the time is wanted."""
        self.read = None

    def __call__(self) -> int:
        """Return the time in milliseconds."""
        if self.read is None:
            self.read = self._clock()
        return self.read


class _Shape:
    """What the messages like one message have in common, and the `template` of their lines."""

    def __init__(self, payload: Buffer, record: FlowRecord, style: Style, now: _Now) -> None:
        self._payload = payload
        self._style = style
        self._decided: list[tuple[int, int]] = []
        self._at = {number: (start, end) for number, start, end in walk(payload, OVS_HDRLEN)}
        self._inside = {number: (start, end) for number, start, end in walk(payload, *self._at[FlowAttr.KEY])}
        self._key = record.flow_key() or FlowKey()
        self._mask = record.flow_mask() or FlowMask()
        self.template = _compile([*self._ufid(), *self._flow_key(), *self._counters(now), *self._actions()])

    def comparison_mask(self) -> int:
        """Return the bits of the message that must be the same: all but those of values that lines are made with."""
        mask = _bits(0, len(self._payload))
        changing = [
            self._at[number]
            for number in (FlowAttr.STATS, FlowAttr.USED, FlowAttr.TCP_FLAGS, FlowAttr.UFID, FlowAttr.ACTIONS)
            if number in self._at
        ]
        for start, end in [*changing, *self._inside.values()]:
            mask &= ~_bits(start, end)
        for start, end in self._decided:
            mask |= _bits(start, end)
        return mask

    def _ufid(self) -> Iterator[_Piece]:
        if self._style.verbose and FlowAttr.UFID in self._at:
            from dpif.odp.ufid import Ufid

            yield self._odd(self._at[FlowAttr.UFID], lambda data: str(Ufid(data)))
            yield ", "

    def _flow_key(self) -> Iterator[_Piece]:
        parts = [part for number, kept in self._key.kept() if (part := self._attribute(number, kept))]
        if self._mask.eth_type is not None and self._key.eth_type is None:
            parts.append([f"eth_type(0/0x{self._mask.eth_type:04x})"])
        pieces: list[_Piece] = []
        for index, part in enumerate(parts):
            # As in `format_key`: Open vSwitch puts no comma behind an eth() that comes first.
            pieces += ["," if index and not (index == 1 and parts[0] == ["eth()"]) else "", *part]
        return self._metadata_together(pieces)

    def _metadata_together(self, pieces: list[_Piece]) -> Iterator[_Piece]:
        """Yield the pieces of a key, with those in one that come before the packet's headers: flows share these."""
        start = self._at[FlowAttr.KEY][0]
        end = self._inside[KeyAttr.ETHERNET][0] if KeyAttr.ETHERNET in self._inside else start
        places = [index for index, piece in enumerate(pieces) if isinstance(piece, _Value) and piece.offset < end]
        count = places[-1] + 1 if places else 0
        if count:
            render = _compile([_moved(piece, -start) for piece in pieces[:count]])
            yield self._odd((start, end), render)
        yield from pieces[count:]

    def _attribute(self, number: int, kept: Any) -> list[_Piece]:
        """Return what shows one attribute of the key, nothing for one that is not shown; see `Nest.show`."""
        type_ = self._key.type_of(number)
        bits = self._mask.get_kept(number)
        wildcarded = bits is None or type_.is_zero(bits)
        if wildcarded and not self._style.verbose and not type_.always_shown:
            hidden_ethernet = number == KeyAttr.ETHERNET and self._key.packet_type is None
            return ["eth()"] if hidden_ethernet else []
        bits = type_.zero(kept) if bits is None else bits
        start, end = self._inside[number]
        attr = FlowKey.ATTRS.get(number)
        name = attr.text_name if attr else f"key{number}"
        if isinstance(type_, Structure) and type_.cls.show is Struct.show:
            return [f"{name}(", *self._fields(type_.cls, start, bits), ")"]
        if isinstance(type_, Scalar) and type(type_).show is Scalar.show:
            return [f"{name}(", *self._field(type_.kind, start, type_.order, bits), ")"]
        style = self._style
        return [self._odd((start, end), lambda data: type_.show_named(name, type_.decode(data), bits, style))]

    def _fields(self, cls: type[Struct], start: int, mask: Struct) -> Iterator[_Piece]:
        """Yield what shows the fields of a structure; see `Struct.show`."""
        offsets = {}
        for field in cls.FIELDS:
            offsets[field.index] = start
            start += field.kind.size
        shown = [
            field
            for field in cls.TEXT
            if (self._style.verbose and not field.kind.bare) or mask.raw[field.index] != field.kind.zero
        ]
        for field in shown:
            yield f"{'' if field is shown[0] else ','}{field.text_name}="
            yield from self._field(field.kind, offsets[field.index], "!", mask.raw[field.index])

    def _field(self, kind: Kind[Any], offset: int, order: str, mask: Any) -> Iterator[_Piece]:
        """Yield what shows one field; see `Kind.show_masked`."""
        if kind in _DECIDING:
            self._decided.append((offset, offset + kind.size))
            yield kind.show(struct.unpack_from(order + kind.code, self._payload, offset)[0])
        else:
            yield from _values(kind, offset, order)
        if not kind.is_full(mask):
            yield f"/{kind.show_mask(mask)}"

    def _counters(self, now: _Now) -> Iterator[_Piece]:
        """Yield what shows packets, bytes, last use and TCP flags; see `format_counters`."""
        if FlowAttr.STATS in self._at:
            start, _ = self._at[FlowAttr.STATS]
            yield ", packets:"
            yield _Value(start, "Q", "=", "{{{0}}}", {})
            yield ", bytes:"
            yield _Value(start + 8, "Q", "=", "{{{0}}}", {})
        else:
            yield ", packets:0, bytes:0"
        if FlowAttr.USED in self._at:
            yield ", used:"
            used = '{{f"{{(n - {0} if (n := now.read or now()) > {0} else 0) / 1000:.3f}}s" if {0} else "never"}}'
            yield _Value(self._at[FlowAttr.USED][0], "Q", "=", used, {"now": now})
        else:
            yield ", used:never"
        if FlowAttr.TCP_FLAGS in self._at:
            yield _Value(self._at[FlowAttr.TCP_FLAGS][0], "B", "=", "{{tcp_flags[{0}]}}", {"tcp_flags": _tcp_flags})
        yield ", dp:ovs, actions:" if self._style.verbose else ", actions:"

    def _actions(self) -> Iterator[_Piece]:
        from dpif.odp.actions import Actions

        style = self._style
        yield self._odd(self._at[FlowAttr.ACTIONS], lambda data: Actions.from_bytes(data).show(style))

    def _odd(self, place: tuple[int, int], show: Callable[[bytes], str]) -> _Piece:
        """Return what is shown by `show`, and remembered by its bytes."""
        start, end = place
        name = f"odd_{start}"
        if start == end:
            return show(b"")
        return _Value(start, f"{end - start}s", "=", "{{" + name + "[{0}]}}", {name: _Remembered(show)})


def _moved(piece: _Piece, by: int) -> _Piece:
    return piece if isinstance(piece, str) else piece._replace(offset=piece.offset + by)


def _bits(start: int, end: int) -> int:
    """Return the number that has the bits of these bytes, the first byte being the lowest."""
    return ((1 << 8 * (end - start)) - 1) << 8 * start


def _values(kind: Kind[Any], offset: int, order: str) -> Iterator[_Piece]:
    """Yield how a field's value is read and shown."""
    if not isinstance(kind, Ipv4Kind):
        yield _value(kind, offset, order)
        return
    for place in range(offset, offset + kind.size):  # four numbers: half of what `inet_ntoa` takes
        yield "." if place > offset else ""
        yield _Value(place, "B", order, "{{{0}}}", {})


def _value(kind: Kind[Any], offset: int, order: str) -> _Value:
    """Return how a field's value is read and shown: the frequent kinds in place, the others by themselves."""
    if isinstance(kind, MacKind):
        return _Value(offset, kind.code, order, "{{{0}.hex(colon)}}", {"colon": ":"})
    if isinstance(kind, Ipv6Kind):
        return _Value(offset, kind.code, order, "{{ipv6[{0}]}}", {"ipv6": _ipv6})
    if type(kind) is UInt and kind.base == "d":
        return _Value(offset, kind.code, order, "{{{0}}}", {})
    if type(kind) is UInt and kind.base == "x":
        return _Value(offset, kind.code, order, "{{hex({0}) if {0} else 0}}", {})
    if type(kind) is UInt:
        return _Value(offset, kind.code, order, f"0x{{{{{{0}}:{kind.base}}}}}", {})
    name = f"show_{offset}"
    return _Value(offset, kind.code, order, "{{" + name + "[{0}]}}", {name: _remembered(kind)})


class _Remembered(dict[Any, str]):
    """The texts of values, each made by `show` when it is first asked for; too many, and all are forgotten."""

    def __init__(self, show: Callable[[Any], str]) -> None:
        super().__init__()
        self._show = show

    def __missing__(self, value: Any) -> str:
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        text = self[value] = self._show(value)
        return text


@functools.cache
def _remembered(kind: Kind[Any]) -> _Remembered:
    """Return the texts of values of `kind`; one for all templates."""
    return _Remembered(kind.show)


_ipv6: Final = _Remembered(functools.partial(socket.inet_ntop, socket.AF_INET6))
_tcp_flags: Final = _Remembered(lambda flags: f", flags:{format_tcp_flags(flags)}" if flags else "")


def _compile(pieces: list[_Piece]) -> Template:
    """Return ``lambda payload: f"…"``, with the values unpacked by one call for each byte order."""
    values = _in_few_orders([piece for piece in pieces if isinstance(piece, _Value)])
    names: dict[str, Any] = {}
    lines = ["def line(payload):"]
    for order, unpack in (("=", "host"), ("!", "network")):
        group = [value for value in values if value.order == order]
        if group:
            names[unpack] = struct.Struct(_format(order, group)).unpack_from
            targets = "".join(f"v{value.offset}, " for value in group)
            lines.append(f"    {targets}= {unpack}(payload)")
    shown = ""
    for piece in pieces:
        if isinstance(piece, str):
            shown += piece.replace("{", "{{").replace("}", "}}")
        else:
            names.update(piece.names)
            shown += piece.expression.format(f"v{piece.offset}")
    lines.append(f"    return f{shown!r}")
    exec("\n".join(lines), names)
    template: Template = names["line"]
    return template


def _in_few_orders(values: list[_Value]) -> list[_Value]:
    """Return values by their places, and those that have no byte order with the others where these have but one."""
    orders = {value.order for value in values if value.code[-1] in "HIQ"}
    if len(orders) < 2:
        order = min(orders, default="=")
        values = [value._replace(order=order) for value in values]
    return sorted(values, key=lambda value: value.offset)


def _format(order: str, values: list[_Value]) -> str:
    """Return the `struct` format that reads `values` at their offsets, with padding between."""
    format_, at = order, 0
    for value in values:
        format_ += f"{value.offset - at}x{value.code}"
        at = value.offset + struct.calcsize("=" + value.code)
    return format_
