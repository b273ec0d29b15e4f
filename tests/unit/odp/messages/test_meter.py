from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import RawAttr, attribute
from dpif.odp.constants import BandAttr, MeterAttr, MeterCmd
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.flow import FlowCounters
from dpif.odp.messages.meter import MeterBand, MeterRecord


def u32(number: int) -> bytes:
    return struct.pack("=I", number)


def test_a_request_as_the_kernel_takes_it() -> None:
    record = MeterRecord(command=MeterCmd.SET, dp_ifindex=7, id=3, kbps=True, bands=(MeterBand(1, 1000, 500),))
    band = (
        attribute(BandAttr.TYPE, u32(1)) + attribute(BandAttr.RATE, u32(1000)) + attribute(BandAttr.BURST, u32(500))
    )
    assert record.to_payload()[OVS_HDRLEN:] == (
        attribute(MeterAttr.ID, u32(3))
        + attribute(MeterAttr.KBPS, b"")
        + attribute(MeterAttr.BANDS, attribute(0, band))
    )


def test_a_reply_with_the_id_twice() -> None:
    stats = attribute(MeterAttr.STATS, struct.pack("=2Q", 9, 900))
    bands = attribute(MeterAttr.BANDS, attribute(0, attribute(BandAttr.STATS, struct.pack("=2Q", 4, 400))))
    ids = attribute(MeterAttr.ID, u32(3)) * 2
    payload = MeterRecord(command=MeterCmd.SET).to_payload() + ids + stats + attribute(MeterAttr.PAD, b"") + bands
    record = MeterRecord.from_reply(payload)
    assert (record.id, record.stats, record.bands) == (
        3,
        FlowCounters(9, 900),
        (MeterBand(stats=FlowCounters(4, 400)),),
    )


def test_a_band_that_is_none() -> None:
    with pytest.raises(EncodeError, match=r"METER\.BANDS\.\[0\]: expected a MeterBand"):
        MeterRecord(bands=({"rate": 1},)).to_payload()  # type: ignore[arg-type]  # the point


U32 = st.integers(0, 0xFFFFFFFF)
COUNTERS = st.builds(FlowCounters, *[st.integers(0, 2**64 - 1)] * 2)
BANDS = st.builds(
    MeterBand,
    *[st.none() | U32] * 3,
    st.none() | COUNTERS,
    st.lists(st.builds(RawAttr, st.integers(5, 0x3FFF), st.binary(max_size=8)), max_size=2).map(tuple),
)
RECORDS = st.builds(
    MeterRecord,
    command=st.integers(0, 255),
    version=st.integers(0, 255),
    dp_ifindex=st.integers(-(2**31), 2**31 - 1),
    id=st.none() | U32,
    kbps=st.none() | st.just(True),
    stats=st.none() | COUNTERS,
    bands=st.none() | st.lists(BANDS, max_size=3).map(tuple),
    used=st.none() | st.integers(0, 2**64 - 1),
    clear=st.none() | st.just(True),
    max_meters=st.none() | U32,
    max_bands=st.none() | U32,
)


@given(RECORDS)
def test_records_survive_the_wire(record: MeterRecord) -> None:
    assert MeterRecord.from_payload(record.to_payload()) == record


@given(st.binary(max_size=120))
def test_any_bytes_are_a_record_or_refused(noise: bytes) -> None:
    with contextlib.suppress(DecodeError):  # any other error is a failure
        MeterRecord.from_reply(bytes(OVS_HDRLEN) + noise)
