"""The rows of a dump of flows to records, fast: one `struct` call for all messages of a layout.

The first message of a layout (the same attributes of the same lengths in the same order) is decoded the slow way,
`FlowRecord.from_reply`, which checks it. A later one has its headers and values read together; when its headers
are those of the layout, the values are right. Both ways give the same record; a property test says so.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable

from dpif._typing import Any, Final
from dpif.netlink.attributes import Buffer, walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.constants import FlowAttr
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.flow import FlowCounters, FlowRecord

MAX_LAYOUTS: Final = 8
"""Layouts of one length that are told apart; more take the slow way."""

_CODES = {FlowAttr.STATS: "2Q", FlowAttr.USED: "Q", FlowAttr.TCP_FLAGS: "B"}
"""How values are read; the others are bytes."""
_new_tuple = tuple.__new__  # a NamedTuple's own is a Python function
_BYTES = frozenset({FlowAttr.PAD, FlowAttr.KEY, FlowAttr.MASK, FlowAttr.ACTIONS, FlowAttr.UFID})


class FlowRows:
    """Decodes the rows of one dump; as ``Request.decode`` it makes the dump yield records."""

    def __init__(self) -> None:
        self._layouts: dict[int, list[_Layout]] = {}

    def __call__(self, payload: Buffer) -> FlowRecord:
        """Return the record of one message; raise `DecodeError`."""
        for layout in self._layouts.get(len(payload), ()):
            record = layout.read(payload)
            if record is not None:
                return record
        record = FlowRecord.from_reply(payload)
        layouts = self._layouts.setdefault(len(payload), [])
        if len(layouts) < MAX_LAYOUTS and _Layout.fits(payload):
            layouts.append(_Layout(payload))
        return record


class _Layout:
    """Where values stand in the messages like one.

    They are read as a tuple: the headers of the message, then of each attribute its header and its values, and at
    the end, appended, None for what is not there.
    """

    __slots__ = ("_expected", "_headers", "_unpack", "_values")

    def __init__(self, payload: Buffer) -> None:
        format_, at = "=BB2xi", OVS_HDRLEN
        count = 3
        headers: list[int] = []
        places: dict[int, int] = {}
        for number, start, end in walk(payload, OVS_HDRLEN):
            code = _CODES.get(FlowAttr(number), f"{end - start}s")
            format_ += f"{start - NLA_HDRLEN - at}xI{code}"
            headers.append(count)
            places[number] = count + 1
            count += 1 + len(struct.unpack(f"={code}", bytes(payload[start:end])))
            at = end
        stats = places.get(FlowAttr.STATS)
        shown = [FlowAttr.KEY, FlowAttr.ACTIONS, FlowAttr.MASK, FlowAttr.UFID, FlowAttr.USED, FlowAttr.TCP_FLAGS]
        counters = [-1, -1] if stats is None else [stats, stats + 1]
        self._unpack = struct.Struct(f"{format_}{len(payload) - at}x").unpack
        self._values = _getter([0, 1, 2, *[places.get(number, -1) for number in shown], *counters])
        self._headers = _getter([*headers, -1])
        self._expected = self._headers((*self._unpack(payload), None))

    @staticmethod
    def fits(payload: Buffer) -> bool:
        """Tell whether a good message has no attributes but those that are read here."""
        return all(number in _CODES or number in _BYTES for number, _, _ in walk(payload, OVS_HDRLEN))

    def read(self, payload: Buffer) -> FlowRecord | None:
        """Return the record, None when the message is of another layout."""
        unpacked: tuple[Any, ...] = (*self._unpack(payload), None)
        if self._headers(unpacked) != self._expected:
            return None
        # Its __init__ would check what is right already; what such messages never have is the class's to say.
        record = FlowRecord.__new__(FlowRecord)
        (
            record.command,
            record.version,
            record.dp_ifindex,
            record.key,
            record.actions,
            record.mask,
            record.ufid,
            record.used,
            record.tcp_flags,
            packets,
            octets,
        ) = self._values(unpacked)
        record.stats = None if packets is None else _new_tuple(FlowCounters, (packets, octets))
        return record


def _getter(indexes: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return what takes the items of these indexes, two at least, out of a tuple."""
    first, second, *others = indexes
    return operator.itemgetter(first, second, *others)
