"""The pieces of the line of a message, which make its `Shape`: those of its key (`nests.py`), the rest here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dpif.netlink.attributes import walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.constants.flow import FlowAttr
from dpif.odp.lines.flows import FlowWriter, show_ufid, tcp_flags_texts
from dpif.odp.lines.nests import NestPieces, Span
from dpif.odp.lines.templates import Piece, Shape, Value
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
        pieces = [*self._ufid(), *self._key.pieces(), *self._counters(), self._actions()]
        compared = self._compared()
        return Shape(pieces, self._payload[: len(compared)], compared)

    def _compared(self) -> bytearray:
        """Return for each byte whether it must be the same: all but the values in key and counters, and the actions.

        If these come last they may be of any length.
        """
        compared = self._key.compared()
        for number in (FlowAttr.STATS, FlowAttr.USED, FlowAttr.TCP_FLAGS, FlowAttr.UFID, FlowAttr.ACTIONS):
            if number in self._at:
                start, end = self._at[number]
                compared[start:end] = bytes(end - start)
        start, end = self._at[FlowAttr.ACTIONS]
        if end == len(compared):
            compared[start - NLA_HDRLEN : start - NLA_HDRLEN + 2] = bytes(2)  # the length
            del compared[start:]
        return compared

    def _ufid(self) -> Iterator[Piece]:
        if self._verbose and FlowAttr.UFID in self._at:
            start, _ = self._at[FlowAttr.UFID]
            yield Value(start, "16s", "=", "{show_ufid(@)}", {"show_ufid": show_ufid})
            yield ", "

    def _counters(self) -> Iterator[Piece]:
        """Yield what shows packets, bytes, last use and TCP flags; see `format_counters`."""
        if FlowAttr.STATS in self._at:
            start, _ = self._at[FlowAttr.STATS]
            yield ", packets:"
            yield Value(start, "Q", "=", "{@}")
            yield ", bytes:"
            yield Value(start + 8, "Q", "=", "{@}")
        else:
            yield ", packets:0, bytes:0"
        if FlowAttr.USED in self._at:
            yield ", used:"
            used = '{f"{(n - @ if (n := now.read or now()) > @ else 0) / 1000:.3f}s" if @ else "never"}'
            yield Value(self._at[FlowAttr.USED][0], "Q", "=", used, {"now": self._now})
        else:
            yield ", used:never"
        if FlowAttr.TCP_FLAGS in self._at:
            yield Value(self._at[FlowAttr.TCP_FLAGS][0], "B", "=", "{tcp_flags[@]}", {"tcp_flags": tcp_flags_texts})
        yield ", dp:ovs, actions:" if self._verbose else ", actions:"

    def _actions(self) -> Piece:
        start, end = self._at[FlowAttr.ACTIONS]
        names = {"actions": self._writer.lists}
        if end < len(self._payload):
            if start == end:
                return "drop"
            return Value(start, f"{end - start}s", "=", "{actions[@]}", names)
        header = start - NLA_HDRLEN
        fits = f"@ == len(payload) - {header}"
        return Value(header, "H", "=", f"{{actions[payload[{start}:]]}}", names, condition=fits)
