from __future__ import annotations

import pytest

from dpif.errors import DecodeError, EncodeError
from dpif.netlink import constants as c
from dpif.netlink.attributes import attribute
from dpif.netlink.generic import (
    Family,
    GenericHeader,
    decode_family,
    encode_family,
    get_family,
    list_families,
    pack_header,
    unpack_header,
)

# What a Linux 6.18 kernel says of nlctrl (little-endian).
GOLDEN = bytes.fromhex(
    "01020000 0b000200 6e6c6374726c0000 06000100 10000000 08000300 02000000 08000400 00000000"
    "08000500 00000000 2c000600 14000100 08000100 03000000 08000200 0e000000 14000200 08000100"
    "0a000000 08000200 0c000000 1c000700 18000100 08000200 10000000 0b000100 6e6f746966790000"
)
NLCTRL = Family("nlctrl", 16, 2, 0, {"notify": 16})


def test_golden_family() -> None:
    assert decode_family(GOLDEN) == NLCTRL
    assert encode_family(NLCTRL, {3: 14, 10: 12}) == GOLDEN


def test_a_family_without_operations_and_groups() -> None:
    family = Family("toy", 30, 1, 4, {})
    assert decode_family(encode_family(family, {})) == family


def test_header() -> None:
    assert pack_header(3, 2) == b"\x03\x02\0\0"
    assert unpack_header(b"\x03\x02\0\0more") == GenericHeader(3, 2)
    with pytest.raises(DecodeError, match="3 bytes are too few"):
        unpack_header(bytes(3))


def test_requests() -> None:
    assert get_family("nlctrl").payload == b"\x03\x02\0\0" + attribute(c.CTRL_ATTR_FAMILY_NAME, b"nlctrl\0")
    assert list_families().payload == b"\x03\x02\0\0"
    with pytest.raises(EncodeError, match="longer than 15 bytes"):
        get_family("a-name-of-16-let")


def test_a_family_must_have_an_id() -> None:
    with pytest.raises(DecodeError, match=r"CTRL\.FAMILY_ID at byte 4: missing"):
        decode_family(pack_header(1, 2) + attribute(c.CTRL_ATTR_FAMILY_NAME, b"toy\0"))
