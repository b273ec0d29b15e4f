"""Flow set-up by ``dpif switch`` beside ``ovs-vswitchd``: ``python bench/upcalls.py [--qemu] [--json FILE]``.

Boots the lab and runs itself in there. Every packet has a new source address, so each comes up, is decided on,
gets a flow and is sent on. With ``--qemu`` (two CPUs) ``ovs-vswitchd`` does the same with its action NORMAL; in
user-mode Linux it has no CPU to run on, and ours is alone.

Two figures for each. *Kept*: the sender waits when too many packets are under way, so that no queue overflows; what
passes then is what can be kept up. *Offered*: the sender has a rate of its own, raised by quarters from half of that;
the highest at which every packet arrived, soon after the last was sent, and every flow was there (``ovs-vswitchd``
takes flows back when it has much to do, and is excused). And the processor time of the process for each packet,
which does not depend on how many CPUs there are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import dpif
from dpif import lab
from dpif.client import Datapath
from dpif.packet import build
from dpif.testing import netns, vswitchd
from dpif.testing.waiting import eventually

WINDOW: Final = 64
"""Packets that are under way at most."""
PAUSE: Final = 0.0005
PATIENCE: Final = 300.0
"""Seconds that a slow machine may take for what it must do; an emulated one is slow."""
STATION: Final = "02:ff:00:00:00:01"
"""Who the packets are for, known to the switches before."""
TICK: Final = os.sysconf("SC_CLK_TCK")


class Sizes(NamedTuple):
    """Rounds, seconds of each measurement, and by what the offered rate grows."""

    rounds: int = 5
    seconds: float = 3.0
    growth: float = 1.25


QUICK: Final = Sizes(rounds=1, seconds=0.2, growth=4)


class Row(NamedTuple):
    """What a switch did: packets per second kept up and offered without loss; microseconds of processor time each."""

    switch: str
    kept: float
    offered: float
    processor: float


class Wire:
    """Two hosts whose ports are to be switched: one sends, the other counts what arrives.

    ``ports`` are to be attached. A source address is never used twice.
    """

    def __init__(self, prefix: str) -> None:
        self.ports = (f"{prefix}1", f"{prefix}2")
        hosts = [f"{port}h" for port in self.ports]
        for port, host in zip(self.ports, hosts, strict=True):
            netns.ip_batch(
                f"link add {port} type veth peer name {host}", *(f"link set {end} up" for end in (port, host))
            )
        self._sender, self._station = map(_raw_socket, hosts)
        self._counter = os.open(f"/sys/class/net/{hosts[1]}/statistics/rx_packets", os.O_RDONLY)
        self._tail = build.udp("10.0.0.1", "10.0.0.2", 1000, 2000, bytes(18))
        self._sources = iter(range(1, 1 << 24))

    @property
    def arrived(self) -> int:
        """Packets that the station has got."""
        return int(os.pread(self._counter, 32, 0))

    def introduce(self) -> None:
        """Let the station be learned, by a packet that the other host gets or not."""
        self._station.send(build.ethernet(STATION, "02:ff:00:00:00:02", self._tail))

    def send(self, count: int) -> None:
        """Send packets, each from a new address."""
        for _ in range(count):
            source = (0x02 << 40 | next(self._sources)).to_bytes(6)
            self._sender.send(b"\x02\xff\0\0\0\x01" + source + b"\x08\0" + self._tail)


def _raw_socket(name: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.bind((name, 0))
    return raw


class Contestant:
    """A running switch: its name, its process and datapath, and the wire between its ports.

    ``keeps_flows`` is False for one that takes flows back again that were used little when it has much to do.
    """

    def __init__(self, name: str, pid: int, datapath: Datapath, wire: Wire, *, keeps_flows: bool) -> None:
        self.name = name
        self._keeps_flows = keeps_flows
        self._pid = pid
        self._datapath = datapath
        self._wire = wire

    def begin(self) -> None:
        """Wait until the flows are gone, as idle ones go, and the switch knows the station and forwards to it."""
        eventually(lambda: self._datapath.stats().flows == 0, seconds=PATIENCE)
        before = self._wire.arrived

        def forwards() -> bool:
            self._wire.introduce()
            time.sleep(0.05)
            self._wire.send(1)
            return self._wire.arrived > before

        eventually(forwards, seconds=PATIENCE)

    @property
    def processor_time(self) -> float:
        """Seconds of processor time that the process has taken."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def keep_up(self, seconds: float) -> tuple[float, float]:
        """Send as fast as packets arrive; return packets per second, and seconds of processor time for each."""
        wire, sent, before = self._wire, 0, self._wire.arrived
        busy, start = self.processor_time, time.monotonic()
        while time.monotonic() < start + seconds:
            room = WINDOW - (sent - (wire.arrived - before))
            if room >= WINDOW // 4:
                wire.send(room)
                sent += room
            else:
                time.sleep(PAUSE)
        eventually(lambda: wire.arrived - before >= sent, seconds=PATIENCE)
        return sent / (time.monotonic() - start), (self.processor_time - busy) / sent

    def passes(self, rate: float, seconds: float) -> bool:
        """Tell whether every packet arrives and has its flow when so many come in a second."""
        self.begin()
        wire, before, stats = self._wire, self._wire.arrived, self._datapath.stats()
        start, sent = time.monotonic(), 0
        while (now := time.monotonic()) < start + seconds:
            due = int((now - start) * rate) - sent
            wire.send(due)
            sent += due
            time.sleep(PAUSE)
        with contextlib.suppress(TimeoutError):
            eventually(lambda: wire.arrived - before >= sent, seconds=seconds / 5)
        after = self._datapath.stats()
        lost, arrived, flows = after.lost - stats.lost, wire.arrived - before, after.flows
        print(f"  {self.name}: {rate:.0f}/s: sent {sent}, arrived {arrived}, lost {lost}, flows {flows}", flush=True)
        return not lost and arrived >= sent and (flows >= sent or not self._keeps_flows)


@contextlib.contextmanager
def dpif_switch() -> Iterator[Contestant]:
    """Our switch, as the command runs it."""
    wire = Wire("a")
    command = [sys.executable, "-m", "dpif", "switch", "bench0", *wire.ports]
    switch = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: "system@bench0" in dpif.datapaths("system"), seconds=PATIENCE)
        with dpif.open("bench0") as datapath:
            eventually(lambda: len(list(datapath.ports)) == 3, seconds=PATIENCE)
            yield Contestant("dpif switch", switch.pid, datapath, wire, keeps_flows=True)
    finally:
        switch.terminate()
        switch.wait()


@contextlib.contextmanager
def ovs_vswitchd() -> Iterator[Contestant]:
    """The switch of Open vSwitch, with room for as many addresses as ours has."""
    wire = Wire("b")
    with vswitchd.running(Path("/run/vswitchd")) as daemon:
        daemon.add_bridge("br0", wire.ports)
        daemon.vsctl("set", "bridge", "br0", "other-config:mac-table-size=65536")
        with dpif.open(vswitchd.DATAPATH) as datapath:
            yield Contestant("ovs-vswitchd", daemon.pid, datapath, wire, keeps_flows=False)


def measure(sizes: Sizes, *, with_peer: bool) -> Iterator[Row]:
    """Let the switches take turns; yield a row for each."""
    for scope in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
    with contextlib.ExitStack() as stack:
        # In this order: an ovs-vswitchd that starts deletes all datapaths but its own.
        switches = [ovs_vswitchd, dpif_switch] if with_peer else [dpif_switch]
        contestants = [stack.enter_context(switch()) for switch in switches]
        kept: dict[str, list[tuple[float, float]]] = {one.name: [] for one in contestants}
        for _ in range(sizes.rounds):
            for one in contestants:
                one.begin()
                kept[one.name].append(one.keep_up(sizes.seconds))
        for one in contestants:
            rate = statistics.median(rate for rate, _ in kept[one.name])
            processor = statistics.median(seconds for _, seconds in kept[one.name])
            yield Row(one.name, rate, highest(one, rate / 2, sizes), processor * 1e6)


def highest(contestant: Contestant, rate: float, sizes: Sizes) -> float:
    """Return the highest rate that passes, from `rate` up; 0 when that is too high already."""
    passed = 0.0
    while contestant.passes(rate, sizes.seconds):
        passed, rate = rate, rate * sizes.growth
    return passed


def main() -> int:
    """On the host boot the lab; in there measure."""
    parser = argparse.ArgumentParser(prog="bench/upcalls.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--quick", action="store_true", help="try whether it runs; the figures mean nothing")
    parser.add_argument("--rounds", type=int, default=Sizes().rounds, help="how often each is run (default: 5)")
    parser.add_argument("--qemu", action="store_true", help="on the second lane, beside ovs-vswitchd")
    options = parser.parse_args()
    if not os.environ.get("DPIF_LAB"):
        return lab.run([sys.executable, *sys.argv], qemu=options.qemu, timeout=1800)
    rows = list(measure(QUICK if options.quick else Sizes(options.rounds), with_peer=options.qemu))
    for row in rows:
        print(
            f"{row.switch:<14} kept {row.kept:8.0f}/s   offered {row.offered:8.0f}/s   "
            f"processor {row.processor:8.1f} us   {row.processor / rows[0].processor:5.2f} of {rows[0].switch}"
        )
    if options.json:
        Path(options.json).write_text(json.dumps([row._asdict() for row in rows], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
