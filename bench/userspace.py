"""Packets through the userspace datapath: ``python bench/userspace.py [--quick] [--json FILE]``.

64-byte UDP packets on one core, in memory from port to port. The floor is a turn of an empty ``for`` loop, measured
in the same run; it stands for the speed of the machine and its interpreter. Contestants take turns, processor time
counts, and of that the median: the machine may be busy.

What is measured: packets of 1,000 flows under 8 masks, handed over one by one and as lists; and how the cost of a
packet grows with flows and with masks, for packets whose headers were seen before (the usual traffic, which a
cache helps), and for packets each of which is the first with its headers. And flows that are new are put, as on an
OVN node, beside a ``dict`` that is given the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import workloads

from dpif import Userspace
from dpif.client import Datapath, Put
from dpif.packet import build
from dpif.userspace import MemoryDevice

TURNS: Final = 10_000_000
"""Turns of the empty loop that are one measurement of the floor."""
PACKET_SIZE: Final = 64
QUEUE_LENGTH: Final = 1_000_000
PORT: Final = 2000

Contestant = Callable[[], object]


class Sizes(NamedTuple):
    """How much is measured: turns of the loop, packets in a contestant's turn, rounds, and sizes of tables."""

    turns: int = TURNS
    packets: int = 20_000
    rounds: int = 7
    flows: tuple[int, ...] = (10, 1000, 10_000, 100_000)
    masks: tuple[int, ...] = (1, 8, 64)
    puts: int = 10_000


QUICK: Final = Sizes(turns=1000, packets=50, rounds=1, flows=(10, 20), masks=(1, 2), puts=20)


class Row(NamedTuple):
    """A measurement: nanoseconds per packet and per empty turn, and at most how many turns a packet may take.

    What is put is measured in `unit` of its own.
    """

    what: str
    nanoseconds: float
    turn: float
    mark: int | None = None
    unit: str = "turns"

    @property
    def ratio(self) -> float:
        """How many times the turn it takes."""
        return self.nanoseconds / self.turn


class Table:
    """A datapath with `flows` flows under `masks` masks, a port to send into and one where packets come out."""

    def __init__(self, flows: int, masks: int) -> None:
        self.flows = flows
        self.masks = masks
        self._system = Userspace()
        self._dp: Datapath = self._system.open("dp0", create=True)
        self.sender = self._add_port("in")
        self._receiver = self._add_port("out")
        self._receiver.queue_length = QUEUE_LENGTH
        results = self._dp.operate([Put(self._match(number), "2") for number in range(flows)])
        assert all(result.ok for result in results)

    def _add_port(self, name: str) -> MemoryDevice:
        device = self._system.device(name)
        self._dp.ports.add(name)
        return device

    def _match(self, number: int) -> str:
        """Return a flow for a destination of its own; its mask has a part of the source too, and maybe the port."""
        bits = number % self.masks
        source = f"src=10.0.0.1/{_prefix(bits % 32)}," if bits % 32 else ""
        port = f"dst={PORT}" if bits >= 32 else ""
        return (
            f"recirc_id(0),in_port(1),eth(),eth_type(0x0800),"
            f"ipv4({source}dst={_address(number)},proto=17,frag=no),udp({port})"
        )

    def packets(self, count: int) -> list[bytes]:
        """Return packets for flows at random, always with the same headers for a flow."""
        wanted = [RANDOM.randrange(self.flows) for _ in range(count)]
        made = {flow: _packet(_address(flow)) for flow in set(wanted)}
        return [made[flow] for flow in wanted]

    def drain(self) -> int:
        """Take out what came through and return how many packets that was."""
        return len(self._receiver.recv_many())

    def close(self) -> None:
        """End the datapath."""
        self._dp.close()
        self._system.close()


RANDOM: Final = random.Random(1)
_NEW_SOURCES: Final = itertools.count(0x02 << 40)


def with_new_headers(packets: Iterable[bytes]) -> list[bytes]:
    """Return the packets, each from an address that no packet had before, which no flow looks at."""
    return [packet[:6] + next(_NEW_SOURCES).to_bytes(6) + packet[12:] for packet in packets]


def _prefix(length: int) -> str:
    return ".".join(str(byte) for byte in ((0xFFFFFFFF << 32 - length) & 0xFFFFFFFF).to_bytes(4))


def _address(number: int) -> str:
    return f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _packet(destination: str) -> bytes:
    datagram = build.udp("10.0.0.1", destination, 1000, PORT, b"")
    frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", datagram)
    return frame.ljust(PACKET_SIZE, b"\0")


def empty_loop(turns: int) -> None:
    """The floor."""
    for _ in range(turns):
        pass


def one_by_one(table: Table, packets: Iterable[bytes]) -> None:
    """Hand over packets each by a call of its own."""
    send = table.sender.send
    for packet in packets:
        send(packet)


def take_turns(contestants: dict[str, Contestant], rounds: int, between: Contestant) -> dict[str, float]:
    """Run each so many times, in turn, and `between` after each; return the median seconds of processor time."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
            between()
    return {name: statistics.median(times) for name, times in seconds.items()}


def measure_rate(sizes: Sizes) -> Iterator[Row]:
    """Packets of 1,000 flows under 8 masks."""
    table = Table(1000, 8)
    packets = table.packets(sizes.packets)
    one_by_one(table, packets)
    table.drain()
    medians = take_turns(
        {
            "floor": lambda: empty_loop(sizes.turns),
            "packet": lambda: one_by_one(table, packets),
            "batch": lambda: table.sender.send_many(packets),
        },
        sizes.rounds,
        table.drain,
    )
    table.close()
    turn = medians["floor"] / sizes.turns * 1e9
    yield Row("one by one", medians["packet"] / sizes.packets * 1e9, turn, 350)
    yield Row("lists of packets", medians["batch"] / sizes.packets * 1e9, turn, 70)


def measure_growth(sizes: Sizes) -> Iterator[Row]:
    """The same packets for larger tables, and for more masks."""
    cases = [(flows, 8) for flows in sizes.flows] + [(1000, masks) for masks in sizes.masks]
    for flows, masks in cases:
        table = Table(flows, min(flows, masks))
        seen = table.packets(sizes.packets)
        new = iter([with_new_headers(seen) for _ in range(sizes.rounds)])
        for kind, lists in (("seen", itertools.repeat(seen)), ("new", new)):
            one_by_one(table, seen)
            table.drain()
            medians = take_turns(
                {
                    "floor": lambda: empty_loop(sizes.turns),
                    "packet": lambda table=table, lists=lists: one_by_one(table, next(lists)),
                },
                sizes.rounds,
                table.drain,
            )
            turn = medians["floor"] / sizes.turns * 1e9
            label = f"{flows} flows, {masks} masks, headers {kind}"
            yield Row(label, medians["packet"] / sizes.packets * 1e9, turn)
        table.close()


def measure_puts(sizes: Sizes) -> Iterator[Row]:
    """Flows of OVN that are new, each put by a request that is bytes already."""
    puts = [flow.put() for flow in workloads.flows("ovn", sizes.puts)]
    requests = [put.request(0).payload for put in puts]
    seconds: dict[str, list[float]] = {"dict": [], "put": []}
    for _ in range(sizes.rounds):
        with Userspace() as system, system.open("dp0", create=True) as dp:
            start = time.process_time()
            results = dp.operate(puts)
            seconds["put"].append(time.process_time() - start)
            assert all(result.ok for result in results)
        table: dict[bytes, bytes] = {}
        start = time.process_time()
        for request in requests:
            table[request] = request
        seconds["dict"].append(time.process_time() - start)
    put, insert = (statistics.median(seconds[name]) / sizes.puts * 1e9 for name in ("put", "dict"))
    yield Row("a new flow of OVN is put", put, insert, unit="dict inserts")


def main(arguments: list[str] | None = None) -> None:
    """Print a line for each row."""
    parser = argparse.ArgumentParser(prog="bench/userspace.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--quick", action="store_true", help="try whether it runs; the figures mean nothing")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else Sizes()
    rows = []
    for measure in (measure_rate, measure_growth, measure_puts):
        for row in measure(sizes):
            rows.append(row)
            mark = f"at most {row.mark}" if row.mark else ""
            print(f"{row.what:<44} {row.nanoseconds:8.0f} ns {row.ratio:8.1f} {row.unit}  {mark}", flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps([row._asdict() | {"ratio": row.ratio} for row in rows], indent=1))


if __name__ == "__main__":
    main()
