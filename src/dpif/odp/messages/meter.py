"""Messages of the family ``ovs_meter``: make, read and remove meters."""

from __future__ import annotations

from dpif._typing import NamedTuple
from dpif.errors import EncodeError, brief
from dpif.netlink.attributes import Buffer, RawAttr
from dpif.netlink.policy import FLAG, PAD, U32, U64, AttributeSet, ListOf, Structure
from dpif.odp.constants import OVS_METER_FAMILY, OVS_METER_VERSION, BandAttr, MeterAttr
from dpif.odp.messages.base import Record
from dpif.odp.messages.flow import FlowCounters

COUNTERS = Structure("=2Q", FlowCounters)
BAND = AttributeSet(
    "BAND",
    {BandAttr.TYPE: U32, BandAttr.RATE: U32, BandAttr.BURST: U32, BandAttr.STATS: COUNTERS},
)


class MeterBand(NamedTuple):
    """One band of a meter (``enum ovs_band_attr``).

    A request sets ``type``, ``rate`` and ``burst``; a reply tells ``stats`` alone, or, to FEATURES, ``type`` alone.
    """

    type: int | None = None
    rate: int | None = None
    burst: int | None = None
    stats: FlowCounters | None = None
    unknown: tuple[RawAttr, ...] = ()


class _Band:
    """The attributes of a band as a `MeterBand`."""

    def decode(self, buffer: Buffer, start: int, end: int) -> MeterBand:
        """Decode by the set, whose numbers count from 1 as the fields do."""
        decoded = BAND.decode_inner(buffer, start, end)
        return MeterBand._make((*map(decoded.values.get, BandAttr), decoded.unknown))

    def encode(self, value: MeterBand) -> bytes:
        """Encode the fields that are set."""
        if not isinstance(value, MeterBand):
            raise EncodeError(f"expected a MeterBand, not {brief(value)}")
        *fields, unknown = value
        return BAND.encode_inner(dict(zip(BandAttr, fields, strict=True)), unknown)


METER = AttributeSet(
    "METER",
    {
        MeterAttr.ID: U32,
        MeterAttr.KBPS: FLAG,
        MeterAttr.STATS: COUNTERS,
        MeterAttr.BANDS: ListOf(_Band(), first=0),
        MeterAttr.USED: U64,
        MeterAttr.CLEAR: FLAG,
        MeterAttr.MAX_METERS: U32,
        MeterAttr.MAX_BANDS: U32,
        MeterAttr.PAD: PAD,
    },
)


class MeterRecord(Record):
    """One message of ``ovs_meter``; see ``enum ovs_meter_attr``.

    ``used`` is in milliseconds on the monotonic clock of the datapath. The kernel answers DEL of a meter that is
    not there with a record without ``id``.
    """

    FAMILY = OVS_METER_FAMILY
    VERSION = OVS_METER_VERSION
    ATTRIBUTES = METER

    id: int | None = None
    kbps: bool | None = None
    stats: FlowCounters | None = None
    bands: tuple[MeterBand, ...] | None = None
    used: int | None = None
    clear: bool | None = None
    max_meters: int | None = None
    max_bands: int | None = None
