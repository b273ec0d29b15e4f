from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import attribute
from dpif.odp.constants import CtLimitAttr, CtLimitCmd
from dpif.odp.messages.base import OVS_HDRLEN
from dpif.odp.messages.ct_limit import CtLimitRecord, ZoneLimit


def test_limits_are_structures_in_a_row() -> None:
    record = CtLimitRecord(command=CtLimitCmd.SET, zone_limit=(ZoneLimit(-1, 10), ZoneLimit(5, 3, 2)))
    limits = struct.pack("=iIIiII", -1, 10, 0, 5, 3, 2)
    assert record.to_payload()[OVS_HDRLEN:] == attribute(CtLimitAttr.ZONE_LIMIT, limits)


def test_a_cut_off_structure() -> None:
    payload = CtLimitRecord().to_payload() + attribute(CtLimitAttr.ZONE_LIMIT, bytes(13))
    with pytest.raises(DecodeError, match=r"CT_LIMIT\.ZONE_LIMIT at byte 12: 13 bytes where a multiple of 12"):
        CtLimitRecord.from_payload(payload)


@pytest.mark.parametrize("limit", [ZoneLimit(2**31), ZoneLimit(0, -1), 7, ZoneLimit("a")])  # type: ignore[arg-type]
def test_a_limit_that_is_none(limit: ZoneLimit) -> None:
    with pytest.raises(EncodeError, match=r"CT_LIMIT\.ZONE_LIMIT: .* is not a list of zone limits"):
        CtLimitRecord(zone_limit=(limit,)).to_payload()


U32 = st.integers(0, 0xFFFFFFFF)
LIMITS = st.builds(ZoneLimit, st.integers(-(2**31), 2**31 - 1), U32, U32)


@given(st.none() | st.lists(LIMITS).map(tuple))
def test_records_survive_the_wire(limits: tuple[ZoneLimit, ...] | None) -> None:
    record = CtLimitRecord(command=CtLimitCmd.GET, version=1, zone_limit=limits)
    assert CtLimitRecord.from_payload(record.to_payload()) == record


@given(st.binary(max_size=60))
def test_any_bytes_are_a_record_or_refused(noise: bytes) -> None:
    with contextlib.suppress(DecodeError):  # any other error is a failure
        CtLimitRecord.from_reply(bytes(OVS_HDRLEN) + noise)
