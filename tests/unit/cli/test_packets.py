"""``send`` and ``execute`` on a datapath in user space: what is written goes out as it is meant to."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from dpif.cli.commands import packets
from dpif.packet import build
from dpif.packet.capture import Writer
from dpif.userspace import UserspaceSystem

from .conftest import Run

ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP = "udp 10.0.0.1:1000 > 10.0.0.2:53"
FRAME = build.ethernet(ONE, TWO, build.udp("10.0.0.1", "10.0.0.2", 1000, 53))


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """A capture of three packets in 60 seconds, the last of which names another port."""
    path = tmp_path / "trace.pcap"
    with Writer(path) as writer:
        for number in range(3):
            writer.write(build.ethernet(ONE, TWO, build.udp("10.0.0.1", "10.0.0.2", 1, number)), 30.0 * number)
    return f"pcap:{path}"


def received(system: UserspaceSystem, name: str) -> list[bytes]:
    device = system.device(name)
    return list(iter(device.recv, None))


@pytest.mark.parametrize("port", ["h2", "2"])
@pytest.mark.parametrize("packet", [(UDP,), tuple(UDP.split()), (FRAME.hex(),), (FRAME.hex(":"),)])
def test_a_packet_leaves_by_the_port(
    system: UserspaceSystem, br0: str, run: Run, port: str, packet: tuple[str, ...]
) -> None:
    assert run("send", br0, port, *packet) == (0, f"sent 1 packet, {len(FRAME)} bytes\n", "")
    assert (received(system, "h1"), received(system, "h2")) == ([], [FRAME])


def test_a_capture_leaves_whole_or_in_part(system: UserspaceSystem, br0: str, run: Run, trace: str) -> None:
    assert run("send", br0, "h1", trace).stdout == "sent 3 packets, 126 bytes\n"
    assert [frame[37] for frame in received(system, "h1")] == [0, 1, 2]
    assert json.loads(run("send", "--json", br0, "h1", f"{trace}#2").stdout) == {
        "version": 1,
        "command": "send",
        "packets": 1,
        "bytes": 42,
    }
    assert [frame[37] for frame in received(system, "h1")] == [1]


def test_a_capture_is_sent_at_its_times(
    system: UserspaceSystem, br0: str, run: Run, trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(packets, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now[0]))
    for options, seconds in ((("--timed",), 60), (("--speed", "10"), 6), (("--timed", "--speed=0.5"), 120), ((), 0)):
        naps.clear()
        assert run("send", *options, br0, "h1", trace).stdout == "sent 3 packets, 126 bytes\n"
        assert sum(naps) == pytest.approx(seconds)
        assert max(naps, default=0) <= 1


def test_actions_are_applied(system: UserspaceSystem, br0: str, run: Run) -> None:
    assert run("execute", br0, UDP, "push_vlan(vid=5,pcp=0),h1,pop_vlan,2").status == 0
    tagged = build.ethernet(ONE, TWO, build.vlan(5, build.udp("10.0.0.1", "10.0.0.2", 1000, 53)))
    assert (received(system, "h1"), received(system, "h2")) == ([tagged], [FRAME])


def test_the_flows_decide_about_a_packet_that_came_in(system: UserspaceSystem, br0: str, run: Run) -> None:
    run("add-flow", br0, "in_port(1),eth(),eth_type(0x0800),ipv4()", "2")
    for in_port in ("h1", "1"):
        assert run("execute", br0, f"{UDP} in {in_port}", "recirc(0)").status == 0
        assert (received(system, "h1"), received(system, "h2")) == ([], [FRAME])
    assert run("execute", br0, f"{UDP} in h2", "recirc(0)").status == 0
    assert (received(system, "h1"), received(system, "h2")) == ([], [])
    assert "packets:2," in run("dump-flows", br0).stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("send", "netdev@br0", "nope", UDP), 1, "there is no port nope; netdev@br0 has: br0, h1, h2"),
        (("send", "netdev@br0", "99", UDP), 1, "there is no port 99; netdev@br0 has: br0, h1, h2"),
        (("send", "netdev@br0", "h1", "upd"), 1, "parsing packet (syntax error at upd: unknown word 'upd'; a packet"),
        (("send", "netdev@br0", "h1", "pcap:/no/such"), 1, "/no/such: No such file or directory"),
        (("send", "--speed", "0", "netdev@br0", "h1", UDP), 2, "--speed takes a number above 0"),
        (("send", "netdev@br0", "h1"), 2, "requires at least 3 arguments"),
        (("send", "--read-only", "netdev@br0", "h1", UDP), 1, "does not work in read only mode"),
        (("execute", "netdev@br0", UDP, "bogus"), 1, "parsing actions (syntax error at bogus"),
        (("execute", "netdev@br0", UDP, "output:2"), 1, "this is OpenFlow"),
        (("execute", "netdev@br0", f"{UDP} in nope", "2"), 1, "there is no port nope"),
        (("execute", "netdev@br0", UDP, "userspace(pid=0)"), 1, "executing actions on packet 1 (Invalid argument)"),
        (("execute", "netdev@br0", "00", "2"), 1, "executing actions on packet 1 ("),
    ],
)
def test_mistakes(br0: str, run: Run, words: tuple[str, ...], status: int, said: str) -> None:
    ran = run(*words)
    assert (ran.status, ran.stderr.count("\n")) == (status, 1)
    assert said in ran.stderr


def test_those_that_fail_are_told_and_the_others_go(
    system: UserspaceSystem, br0: str, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "some.pcap"
    with Writer(path) as writer:
        for frame in (FRAME, b"short", FRAME):
            writer.write(frame, 0.0)
    ran = run("send", br0, "h1", f"pcap:{path}")
    assert (ran.status, ran.stdout) == (1, f"sent 2 packets, {2 * len(FRAME)} bytes\n")
    assert ran.stderr.startswith("dpif: sending packet 2 (")
    assert received(system, "h1") == [FRAME, FRAME]
