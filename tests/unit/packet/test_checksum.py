from __future__ import annotations

from ipaddress import ip_address

import pytest

from dpif.packet.checksum import checksum, crc32c, ones_complement_sum, pseudo_header_sum, update


def test_the_example_of_rfc_1071():
    assert ones_complement_sum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D


def test_a_right_packet_sums_to_zero():
    header = bytes.fromhex("45000073000040004011b861c0a80001c0a800c7")
    assert checksum(header) == 0
    assert checksum(header[:10] + b"\0\0" + header[12:]) == 0xB861


def test_odd_data_count_as_padded():
    assert checksum(b"\x12\x34\x56") == checksum(b"\x12\x34\x56\x00")


def test_the_two_zeros():
    assert ones_complement_sum(bytes(4)) == 0
    assert ones_complement_sum(b"\xff\xff") == 0xFFFF
    assert checksum(b"") == 0xFFFF


def test_pseudo_headers_of_both_families():
    four = ip_address("10.0.0.1").packed, ip_address("10.0.0.2").packed
    assert pseudo_header_sum(*four, 17, 8) == ones_complement_sum(b"".join(four) + b"\x00\x11\x00\x08")
    six = ip_address("fc00::1").packed, ip_address("fc00::2").packed
    tail = (0x12345).to_bytes(4) + bytes(3) + b"\x3a"
    assert pseudo_header_sum(*six, 58, 0x12345) == ones_complement_sum(b"".join(six) + tail)


def test_the_example_of_rfc_1624():
    # The corner that equation 3 gets right: the checksum becomes 0, not 0xffff.
    assert update(0xDD2F, 0x5555, 0x3285) == 0x0000


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\xff\xff\x00\x00", b"\x00\x01\x00\x02"])
@pytest.mark.parametrize("new", [0, 1, 0xFFFF])
def test_an_update_is_what_a_new_sum_gives(data, new):
    old = int.from_bytes(data[:2])
    changed = new.to_bytes(2) + data[2:]
    assert update(checksum(data), old, new) % 0xFFFF == checksum(changed) % 0xFFFF


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"", 0)],
)
def test_crc32c(data, crc):
    # Check value of the CRC catalogue, and RFC 3720 appendix B.4.
    assert crc32c(data) == crc
