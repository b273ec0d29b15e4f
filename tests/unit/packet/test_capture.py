from __future__ import annotations

import contextlib
import gzip
import os
import struct
import subprocess
import sys

import pytest

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
    def block(kind, body):
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    path = tmp_path / "simple.pcapng"
    section = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    path.write_bytes(section + block(1, struct.pack("<HHI", 1, 0, 0xFFFF)) + block(3, struct.pack("<I", 4) + b"abcd"))
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
    with pytest.raises(DpifError, match=f"^{path}: not a pcap or pcapng file"):
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


def test_without_scapy_the_way_to_get_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "scapy", None)
    monkeypatch.setitem(sys.modules, "scapy.utils", None)
    with pytest.raises(Unavailable, match=r"a\.pcap: .*pip install 'dpif\[pcap\]'"):
        list(read(tmp_path / "a.pcap"))
    with pytest.raises(Unavailable, match=r"pip install 'dpif\[pcap\]'"):
        Writer(tmp_path / "a.pcap")


def test_a_reader_left_early_closes_its_file(path):
    write(path)
    packets = read(path)
    next(packets)
    before = len(os.listdir("/proc/self/fd"))
    packets.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_scapy_is_loaded_late_and_no_more_of_it_than_needed(tmp_path):
    code = (
        "import sys\n"
        "from dpif.packet import capture\n"
        "assert 'scapy' not in sys.modules\n"
        f"capture.Writer({str(tmp_path / 'a.pcap')!r}).close()\n"
        "assert 'scapy.packet' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


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
