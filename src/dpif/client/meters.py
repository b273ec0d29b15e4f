"""The meters of a datapath: rate limits that ``meter(ID)`` actions pass packets through."""

from __future__ import annotations

import errno

from dpif._typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from dpif.client.families import transact_optional
from dpif.errors import EncodeError, NetlinkError, brief, netlink_error
from dpif.odp.constants import MeterBandType, MeterCmd
from dpif.odp.messages.flow import FlowCounters
from dpif.odp.messages.meter import MeterBand, MeterRecord

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath

Unit: TypeAlias = Literal["kbps", "pktps"]

UNITS: Final = ("kbps", "pktps")
_SLOT_TAKEN: Final = (
    "another meter has the place of this id (a kernel keeps a meter at its id modulo the size of its table): "
    "number meters densely, from 0 or 1"
)


class MeterFeatures(NamedTuple):
    """What a datapath's meters can do: how many there may be, of how many bands, of which types (DROP alone)."""

    max_meters: int
    max_bands: int
    band_types: tuple[int, ...]


class Meter(NamedTuple):
    """A meter's counters.

    ``packets`` and ``bytes`` came to the meter, those of ``bands`` exceeded the rate (and were dropped). ``used``
    is when the last one came (or when it was made), in seconds as `time.monotonic` counts.
    """

    id: int
    packets: int
    bytes: int
    bands: tuple[FlowCounters, ...]
    used: float | None = None

    @classmethod
    def of_record(cls, record: MeterRecord) -> Meter | None:
        """Make one of a reply; None when that tells of no meter."""
        if record.id is None or record.stats is None:
            return None
        bands = tuple(band.stats or FlowCounters() for band in record.bands or ())
        return cls(record.id, *record.stats, bands, None if record.used is None else record.used / 1000)


class Meters:
    """The meters of one datapath.

    A meter has an id that its maker chooses. It cannot be iterated over: datapaths neither list their meters nor
    tell rates; who sets meters keeps track of them.
    """

    def __init__(self, datapath: Datapath) -> None:
        self._dp = datapath

    def features(self) -> MeterFeatures:
        """Return what meters can do here; raise `NetlinkError` with EOPNOTSUPP for nothing.

        Linux has meters since 4.15.
        """
        reply = self._transact(MeterRecord(command=MeterCmd.FEATURES), "reading the meter features of")
        types = tuple(band.type for band in reply.bands or () if band.type is not None)
        return MeterFeatures(reply.max_meters or 0, reply.max_bands or 0, types)

    def set(self, id: int, *, rate: int, burst: int | None = None, unit: Unit = "kbps") -> Meter | None:
        """Make meter `id`, or replace it with all its counters; return the counters of the one replaced.

        It drops what exceeds `rate`, in kilobits or packets per second by `unit`; `burst`, in kilobits or packets,
        is how much may come at once (by default what `rate` lets through in a second; with 0 nothing passes).
        Raises `EncodeError` for a rate of 0 and an unknown unit, `NetlinkError` with EBUSY when another meter has
        the place of this id, with EFBIG when the table is full. Linux before 4.18 does not heed `id`.
        """
        if unit not in UNITS:
            raise EncodeError(f"unknown unit {brief(unit)} of a meter; one of: {', '.join(UNITS)}")
        if rate == 0:
            raise EncodeError("the rate of a meter is at least 1")
        band = MeterBand(MeterBandType.DROP, rate, rate if burst is None else burst)
        record = MeterRecord(command=MeterCmd.SET, id=id, kbps=unit == "kbps", bands=(band,))
        try:
            return Meter.of_record(self._transact(record, f"setting meter {id} of"))
        except NetlinkError as error:
            if error.errno != errno.EBUSY or error.explanation:
                raise
            raise netlink_error(errno.EBUSY, error.operation, _SLOT_TAKEN) from None

    def get(self, id: int) -> Meter:
        """Return the counters of meter `id`; raise `NoSuchObject`."""
        operation = f"reading meter {id} of"
        meter = Meter.of_record(self._transact(MeterRecord(command=MeterCmd.GET, id=id), operation))
        if meter is None:
            raise NetlinkError(errno.EPROTO, f"{operation} {self._dp.name}", "the reply tells of no meter")
        return meter

    def delete(self, id: int) -> Meter | None:
        """Remove meter `id`; return its last counters, None when there was none.

        Flows that name the meter stay; what they handle passes without a limit.
        """
        record = MeterRecord(command=MeterCmd.DEL, id=id)
        return Meter.of_record(self._transact(record, f"deleting meter {id} of"))

    def _transact(self, record: MeterRecord, operation: str) -> MeterRecord:
        record.dp_ifindex = self._dp.ifindex
        operation = f"{operation} {self._dp.name}"
        reply = transact_optional(self._dp.connection, record.request(operation))
        if reply is None:
            raise NetlinkError(errno.EPROTO, operation, "the datapath acknowledged without a reply")
        return reply
