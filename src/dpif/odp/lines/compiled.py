"""Flow messages to lines of text, fast: one compiled template for each shape of message.

The flows of a dump share shapes: the same attributes of the same lengths, the same mask. The first messages of a
shape take the slow way (`format_flow_line`); from the second on there is a *template* for the later ones: a function
that reads the values that changed between them at their offsets, by one `struct` call for each byte order, and puts
them between the texts that did not. A template is looked up by a message's length and mask; it compares all bytes but
the values with those of the first message, in the same calls that read these, and so tells itself whether the message
is as it knows them. If not, this takes the slow way too, and the template is compiled anew to read what is new in it.
Values that say what follows them (EtherType, protocol, fragment type) belong to the shape.

::

    message   headers | KEY: in_port eth eth_type … | MASK: … | STATS | USED | ACTIONS: …
    compared  ======= | ============ === ========== | ======= | ==    | ==   | ==========
    read              |                 1           |         |   2 3 |   4  |

Both ways give the same line; a property test says so. Scalars and plain structures are read directly, whatever else
there is (flags, VLAN tags, tunnels, what we do not know) is formatted by its own type and remembered by its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping

from dpif._typing import Any, Final
from dpif.netlink.attributes import walk
from dpif.odp.constants.flow import FlowAttr
from dpif.odp.constants.key import KeyAttr
from dpif.odp.lines.templates import Piece, Remembered, Shape, Template, Value, field_values, moved, shown
from dpif.odp.lines.text import format_flow_line, format_tcp_flags, milliseconds
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.attrs import Scalar, Structure, Style
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.kinds import ETHERTYPE, FRAG, PROTO, Kind
from dpif.odp.model.structs import Struct

MAX_SHAPES: Final = 1024
"""More shapes than this take the slow way: then it is not shapes that the flows share."""
MAX_ALIKE: Final = 16
"""So many shapes may have length and mask in common; each may have to be tried, and more take the slow way."""

_DECIDING: Final = (ETHERTYPE, PROTO, FRAG)
"""Kinds of field whose value says what follows. They take few values, which a template has as text."""


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
        # By the length of a message: the places where masks stand, for each the templates by the mask there.
        self._templates: dict[int, list[tuple[slice, dict[bytes, Template]]]] = {}
        self._alike: dict[tuple[int, int, bytes], _Alike] = {}
        self._shapes = 0

    def lines(self, payloads: Iterable[bytes]) -> list[str]:
        """Return the lines of messages that came together."""
        lines: list[str] = []
        templates_of = self._templates.get
        self._now.forget()
        for payload in payloads:
            for place, templates in templates_of(len(payload), ()):
                line = templates.get(payload[place], _no_line)(payload)
                if line:
                    lines.append(line)
                    break
            else:
                lines += self._first(payload)
        return lines

    def _first(self, payload: bytes) -> Iterator[str]:
        """Yield the line the slow way, and learn what is new in the message."""
        received = FlowRecord.from_reply(payload)
        record = self._complete(received)
        if record is None:
            return
        if record is received and record.key and record.mask is not None and record.actions is not None:
            self._learn(payload, record)
        style = self._style
        yield format_flow_line(record, self._now(), verbose=style.verbose, port_names=style.port_names)

    def _learn(self, payload: bytes, record: FlowRecord) -> None:
        """Have later messages with the length and mask of this one asked whether they are like it."""
        mask = next(slice(start, end) for number, start, end in walk(payload, OVS_HDRLEN) if number == FlowAttr.MASK)
        common = (len(payload), mask.start, payload[mask])
        alike = self._alike.get(common, _Alike())
        if alike.widen(payload):
            places = self._templates.setdefault(len(payload), [])
            templates = next((found for place, found in places if place == mask), None)
            if templates is None:
                templates = {}
                places.append((mask, templates))
            templates[payload[mask]] = alike.template()
        elif self._shapes < MAX_SHAPES and len(alike) < MAX_ALIKE:
            self._shapes += 1
            self._alike[common] = alike
            alike[_Pieces(payload, record, self._style, self._now).shape()] = _no_line


class _Alike(dict[Shape, Template]):
    """Shapes that have length and mask in common; each has a template from its second message on."""

    def widen(self, payload: bytes) -> bool:
        """Let the shape of a message, if it is here, include that in its template; tell whether it is here."""
        for shape in self:
            if shape.includes(payload):
                self[shape] = shape.template_for(payload)
                return True
        return False

    def template(self) -> Template:
        """Return the templates as one."""
        templates = [template for template in self.values() if template is not _no_line]
        return templates[0] if len(templates) == 1 else lambda payload: _first_line(templates, payload)


def _first_line(templates: list[Template], payload: bytes) -> str:
    for template in templates:
        line = template(payload)
        if line:
            return line
    return ""


def _no_line(_payload: bytes) -> str:
    """Return what a template does for a message of another shape."""
    return ""


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


class _Pieces:
    """The texts and values that make the line of one message, and of those that have its `shape`."""

    def __init__(self, payload: bytes, record: FlowRecord, style: Style, now: _Now) -> None:
        self._payload = payload
        self._style = style
        self._now = now
        self._decided: list[tuple[int, int]] = []
        self._at = {number: (start, end) for number, start, end in walk(payload, OVS_HDRLEN)}
        self._inside = {number: (start, end) for number, start, end in walk(payload, *self._at[FlowAttr.KEY])}
        self._key = record.flow_key() or FlowKey()
        self._mask = record.flow_mask() or FlowMask()

    def shape(self) -> Shape:
        """Return what has the message's attributes, lengths and mask, and all in it that says what follows."""
        pieces = [*self._ufid(), *self._flow_key(), *self._counters(), *self._actions()]
        return Shape(pieces, self._payload, self._compared())

    def _compared(self) -> bytearray:
        """Return for each byte of the message whether it must be the same: all but the values in key and counters."""
        compared = bytearray(b"\1" * len(self._payload))
        changing = [
            self._at[number]
            for number in (FlowAttr.STATS, FlowAttr.USED, FlowAttr.TCP_FLAGS, FlowAttr.UFID, FlowAttr.ACTIONS)
            if number in self._at
        ]
        for start, end in [*changing, *self._inside.values()]:
            compared[start:end] = bytes(end - start)
        for start, end in self._decided:
            compared[start:end] = b"\1" * (end - start)
        return compared

    def _ufid(self) -> Iterator[Piece]:
        if self._style.verbose and FlowAttr.UFID in self._at:
            from dpif.odp.model.ufid import Ufid

            yield self._odd(self._at[FlowAttr.UFID], lambda data: str(Ufid(data)))
            yield ", "

    def _flow_key(self) -> Iterator[Piece]:
        parts = [part for number, kept in self._key.kept() if (part := self._attribute(number, kept))]
        pieces: list[Piece] = []
        for index, part in enumerate(parts):
            # As in `FlowKey.show`: Open vSwitch puts no comma behind an eth() that comes first.
            pieces += ["," if index and not (index == 1 and parts[0] == ["eth()"]) else "", *part]
        if self._mask.eth_type is not None and self._key.eth_type is None:
            pieces.append(f",eth_type(0/0x{self._mask.eth_type:04x})")
        return self._metadata_together(pieces)

    def _metadata_together(self, pieces: list[Piece]) -> Iterator[Piece]:
        """Yield the pieces of a key, with those in one that come before the packet's headers: flows share these."""
        start = self._at[FlowAttr.KEY][0]
        end = self._inside[KeyAttr.ETHERNET][0] if KeyAttr.ETHERNET in self._inside else start
        places = [index for index, piece in enumerate(pieces) if isinstance(piece, Value) and piece.offset < end]
        count = places[-1] + 1 if places else 0
        if count:
            within = [moved(piece, -start) for piece in pieces[:count]]
            shape = Shape(within, self._payload[start:end], self._compared()[start:end])
            yield Value(
                start,
                f"{end - start}s",
                "=",
                "{{metadata}}",
                {"metadata_of": Remembered(lambda data: shape.whole(data))},
                show=lambda data: "".join([shown(piece, data) for piece in within]),
                condition="(metadata := metadata_of[{0}])",
            )
        yield from pieces[count:]

    def _attribute(self, number: int, kept: Any) -> list[Piece]:
        """Return what shows one attribute of the key, nothing for one that is not shown; see `Nest.show`."""
        type_ = self._key.type_of(number)
        bits = self._mask.get_kept(number)
        wildcarded = bits is None or type_.is_zero(bits)
        if wildcarded and not self._style.verbose and not type_.always_shown:
            return ["eth()"] if number == KeyAttr.ETHERNET and self._key.shows_ethernet(self._mask) else []
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

    def _fields(self, cls: type[Struct], start: int, mask: Struct) -> Iterator[Piece]:
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

    def _field(self, kind: Kind[Any], offset: int, order: str, mask: Any) -> Iterator[Piece]:
        """Yield what shows one field; see `Kind.show_masked`."""
        if kind in _DECIDING:
            self._decided.append((offset, offset + kind.size))
            yield kind.show(struct.unpack_from(order + kind.code, self._payload, offset)[0])
        else:
            yield from field_values(kind, offset, order)
        if not kind.is_full(mask):
            yield f"/{kind.show_mask(mask)}"

    def _counters(self) -> Iterator[Piece]:
        """Yield what shows packets, bytes, last use and TCP flags; see `format_counters`."""
        if FlowAttr.STATS in self._at:
            start, _ = self._at[FlowAttr.STATS]
            yield ", packets:"
            yield Value(start, "Q", "=", "{{{0}}}", {})
            yield ", bytes:"
            yield Value(start + 8, "Q", "=", "{{{0}}}", {})
        else:
            yield ", packets:0, bytes:0"
        if FlowAttr.USED in self._at:
            yield ", used:"
            used = '{{f"{{(n - {0} if (n := now.read or now()) > {0} else 0) / 1000:.3f}}s" if {0} else "never"}}'
            yield Value(self._at[FlowAttr.USED][0], "Q", "=", used, {"now": self._now})
        else:
            yield ", used:never"
        if FlowAttr.TCP_FLAGS in self._at:
            yield Value(self._at[FlowAttr.TCP_FLAGS][0], "B", "=", "{{tcp_flags[{0}]}}", {"tcp_flags": _tcp_flags})
        yield ", dp:ovs, actions:" if self._style.verbose else ", actions:"

    def _actions(self) -> Iterator[Piece]:
        from dpif.odp.actions import Actions

        style = self._style
        yield self._odd(self._at[FlowAttr.ACTIONS], lambda data: Actions.from_bytes(data).show(style))

    def _odd(self, place: tuple[int, int], show: Callable[[bytes], str]) -> Piece:
        """Return what is shown by `show`, and remembered by its bytes."""
        start, end = place
        name = f"odd_{start}"
        if start == end:
            return show(b"")
        return Value(start, f"{end - start}s", "=", "{{" + name + "[{0}]}}", {name: Remembered(show)}, show)


_tcp_flags: Final = Remembered(lambda flags: f", flags:{format_tcp_flags(flags)}" if flags else "")
