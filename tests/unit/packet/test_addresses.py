from __future__ import annotations

import copy
import pickle

import pytest

from dpif.errors import EncodeError, ParseError
from dpif.packet.addresses import BROADCAST, Mac


@pytest.mark.parametrize(
    "value",
    [
        "00:11:22:aa:BB:cc",
        "0:11:22:aa:bb:cc",
        b"\x00\x11\x22\xaa\xbb\xcc",
        bytearray(b"\0\x11\x22\xaa\xbb\xcc"),
        0x1122AABBCC,
    ],
)
def test_each_way_to_make_one(value):
    mac = Mac(value)
    assert str(mac) == f"{mac}" == "00:11:22:aa:bb:cc"
    assert repr(mac) == "Mac('00:11:22:aa:bb:cc')"
    assert type(bytes(mac)) is bytes
    assert bytes(mac) == b"\x00\x11\x22\xaa\xbb\xcc"
    assert int(mac) == 0x1122AABBCC
    assert Mac(mac) == mac


def test_it_is_the_bytes_of_the_packet():
    packet = b"\xff" * 6 + b"\0\0\0\0\0\1" + b"\x08\0"
    table = {Mac("00:00:00:00:00:01"): 1, BROADCAST: 2}
    assert table[packet[6:12]] == 1
    assert table[packet[:6]] == 2


def test_it_equals_its_texts():
    mac = Mac("00:11:22:aa:bb:cc")
    for text in ("00:11:22:aa:bb:cc", "0:11:22:AA:bb:CC"):
        assert mac == text
        assert text == mac
        assert (mac != text) is False
    for other in ("00:11:22:aa:bb:cd", "no address", "", 5, None):
        assert mac != other
        assert (mac == other) is False
    assert mac in ["00:11:22:aa:bb:cc"]
    assert hash(mac) == hash(bytes(mac))


def test_order_is_numeric():
    assert Mac(1) < Mac(256) < Mac("ff:00:00:00:00:00") < BROADCAST


def test_kinds():
    assert BROADCAST.is_broadcast
    assert BROADCAST.is_multicast
    assert Mac("01:80:c2:00:00:0e").is_multicast
    assert not Mac("01:80:c2:00:00:0e").is_broadcast
    assert not Mac("02:00:00:00:00:01").is_multicast
    assert Mac("02:00:00:00:00:01").is_local
    assert not Mac("00:11:22:33:44:55").is_local


def test_copies_and_pickles():
    mac = Mac("00:11:22:33:44:55")
    for twin in (pickle.loads(pickle.dumps(mac)), copy.deepcopy(mac)):
        assert twin == mac
        assert type(twin) is Mac


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00:11:22:33:44",
        "00:11:22:33:44:55:66",
        "00-11-22-33-44-55",
        "00:11:22:33:44:5g",
        "000:1:2:3:4:5",
        "00:11:22:33:44:55\n",
    ],
)
def test_bad_text(text):
    with pytest.raises(ParseError, match="is not an Ethernet address"):
        Mac(text)


@pytest.mark.parametrize("value", [b"", b"12345", b"1234567", -1, 1 << 48])
def test_bad_bytes_and_numbers(value):
    with pytest.raises(EncodeError, match="Ethernet address"):
        Mac(value)
