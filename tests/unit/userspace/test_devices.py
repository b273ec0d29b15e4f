"""Devices in memory and of captures; those that need Linux and privilege are in tests/root."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dpif.odp.actions import Actions
from dpif.odp.constants import DatapathFeature, DummyAttr, VportType
from dpif.packet import build, capture
from dpif.userspace.devices.audience import PATIENCE
from dpif.userspace.devices.packet_socket import attach_linux_device
from dpif.userspace.devices.pcap import PcapDevice
from dpif.userspace.engine.datapath import Datapath
from dpif.userspace.engine.namespace import PortRequest
from dpif.userspace.engine.port import Port
from dpif.userspace.loop import Loop
from dpif.userspace.system import UserspaceSystem

from .conftest import PORT_ID, Engine

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
PACKETS = [build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, port, b"x")) for port in range(100)]
ANYTHING = "in_port(1),eth(),eth_type(0x0800),ipv4()"


def test_packets_wait_in_a_queue(engine: Engine) -> None:
    engine.flow(ANYTHING, "2")
    for packet in PACKETS[:3]:
        engine.hosts[1].send(packet)
    assert engine.out(2) == PACKETS[:3]
    assert engine.hosts[2].recv() is None


def test_a_program_is_called_instead(engine: Engine) -> None:
    engine.flow(ANYTHING, "2")
    got: list[bytes] = []
    engine.hosts[2].on_packet = got.append
    engine.hosts[1].send(bytearray(PACKETS[0]))
    assert got == PACKETS[:1]
    assert isinstance(got[0], bytes)
    assert engine.hosts[2].recv() is None


def test_what_a_program_sends_back_is_dealt_with_before_send_returns(engine: Engine) -> None:
    engine.flow(ANYTHING, "2")
    engine.flow(ANYTHING.replace("(1)", "(2)"), "3")
    engine.hosts[2].on_packet = engine.hosts[2].send
    engine.hosts[1].send(PACKETS[0])
    assert engine.out(3) == PACKETS[:1]


def write_capture(path: Path) -> str:
    with capture.Writer(path) as writer:
        for packet in PACKETS:
            writer.write(packet, 1.0)
    return str(path)


def add_captures(
    engine: Engine, rx_pcap: str | None, tx_pcap: str | None, *, listener: int = PORT_ID, play: bool = False
) -> Port:
    settings = {DummyAttr.RX_PCAP: rx_pcap, DummyAttr.TX_PCAP: tx_pcap, DummyAttr.PLAY: play or None}
    options = {number: value for number, value in settings.items() if value is not None}
    return engine.namespace.add_port(engine.dp, PortRequest("cap", VportType.DUMMY, (listener,), 4, 0, options))


def play(engine: Engine, port: Port) -> None:
    """Let a capture play to its end, whose packets nobody answers."""
    while port.device.patience is not None:
        while port.device.wants_turn:
            port.device.take_turn(10)
        engine.now += PATIENCE


def test_a_capture_is_played_bit_by_bit(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpif.userspace.loop.BUDGET", 64)
    loop = Loop(engine.namespace)
    engine.flow(ANYTHING.replace("(1)", "(4)"), "2")
    port = add_captures(engine, write_capture(tmp_path / "in.pcap"), None)
    assert port.device.is_pending
    counts = [loop.run_once(0.0) for _ in range(3)]
    assert counts == [64, 36, 0]
    assert engine.out(2) == PACKETS
    assert not port.device.is_pending
    loop.close()


def test_a_capture_begins_when_somebody_listens(engine: Engine, tmp_path: Path) -> None:
    """Per vport or per CPU; the loop is woken for it."""
    loop = Loop(engine.namespace)
    ports = []
    for listen in (
        lambda port: engine.dp.change(DatapathFeature.DISPATCH_UPCALL_PER_CPU, per_cpu_port_ids=(PORT_ID,)),
        lambda port: setattr(port, "upcall_port_ids", (PORT_ID,)),
    ):
        engine.dp.change(0)
        ports.append(port := add_captures(engine, write_capture(tmp_path / "in.pcap"), None, listener=0))
        assert (port.device.patience, loop.run_once(0.0)) == (None, 0)
        listen(port)
        assert loop.run_once(None) == 1
        assert engine.upcalls.pop().packet == PACKETS[0]
        engine.namespace.remove_port(port)
    loop.close()


def test_a_capture_is_played_at_once_when_that_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    port = add_captures(engine, write_capture(tmp_path / "in.pcap"), None, listener=0, play=True)
    assert port.device.take_turn(1000) == engine.dp.n_lost == len(PACKETS)


def test_a_packet_that_came_up_is_answered_before_the_next(engine: Engine, tmp_path: Path) -> None:
    port = add_captures(engine, write_capture(tmp_path / "in.pcap"), None)
    assert port.device.take_turn(10) == 1
    assert not port.device.wants_turn
    engine.dp.compile(Actions())  # of a packet that is sent on
    assert port.device.take_turn(10) == 1
    assert len(engine.upcalls) == 2
    engine.flow(ANYTHING.replace("(1)", "(4)"), "2")
    assert port.device.take_turn(1000) == len(PACKETS) - 2
    assert len(engine.upcalls) == 2


def test_who_only_looks_is_waited_for_once(engine: Engine, tmp_path: Path) -> None:
    port = add_captures(engine, write_capture(tmp_path / "in.pcap"), None)
    assert port.device.take_turn(10) == 1
    assert port.device.patience
    engine.now += PATIENCE
    assert (port.device.patience, port.device.take_turn(10)) == (0.0, 10)
    engine.dp.compile(Actions())  # an answer after all
    assert (port.device.take_turn(10), port.device.wants_turn) == (1, False)


def test_packets_that_take_long_are_dealt_with_one_in_a_turn(engine: Engine, tmp_path: Path) -> None:
    """Those that were read already wait, and come before others."""
    port = add_captures(engine, write_capture(tmp_path / "in.pcap"), None, listener=0, play=True)
    engine.flow(ANYTHING.replace("(1)", "(4)"), "set(eth(src=02:00:00:00:00:01)),2")
    engine.tick = 1.0
    assert [(port.device.take_turn(3), len(engine.out(2))) for _ in range(4)] == [(3, 1), (0, 1), (0, 1), (3, 1)]
    while port.device.wants_turn:
        port.device.take_turn(len(PACKETS))
    assert engine.out(2) == PACKETS[4:]


def test_what_was_put_off_goes_with_the_port(engine: Engine, tmp_path: Path) -> None:
    port = add_captures(engine, write_capture(tmp_path / "in.pcap"), None, listener=0, play=True)
    engine.tick = 1.0
    port.device.take_turn(3)
    engine.namespace.remove_port(port)
    while port.device.wants_turn:
        port.device.take_turn(3)
    assert engine.dp.n_missed == 1


def test_what_goes_out_is_written(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    port = add_captures(engine, None, str(path))
    engine.flow(ANYTHING, "4")
    engine.hosts[1].send(PACKETS[0])
    engine.namespace.remove_port(port)
    assert [packet.data for packet in capture.read(path)] == PACKETS[:1]


def test_without_captures_nothing_comes_and_what_goes_is_thrown_away(engine: Engine) -> None:
    port = add_captures(engine, None, None)
    engine.flow(ANYTHING, "4")
    engine.hosts[1].send(PACKETS[0])
    assert (port.device.is_pending, port.sent_packets) == (False, 1)


def test_a_missing_capture_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"no\.pcap") as caught:
        add_captures(engine, str(tmp_path / "no.pcap"), None)
    assert caught.value.errno == errno.ENOENT
    assert 4 not in engine.dp.ports
    assert "cap" not in engine.namespace.devices


def test_what_is_no_capture_is_refused(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    path.write_bytes(b"not a capture")
    with pytest.raises(OSError, match=r"in\.pcap") as caught:
        add_captures(engine, str(path), None)
    assert caught.value.errno == errno.EINVAL


def test_a_capture_that_breaks_off_ends_there(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "in.pcap"
    write_capture(path)
    os.truncate(path, os.path.getsize(path) - 10)
    port = add_captures(engine, str(path), None)
    play(engine, port)
    assert [upcall.packet for upcall in engine.upcalls] == PACKETS[:-1]
    assert "ends within a packet" in str(port.device.broken)  # type: ignore[attr-defined]


def test_a_device_that_linux_does_not_have_is_not_found(engine: Engine) -> None:
    with pytest.raises(OSError, match="no-such-device") as caught:
        attach_linux_device(engine.namespace, "no-such-device", {})
    assert caught.value.errno == errno.ENODEV


# The system's door to devices in memory, and its thread.


def test_a_device_is_made_once() -> None:
    with UserspaceSystem() as system:
        assert system.device("h1") is system.device("h1")


def test_the_name_of_another_kind_of_device_is_taken() -> None:
    with UserspaceSystem() as system:
        system.device("cap").close()
        system.namespace.add_device(PcapDevice(system.namespace, "cap"))
        with pytest.raises(FileExistsError):
            system.device("cap")


def test_a_thread_deals_with_what_comes_by_itself(tmp_path: Path) -> None:
    path = write_capture(tmp_path / "in.pcap")
    with UserspaceSystem() as system:
        system.start()
        system.start()
        with system.namespace.lock:
            dp = Datapath(system.namespace)
            system.namespace.add_datapath(dp, "dp0", 0)
            options = {DummyAttr.RX_PCAP: path, DummyAttr.PLAY: True}
            port = system.namespace.add_port(dp, PortRequest("cap", VportType.DUMMY, (0,), 0, 0, options))
        while port.device.is_pending:
            pass
        system.stop()
        system.stop()
        assert dp.n_missed == len(PACKETS)


def test_closing_twice_is_closing_once() -> None:
    system = UserspaceSystem()
    system.close()
    system.close()


@pytest.mark.parametrize("option", [DummyAttr.RX_PCAP, DummyAttr.TX_PCAP])
def test_a_fifo_is_refused_and_not_waited_for(engine: Engine, tmp_path: Path, option: DummyAttr) -> None:
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    with pytest.raises(OSError, match="not a regular file"):
        engine.namespace.add_port(engine.dp, PortRequest("p1", VportType.DUMMY, (0,), options={option: fifo}))


def test_packets_for_which_the_disk_has_no_room_are_counted_as_dropped(engine: Engine) -> None:
    request = PortRequest("p9", VportType.DUMMY, (0,))
    port = engine.namespace.add_port(engine.dp, request)
    assert isinstance(port.device, PcapDevice)

    class Full:
        def write(self, packet: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    port.device._writer = Full()  # type: ignore[assignment]
    port.send(PACKETS[0])
    assert (port.sent_packets, port.tx_dropped) == (0, 1)
    engine.namespace.remove_port(port)
