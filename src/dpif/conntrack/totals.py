"""How many connections there are, and may be (`Totals`)."""

from __future__ import annotations

from dpif._typing import NamedTuple
from dpif.conntrack.constants import StatsGlobalAttr
from dpif.conntrack.nfnetlink import HEADER_SIZE, pack_header, unpack_header
from dpif.netlink.attributes import Buffer
from dpif.netlink.policy import BE32, AttributeSet

_TOTALS = AttributeSet(
    "TOTALS",
    {StatsGlobalAttr.ENTRIES: BE32, StatsGlobalAttr.MAX_ENTRIES: BE32},
    required=(StatsGlobalAttr.ENTRIES,),
)


class Totals(NamedTuple):
    """The connections of a network namespace, and ``nf_conntrack_max``, None where that is not told."""

    entries: int
    max_entries: int | None = None

    @classmethod
    def from_payload(cls, payload: Buffer) -> Totals:
        """Decode a message; raise `DecodeError`."""
        unpack_header(payload)
        values = _TOTALS.decode(payload, HEADER_SIZE).values
        return cls(values[StatsGlobalAttr.ENTRIES], values.get(StatsGlobalAttr.MAX_ENTRIES))

    def to_payload(self) -> bytes:
        """Encode."""
        return pack_header(0) + _TOTALS.encode(
            {StatsGlobalAttr.ENTRIES: self.entries, StatsGlobalAttr.MAX_ENTRIES: self.max_entries}
        )
