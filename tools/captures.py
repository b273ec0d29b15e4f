"""Make the packet captures of this repository from the source archives that they come from.

    python tools/captures.py tcpdump_4.99.3.orig.tar.gz dnscap_2.1.1.orig.tar.xz

The archives are Debian 12's (``apt-get source --download-only tcpdump dnscap``), upstream's own releases; their
SHA-256 sums are checked. Three files come out, the same bytes every time:

- ``src/dpif/_data/lan.pcap``: some of tcpdump's test captures put side by side, as if they had happened on one
  LAN: each begins at the same moment, and no packet is changed. `dpif demo` plays it.
- ``tests/captures/tcpdump.pcap`` and ``dnscap.pcap``: packets of all their Ethernet test captures, for tests that
  want many kinds, with ``*.index``, which says which packets are from which file.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dpif.errors import DpifError
from dpif.packet.capture import CapturedPacket, Writer, read

ROOT = Path(__file__).resolve().parent.parent
SUMS = {
    "tcpdump": "ad75a6ed3dc0d9732945b2e5483cb41dc8b4b528a169315e499c6861952e73b3",
    "dnscap": "808040a5388c8b3281e905cba3ec4a17d6451ac1aa369b58e06da4e2c65a8acd",
}

LAN = (
    "bgp-4byte-asn",  # five hosts: ARP, TCP
    "ssh",  # TCP in full
    "edns-opts",  # DNS
    "dhcp-rfc4388",  # DHCP, ARP, ICMP
    "eapon1",  # a workstation joins: EAPOL, DHCP, ARP, NetBIOS, SSDP, IGMP
    "dcb_ets",  # LLDP, DHCP, IPv6 neighbour discovery
    "babel_rfc6126bis",  # UDP over IPv6
)
START = 1_700_000_000.0

PER_FILE = 120  # packets taken from the start of each file: enough of each kind, and none fills the rest
LARGEST = 9018
SMALLEST = 14


def main(archives: list[str]) -> int:
    """Check and unpack the archives, and write what can be made of them."""
    if not archives:
        print(__doc__)
        return 2
    for archive in archives:
        project = Path(archive).name.split("_")[0]
        _check(archive, project)
        with tempfile.TemporaryDirectory() as directory:
            files = sorted(_unpack(archive, Path(directory)))
            if project == "tcpdump":
                _write_lan(files, ROOT / "src/dpif/_data/lan.pcap")
            _write_collection(files, ROOT / f"tests/captures/{project}.pcap")
    return 0


def _check(archive: str, project: str) -> None:
    found = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    if SUMS.get(project) != found:
        raise SystemExit(f"{archive}: its SHA-256 is {found}, not that of a known archive")


def _unpack(archive: str, directory: Path) -> Iterator[Path]:
    """Unpack the test captures of a source archive, and yield their paths."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = Path(member.name)
            if member.isfile() and path.suffix in {".pcap", ".pcapng"} and {"test", "tests"} & set(path.parts):
                target = directory / path.name
                target.write_bytes(tar.extractfile(member).read())
                yield target


def _write_lan(files: list[Path], target: Path) -> None:
    chosen = {path.stem: path for path in files if path.stem in LAN}
    packets: list[CapturedPacket] = []
    for name in LAN:
        conversation = list(read(chosen[name]))
        shift = START - conversation[0].timestamp
        packets += (packet._replace(timestamp=packet.timestamp + shift) for packet in conversation)
    packets.sort(key=lambda packet: packet.timestamp)
    _write(target, packets)


def _write_collection(files: list[Path], target: Path) -> None:
    """Write the first packets of every Ethernet capture, each packet once, and an index beside it.

    Their times, of different decades and some damaged on purpose, make room for one packet a millisecond.
    """
    seen: set[bytes] = set()
    packets: list[CapturedPacket] = []
    index = []
    for path in files:
        fresh = [packet for packet in _usable(path) if not (packet.data in seen or seen.add(packet.data))]
        if fresh:
            index.append(f"{len(packets):5} {len(fresh):4} {path.name}")
            packets += fresh
    _write(target, [packet._replace(timestamp=START + n / 1000) for n, packet in enumerate(packets)])
    target.with_suffix(".index").write_text("# first packet (from 0), packets, file\n" + "\n".join(index) + "\n")


def _usable(path: Path) -> Iterator[CapturedPacket]:
    """Yield packets up to the place where the file is broken, as some are on purpose; none if not Ethernet."""
    try:
        for number, packet in enumerate(read(path)):
            if number == PER_FILE:
                return
            if SMALLEST <= len(packet.data) <= LARGEST:
                yield packet
    except DpifError as error:
        print(f"{path.name}: {str(error).removeprefix(str(path))}", file=sys.stderr)


def _write(target: Path, packets: list[CapturedPacket]) -> None:
    with Writer(target) as writer:
        for packet in packets:
            writer.write(packet.data, packet.timestamp, packet.wire_length)
    print(f"{target}: {len(packets)} packets, {target.stat().st_size} bytes")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
