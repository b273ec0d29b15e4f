from __future__ import annotations

import pytest

from dpif.conntrack.constants import Subsystem
from dpif.conntrack.nfnetlink import Header, message_type, pack_header, request, unpack_header
from dpif.errors import DecodeError


def test_the_type_has_subsystem_and_command() -> None:
    assert message_type(Subsystem.CTNETLINK_TIMEOUT, 2) == 0x802


def test_the_header() -> None:
    assert pack_header(10) == bytes([10, 0, 0, 0])
    assert unpack_header(bytes([2, 0, 1, 0])) == Header(2, 0, 256)


@pytest.mark.parametrize(
    ("payload", "reason"), [(b"\x02\0\0", "3 bytes are too few"), (b"\x02\x01\0\0", "version 1")]
)
def test_a_bad_header(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        unpack_header(payload)


def test_a_get_is_answered_by_a_new() -> None:
    made = request(Subsystem.CTNETLINK, 1, b"", bytes, "ask")
    assert (made.kind.family, made.kind.answer_type(0x101)) == (0x101, 0x100)
