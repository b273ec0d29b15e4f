"""The pieces of the line of a message, which make its `Shape`: those of its key (`nests.py`), the rest here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dpif.netlink.attributes import walk
from dpif.odp.constants.flow import FlowAttr
from dpif.odp.constants.key import KeyAttr
from dpif.odp.lines.fields import Remembered
from dpif.odp.lines.flows import FlowWriter, show_ufid, tcp_flags_texts
from dpif.odp.lines.nests import NestPieces, Span
from dpif.odp.lines.templates import Piece, Shape, Value, moved, shown
from dpif.odp.messages.base import OVS_HDRLEN


class Pieces:
    """The texts and values that make the line of one message, and of those that have its `shape`."""

    def __init__(self, payload: bytes, now: Callable[[], int], writer: FlowWriter) -> None:
        self._payload = payload
        self._now = now
        self._writer = writer
        self._verbose = writer.key.mode.verbose
        self._at = {number: (start, end) for number, start, end in walk(payload, OVS_HDRLEN)}
        span = Span(payload, *self._at[FlowAttr.KEY], payload, *self._at[FlowAttr.MASK])
        self._key = NestPieces(span, writer.key.forms, writer.key.mode)

    def shape(self) -> Shape:
        """Return what has the message's attributes, lengths and mask, and all in it that says what follows."""
        pieces = [*self._ufid(), *self._flow_key(), *self._counters(), self._actions()]
        return Shape(pieces, self._payload, self._compared())

    def _compared(self) -> bytearray:
        """Return for each byte of the message whether it must be the same: all but the values in key and counters."""
        compared = self._key.compared()
        for number in (FlowAttr.STATS, FlowAttr.USED, FlowAttr.TCP_FLAGS, FlowAttr.UFID, FlowAttr.ACTIONS):
            if number in self._at:
                start, end = self._at[number]
                compared[start:end] = bytes(end - start)
        return compared

    def _ufid(self) -> Iterator[Piece]:
        if self._verbose and FlowAttr.UFID in self._at:
            start, _ = self._at[FlowAttr.UFID]
            yield Value(start, "16s", "=", "{{show_ufid({0})}}", {"show_ufid": show_ufid}, show_ufid)
            yield ", "

    def _flow_key(self) -> Iterator[Piece]:
        """Yield the pieces of the key, with those in one that come before the packet's headers: flows share these.

        Not if one of them says what follows, for that belongs to the shape.
        """
        pieces = self._key.pieces()
        start, _ = self._at[FlowAttr.KEY]
        end = self._key.start_of(KeyAttr.ETHERNET) or start
        places = [index for index, piece in enumerate(pieces) if isinstance(piece, Value) and piece.offset < end]
        count = places[-1] + 1 if places else 0
        if any(start <= place < end for place, _ in self._key.decided):
            count = 0
        if count:
            within = [moved(piece, -start) for piece in pieces[:count]]
            shape = Shape(within, self._payload[start:end], self._key.compared()[start:end])
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
            yield Value(
                self._at[FlowAttr.TCP_FLAGS][0], "B", "=", "{{tcp_flags[{0}]}}", {"tcp_flags": tcp_flags_texts}
            )
        yield ", dp:ovs, actions:" if self._verbose else ", actions:"

    def _actions(self) -> Piece:
        start, end = self._at[FlowAttr.ACTIONS]
        if start == end:
            return "drop"
        texts = self._writer.lists
        return Value(start, f"{end - start}s", "=", "{{actions[{0}]}}", {"actions": texts}, texts.show)
