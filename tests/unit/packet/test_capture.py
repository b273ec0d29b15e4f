from __future__ import annotations

import contextlib
import gzip
import os
import struct
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapNgWriter, RawPcapReader, RawPcapWriter

from dpif.errors import DpifError, EncodeError, Unavailable
from dpif.packet.capture import CapturedPacket, Writer, read

PACKETS = [
    CapturedPacket(0.0, b"first" * 3, 15),
    CapturedPacket(1700000000.000001, b"second" * 3, 18),
    CapturedPacket(1700000000.999999, b"third, which was cut", 1500),
    CapturedPacket(2.5, b"", 0),
]


@pytest.fixture(params=["a.pcap", "a.pcapng"])
def path(request, tmp_path):
    return tmp_path / request.param


def write(path, packets=PACKETS, **options):
    with Writer(path, **options) as writer:
        for packet in packets:
            writer.write(packet.data, packet.timestamp, packet.wire_length)


def test_what_is_written_is_read(path):
    write(path)
    assert list(read(path)) == PACKETS[: len(PACKETS)]
    assert list(read(str(path))) == PACKETS


def test_the_name_chooses_the_format(tmp_path):
    write(tmp_path / "a.pcapng")
    write(tmp_path / "a.pcap")
    assert (tmp_path / "a.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert (tmp_path / "a.pcap").read_bytes()[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")


def test_a_capture_without_packets(path):
    write(path, [])
    assert list(read(path)) == []


def test_the_time_is_now_unless_told(path):
    with Writer(path) as writer:
        writer.write(b"now")
    (packet,) = read(path)
    assert packet.timestamp > 1_700_000_000
    assert packet.wire_length == 3


def test_flush_shows_each_packet_at_once(path):
    with Writer(path, flush=True) as writer:
        writer.write(b"one", 1.0)
        assert [packet.data for packet in read(path)] == [b"one"]


def test_closing_twice(path):
    writer = Writer(path)
    writer.close()
    writer.close()


def test_gzip(path):
    write(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read(path)) == PACKETS


def test_nanoseconds_and_big_endian(tmp_path):
    path = tmp_path / "nano.pcap"
    path.write_bytes(struct.pack(">IHHIIIIIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1, 7, 500_000_000, 2, 2) + b"ab")
    assert list(read(path)) == [CapturedPacket(7.5, b"ab", 2)]


def test_a_pcapng_packet_without_time(tmp_path):
    path = tmp_path / "simple.pcapng"
    interface = block(1, struct.pack("<HHI", 1, 0, 0xFFFF))
    path.write_bytes(section() + interface + block(3, struct.pack("<I", 4) + b"abcd"))
    assert list(read(path)) == [CapturedPacket(0.0, b"abcd", 4)]


def test_link_types(path):
    write(path, link_type=253)
    assert list(read(path, link_type=253)) == PACKETS
    with pytest.raises(DpifError, match=f"{path}: packets of link type 253, not 1"):
        list(read(path))


@pytest.mark.parametrize("timestamp", [-1.0, 2.0**32])
def test_a_time_out_of_range(path, timestamp):
    with Writer(path) as writer, pytest.raises(EncodeError, match="range"):
        writer.write(b"x", timestamp)


def test_a_file_that_is_not_there(tmp_path):
    missing = tmp_path / "missing.pcap"
    with pytest.raises(Unavailable, match=f"^{missing}: No such file or directory$"):
        list(read(missing))
    with pytest.raises(Unavailable, match="No such file or directory"):
        Writer(tmp_path / "missing" / "a.pcap")
    with pytest.raises(Unavailable, match="Is a directory"):
        list(read(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"\xd4", b"no capture at all", b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a" * 2, b"\x1f\x8b"]
)
def test_a_file_that_is_no_capture(tmp_path, content, capfd):
    path = tmp_path / "bad.pcap"
    path.write_bytes(content)
    with pytest.raises(DpifError, match=f"^{path}: (not a pcap or pcapng file|the file ends within its header)"):
        list(read(path))
    assert capfd.readouterr().err == ""


def test_a_capture_that_is_cut(path, capfd):
    """The packets before the cut, then the error; only a cut between two records cannot be told."""
    write(path)
    whole = path.read_bytes()
    silent = []
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        packets = read(path)
        found = []
        with contextlib.suppress(DpifError):
            found += packets
            silent.append(size)
        assert found == PACKETS[: len(found)]
    assert len(silent) == {".pcap": len(PACKETS), ".pcapng": len(PACKETS) + 1}[path.suffix]
    assert capfd.readouterr().err == ""


def test_what_is_before_the_cut_is_given(path):
    write(path)
    path.write_bytes(path.read_bytes()[:-5])
    packets = read(path)
    assert [next(packets) for _ in PACKETS[:-1]] == PACKETS[:-1]
    with pytest.raises(DpifError, match=f"^{path}: "):
        next(packets)


def test_a_reader_left_early_closes_its_file(path):
    write(path)
    packets = read(path)
    next(packets)
    before = len(os.listdir("/proc/self/fd"))
    packets.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


# Beside scapy, which reads and writes the same formats.


def test_scapy_reads_what_is_written(path):
    write(path)
    with RawPcapReader(str(path)) as reader:
        assert [(data, about.wirelen) for data, about in reader] == [(p.data, p.wire_length) for p in PACKETS]


@pytest.mark.parametrize("writer", [RawPcapWriter, RawPcapNgWriter])
def test_what_scapy_writes_is_read(tmp_path, writer):
    path = tmp_path / "theirs"
    with writer(str(path)) as theirs:
        theirs.linktype = 1
        theirs.write_header(None)
        for packet in PACKETS:
            theirs.write_packet(
                packet.data, sec=Fraction(packet.timestamp).limit_denominator(10**6), wirelen=packet.wire_length
            ) if writer is RawPcapNgWriter else theirs.write_packet(
                packet.data,
                sec=int(packet.timestamp),
                usec=round(packet.timestamp % 1 * 10**6),
                wirelen=packet.wire_length,
            )
    assert list(read(path)) == PACKETS


def block(kind, body, order="<"):
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def enhanced(interface, ticks, data, order="<"):
    about = struct.pack(order + "5I", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, about + data + bytes(-len(data) % 4), order)


def test_sections_and_interfaces_have_ways_of_their_own(tmp_path):
    """Byte orders; times in powers of ten and of two, with an offset; blocks that are of no interest; old packets."""
    comment = struct.pack("<HH4sHH", 1, 3, b"abc", 0, 0)
    nano = struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHB3x", 9, 1, 9) + comment
    binary = struct.pack(">HHI", 1, 0, 0) + struct.pack(">HHB3xHHqHH", 9, 1, 0x8A, 14, 8, 1000, 0, 0)
    old = struct.pack("<HHIIII", 0, 0, 0, 2_000_000_000, 3, 3) + b"old\0"
    path = tmp_path / "sections.pcapng"
    path.write_bytes(
        section()
        + block(1, nano)
        + block(0xBAD, b"what?!!!")
        + enhanced(0, 1_500_000_000, b"one")
        + block(2, old)
        + section(">")
        + block(1, binary, ">")
        + enhanced(0, 512, b"three", ">")
    )
    assert list(read(path)) == [
        CapturedPacket(1.5, b"one", 3),
        CapturedPacket(2.0, b"old", 3),
        CapturedPacket(1000.5, b"three", 5),
    ]


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [
        (enhanced(1, 0, b"x"), "a packet of interface 1, of 1, at byte 84"),
        (block(6, bytes(8)), "a packet's block without its header, at byte 68"),
        (block(6, struct.pack("<5I", 0, 0, 0, 5, 5) + b"four"), "a packet of 5 bytes in a block of 4, at byte 84"),
        (block(1, b"1234"), "an interface without a link type, at byte 64"),
        (struct.pack("<II", 6, 13), "a block's length of 13 bytes, at byte 56"),
        (struct.pack("<III", 6, 12, 16), "a block of 12 bytes that ends with another length, at byte 60"),
        (b"\x0a\x0d\x0d\x0a" + bytes(8), "a section without a byte order, at byte 60"),
    ],
)
def test_blocks_that_are_damaged(tmp_path, blocks, complaint):
    path = tmp_path / "bad.pcapng"
    path.write_bytes(section() + block(1, struct.pack("<HHI", 1, 0, 0)) + blocks)
    with pytest.raises(DpifError) as caught:
        list(read(path))
    assert str(caught.value) == f"{path}: {complaint}"


@given(data=st.data())
def test_any_bytes_are_packets_or_an_error(tmp_path_factory, data):
    """Whole files with some bytes changed, of which no other exception may come."""
    path = tmp_path_factory.mktemp("any") / data.draw(st.sampled_from(["a.pcap", "a.pcapng"]))
    write(path)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(gzip.compress(content, mtime=0) if data.draw(st.booleans()) else content)
    with contextlib.suppress(DpifError):
        for packet in read(path):
            assert len(packet.data) <= len(content)


# What a hostile file, or a full disk, may do.


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("where", ["header", "later"])
def test_a_block_that_says_it_is_long_is_not_read(tmp_path, zipped, where):
    path = tmp_path / "a.pcapng"
    header = b"\x0a\x0d\x0d\x0a" + struct.pack("<IIHHq", 28, 0x1A2B3C4D, 1, 0, -1) + struct.pack("<I", 28)
    if where == "header":
        header = header[:4] + struct.pack("<I", 0xFFFFFFF0) + header[8:]
    data = header + struct.pack("<II", 6, 0xFFFFFFF0) + bytes(400)
    path.write_bytes(gzip.compress(data) if zipped else data)
    with pytest.raises(DpifError, match=r"a block of|not a pcap|no memory"):
        list(read(path))


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_what_must_be_a_regular_file_is_not_waited_for(tmp_path, name):
    fifo = tmp_path / name
    os.mkfifo(fifo)
    with pytest.raises(Unavailable, match="not a regular file"):
        next(read(fifo, regular=True))
    with pytest.raises(Unavailable, match="not a regular file"):
        Writer(fifo, regular=True)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(Unavailable, match="not a regular file"):
        Writer(fifo, regular=True)
    os.close(reader)


def test_what_goes_nowhere_is_fine():
    with Writer(os.devnull, regular=True, flush=True) as writer:
        writer.write(b"gone")


def test_a_packet_for_which_there_is_no_room_is_left_out_as_a_whole(path):
    program = """
import resource, sys
from dpif.packet.capture import Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (1020, 1020))
failed = 0
with Writer(sys.argv[1], flush=True) as writer:
    for number in range(20):
        try:
            writer.write(bytes([number]) * 100, 1.0)
        except OSError:
            failed += 1
    writer.write(b"small enough", 1.0)
print(failed)
"""
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    packets = list(read(path))
    assert len(packets) == 21 - int(done.stdout)
    assert 0 < int(done.stdout) < 20
    assert packets[-1].data == b"small enough"
