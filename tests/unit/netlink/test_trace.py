"""Traces are read back by others: scapy, and tcpdump where it is installed."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dpif.netlink.connection import Connection
from dpif.netlink.loopback import LoopbackTransport
from dpif.netlink.message import split
from dpif.netlink.trace import Trace, TracedTransport

NOW = 1_700_000_000_123_456_789


def test_scapy_reads_it() -> None:
    from scapy import utils as pcap  # takes its time, and only this test needs it

    file = io.BytesIO()
    trace = Trace(file, clock=lambda: NOW)
    trace("sent", b"one")  # a length that needs padding
    trace("received", b"four")
    file.seek(0)
    packets = list(pcap.RawPcapNgReader(file))
    header = bytes.fromhex("0338 00000000000000000000 0010")
    assert [data for data, _ in packets] == [b"\0\x07" + header + b"one", b"\0\x06" + header + b"four"]
    for data, metadata in packets:
        assert metadata.linktype == 253
        assert metadata.tsresol == 10**9
        assert metadata.tshigh << 32 | metadata.tslow == NOW
        assert metadata.wirelen == len(data)
    assert [metadata.direction for _, metadata in packets] == [2, 1]


def test_tcpdump_reads_it(tmp_path: Path) -> None:
    tcpdump = shutil.which("tcpdump")
    if tcpdump is None:
        pytest.skip("tcpdump is not installed")
    path = tmp_path / "trace.pcapng"
    with path.open("wb") as file:
        Trace(file, clock=lambda: NOW)("sent", bytes(range(20)))
    command = [tcpdump, "-tt", "-n", "--nano", "-r", str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "link-type NETLINK" in result.stderr + result.stdout
    assert "1700000000.123456789" in result.stdout
    assert "0001 0203 0405 0607 0809 0a0b 0c0d 0e0f" in result.stdout


def test_the_protocol_is_in_the_header() -> None:
    file = io.BytesIO()
    Trace(file, protocol=12)("sent", b"data")
    assert bytes.fromhex("0007 0338 00000000000000000000 000c") + b"data" in file.getvalue()


def test_a_traced_transport_is_a_transport(toy: Any) -> None:
    seen: list[tuple[str, bytes]] = []

    def dial() -> TracedTransport:
        return TracedTransport(LoopbackTransport(toy.service), lambda *event: seen.append(event))

    with Connection(dial) as connection:
        connection.transact(toy.add(1))
    assert [direction for direction, _ in seen] == ["sent", "received", "received", "sent", "received"]
    assert [next(split(datagram)).type for _, datagram in seen] == [16, 16, 2, toy.family.id, 2]


def test_waiting_and_groups_are_the_inner_transports(toy: Any) -> None:
    inner = LoopbackTransport(toy.service)
    seen: list[tuple[str, bytes]] = []
    transport = TracedTransport(inner, lambda *event: seen.append(event))
    assert transport.port_id == inner.port_id
    assert transport.fileno() == inner.fileno()
    group = toy.family.groups["toys"]
    transport.join_group(group)
    toy.service.notify("toy", "toys", toy.record(1))
    transport.leave_group(group)
    toy.service.notify("toy", "toys", toy.record(2))
    assert transport.recv(0) == seen[0][1]
    with pytest.raises(BlockingIOError):
        transport.recv(0)
    assert len(seen) == 1
    transport.close()
    with pytest.raises(OSError, match="closed"):
        inner.recv(0)
