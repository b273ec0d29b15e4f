"""The messages of the family ``psample``: what they bring, and what they leave out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError
from dpif.netlink.generic import GENL_HDRLEN, pack_header
from dpif.psample import ALWAYS, PacketSampleCmd, Sample, decode_sample, encode_sample

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
U64 = st.integers(0, (1 << 64) - 1)
SAMPLES = st.builds(
    Sample,
    group=U32,
    packet=st.binary(max_size=200),
    cookie=st.none() | st.binary(min_size=1, max_size=16),
    rate=U32,
    is_probability=st.booleans(),
    length=U32,
    protocol=st.none() | U16,
    in_ifindex=st.none() | U16,
    out_ifindex=st.none() | U16,
    sequence=U32,
    timestamp=st.none() | U64,
    tunnel=st.none() | st.binary(min_size=4, max_size=8),
    out_queue=st.none() | U16,
    out_queue_bytes=st.none() | U64,
    latency=st.none() | U64,
)
HEADER = pack_header(PacketSampleCmd.SAMPLE, 1)


@given(SAMPLES)
def test_what_is_sent_is_read(sample: Sample) -> None:
    assert decode_sample(encode_sample(sample)) == sample


def test_the_bytes_of_a_sample() -> None:
    """As Linux 7.2 sends them on a little-endian machine, but for the time that it tells."""
    sample = Sample(1, b"\xaa\xbb", cookie=b"\xc0\xff\xee", is_probability=True, length=60, in_ifindex=0x10002)
    expected = (
        "00010000 06000000 02000000 08000500 ffffffff 08000200 3c000000 08000300 01000000 08000400 00000000"
        "06000600 aabb0000 07000f00 c0ffee00 04001000"
    )
    assert encode_sample(sample) == bytes.fromhex(expected)


def test_what_is_not_told_is_as_it_is_as_a_rule() -> None:
    assert decode_sample(HEADER) == Sample(0, b"", rate=ALWAYS, length=0)


def test_a_probability() -> None:
    assert Sample(1, b"", is_probability=True).probability == 1.0
    assert Sample(1, b"", rate=1 << 31, is_probability=True).probability == pytest.approx(0.5)
    assert Sample(1, b"", rate=100).probability == pytest.approx(0.01)
    assert Sample(1, b"", rate=0).probability == 0.0


def test_a_packet_is_cut_to_what_a_message_has_room_for() -> None:
    long = Sample(1, bytes(0xFFFF), length=0xFFFF)
    assert len(encode_sample(long)) - GENL_HDRLEN <= 0xFFFF
    read = decode_sample(encode_sample(long))
    assert read is not None
    assert (read.length, read.packet) == (0xFFFF, bytes(len(read.packet)))
    assert 0xFF00 < len(read.packet) < 0xFFFF


@pytest.mark.parametrize("command", [PacketSampleCmd.GET_GROUP, PacketSampleCmd.NEW_GROUP, PacketSampleCmd.DEL_GROUP])
def test_other_messages_are_no_samples(command: PacketSampleCmd) -> None:
    assert decode_sample(pack_header(command, 1)) is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        HEADER[:3],
        HEADER + bytes.fromhex("0300 0000"),  # an attribute shorter than its header
        HEADER + bytes.fromhex("0600 0300 0100 0000"),  # a group of two bytes
        HEADER + bytes.fromhex("0900 0600 aabb"),  # a packet that is longer than the message
    ],
)
def test_what_cannot_be_read_is_told(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_sample(payload)
