"""Whole flow messages to text by writers: what makes the lines of flows that share nothing with others.

`FlowWriter` finds the attributes of a message, and puts key, counters and actions together, each by its own writers.
It costs a few times what a template does (`templates.py`), but it needs to have seen no flow before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from dpif._typing import Final
from dpif.netlink.attributes import ATTRIBUTE_HEADER, align
from dpif.netlink.constants import NLA_HDRLEN, NLA_TYPE_MASK
from dpif.odp.constants.flow import FlowAttr
from dpif.odp.lines.actions import ActionWriter
from dpif.odp.lines.fields import Remembered
from dpif.odp.lines.keys import KeyWriter, Mode, Unusual
from dpif.odp.lines.learned import ActionLists
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.model.attrs import Style
from dpif.odp.model.tcp_flags import format_tcp_flags
from dpif.odp.model.ufid import show_uuid

_WORD: Final = struct.Struct("=I")
_COUNTERS: Final = struct.Struct("=QQ")
_USED: Final = struct.Struct("=Q")
_FIRST: Final = OVS_HDRLEN // 4
_KEY, _MASK, _ACTIONS, _STATS, _TCP_FLAGS, _USED_AT, _UFID, _PAD = map(
    int,
    (
        FlowAttr.KEY,
        FlowAttr.MASK,
        FlowAttr.ACTIONS,
        FlowAttr.STATS,
        FlowAttr.TCP_FLAGS,
        FlowAttr.USED,
        FlowAttr.UFID,
        FlowAttr.PAD,
    ),
)
_SIZES: Final = {_STATS: _COUNTERS.size, _USED_AT: _USED.size, _TCP_FLAGS: 1, _UFID: 16, _PAD: 0}
"""Lengths that attributes have in the messages of a dump; key, mask and actions have any."""

tcp_flags_texts: Final = Remembered(lambda flags: f", flags:{format_tcp_flags(flags)}" if flags else "")


class _Places(dict[int, tuple[int, int]]):
    """By the word of a header: the number of the attribute, and the words to the next one."""

    def __missing__(self, word: int) -> tuple[int, int]:
        length, type_ = ATTRIBUTE_HEADER.unpack(_WORD.pack(word))
        number = type_ & NLA_TYPE_MASK
        size = length - NLA_HDRLEN
        fits = size >= 0 and not size % 4 if number in (_KEY, _MASK, _ACTIONS) else _SIZES.get(number) == size
        if not fits:
            raise Unusual
        place = self[word] = number, align(length) // 4
        return place


class FlowWriter:
    """Writes the lines of flow messages in one style; `now` tells milliseconds on the datapath's monotonic clock."""

    def __init__(self, style: Style, now: Callable[[], int]) -> None:
        mode = Mode(verbose=style.verbose, port_names=style.port_names)
        self.key = KeyWriter(mode)
        self.actions = ActionWriter(mode)
        self.lists = Remembered(ActionLists(self.actions).write)
        """Lists of actions by their bytes: many flows share few."""
        self._verbose = style.verbose
        self._places = _Places()
        self._now = now
        self.mask = slice(0)
        """Where the mask of the last message stood."""
        self.head = 0
        """What stood before its actions, in bytes; the whole message if they did not come last."""

    def line(self, payload: bytes) -> str:
        """Return the line of a message; raise `Unusual` for one that is not as the kernel sends it."""
        if len(payload) & 3:
            raise Unusual
        words = memoryview(payload).cast("I")
        here, last = _FIRST, len(words)
        places = self._places
        starts: dict[int, int] = {}
        ends: dict[int, int] = {}
        while here < last:
            number, step = places[words[here]]
            if number in starts and number != _PAD:
                raise Unusual
            starts[number] = 4 * here + NLA_HDRLEN
            here += step
            ends[number] = 4 * here
        if here != last or _KEY not in starts or _MASK not in starts or _ACTIONS not in starts:
            raise Unusual
        key = self.key.key(payload, starts[_KEY], ends[_KEY], starts[_MASK], ends[_MASK])
        if not key:
            raise Unusual
        actions = self.lists[payload[starts[_ACTIONS] : ends[_ACTIONS]]]
        self.mask = slice(starts[_MASK], ends[_MASK])
        self.head = starts[_ACTIONS] if ends[_ACTIONS] == len(payload) else len(payload)
        packets, octets = _COUNTERS.unpack_from(payload, starts[_STATS]) if _STATS in starts else (0, 0)
        (used,) = _USED.unpack_from(payload, starts[_USED_AT]) if _USED_AT in starts else (0,)
        seconds = f"{max(self._now() - used, 0) / 1000:.3f}s" if used else "never"
        flags = tcp_flags_texts[payload[starts[_TCP_FLAGS]]] if _TCP_FLAGS in starts else ""
        ufid = ""
        layer = ""
        if self._verbose:
            layer = ", dp:ovs"
            if _UFID in starts:
                ufid = f"{show_ufid(payload[starts[_UFID] : starts[_UFID] + 16])}, "
        return f"{ufid}{key}, packets:{packets}, bytes:{octets}, used:{seconds}{flags}{layer}, actions:{actions}"


def show_ufid(ufid: bytes) -> str:
    """Return the text of a flow's identifier of 16 bytes; see `Ufid`."""
    return f"ufid:{show_uuid(ufid)}"
