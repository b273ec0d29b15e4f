"""Benchmarks on a real kernel, each beside what it is measured by: ``python bench/lab.py [--json FILE]``.

Boots the lab once and runs itself in there. The contestants of a row take turns, and medians count: the machine
may be busy, so only the ratios within one run mean something. ``ovs-dpctl`` (Debian's ``openvswitch-switch``) is
one peer; the others are the *floor*, which reads a dump without looking at it, and batches written by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import workload

import dpif
from dpif import lab
from dpif.client.datapath import Datapath
from dpif.client.operations import Delete, Put
from dpif.netlink.constants import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE
from dpif.netlink.message import pack_message
from dpif.odp.constants import FlowCmd
from dpif.odp.messages.flow import FlowRecord

SCRATCH = Path("/run/bench")
"""A directory in the guest's memory."""
PORTS = 6
BATCH = 128

Contestants = dict[str, Callable[[], object]]


class Row(NamedTuple):
    """A measurement: medians in microseconds per flow, and how many times the peer's time ours takes."""

    what: str
    peer: str
    peer_microseconds: float
    microseconds: float

    @property
    def ratio(self) -> float:
        """Ours to the peer's."""
        return self.microseconds / self.peer_microseconds


def take_turns(contestants: Contestants, rounds: int) -> dict[str, float]:
    """Run each so many times, in turn; return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> int:
    """On the host boot the lab; in there measure."""
    parser = argparse.ArgumentParser(prog="bench/lab.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5)")
    parser.add_argument("--flows", type=int, nargs=2, default=[30_000, 100_000], help="sizes of the table")
    parser.add_argument("--lines", type=int, default=30_000, help="length of a file of flows")
    arguments = parser.parse_args()
    if not os.environ.get("DPIF_LAB"):
        return lab.run([sys.executable, *sys.argv], modules=["dummy"])
    SCRATCH.mkdir(exist_ok=True)
    rows = []
    for row in measure(arguments.rounds, arguments.flows, arguments.lines):
        rows.append(row)
        print(
            f"{row.what:<34} {row.microseconds:8.2f} us   {row.peer:<18} {row.peer_microseconds:8.2f} us   "
            f"{row.ratio:5.2f}",
            flush=True,
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([row._asdict() | {"ratio": row.ratio} for row in rows], indent=1))
    return 0


def measure(rounds: int, sizes: list[int], lines: int) -> Iterator[Row]:
    """Yield all rows."""
    with dpif.open("dp0", create=True) as datapath:
        for number in range(1, PORTS + 1):
            shell(f"ip link add d{number} type dummy && ovs-dpctl add-if dp0 d{number}")
        yield from measure_files(rounds, lines)
        yield from measure_operate(datapath, rounds, lines)
        yield from measure_dumps(datapath, rounds, sizes)


def measure_files(rounds: int, lines: int) -> Iterator[Row]:
    """Whole processes that add, change and delete the flows of a file."""
    file = SCRATCH / "flows"
    file.write_text("".join(f"{workload.line(number)}\n" for number in range(lines)))
    keys = SCRATCH / "keys"
    keys.write_text("".join(f"{workload.key(number)}\n" for number in range(lines)))
    commands = {"add-flows": file, "mod-flows": file, "del-flows": keys}
    medians = take_turns(
        {
            f"{name} {command}": lambda tool=tool, command=command, path=path: shell(f"{tool} {command} dp0 {path}")
            for name, tool in tools().items()
            for command, path in commands.items()
        },
        rounds,
    )
    for command in commands:
        ours, peer = (medians[f"{name} {command}"] / lines * 1e6 for name in ("dpif", "ovs-dpctl"))
        yield Row(f"{command} FILE, {lines} lines", "ovs-dpctl", peer, ours)


def measure_operate(datapath: Datapath, rounds: int, count: int) -> Iterator[Row]:
    """Encoded puts, beside batches written by hand; the flows are deleted in between, in nobody's time."""
    puts = [Put(workload.key(number), workload.actions(number)) for number in range(count)]
    requests = [put.request(datapath.ifindex).payload for put in puts]

    def by_hand() -> None:
        family = datapath.connection.family("ovs_flow").id
        transport = datapath.connection.dial()
        for start in range(0, count, BATCH):
            part = requests[start : start + BATCH]
            flags = [NLM_F_REQUEST] * (len(part) - 1) + [NLM_F_REQUEST | NLM_F_ACK]
            transport.send(b"".join(pack_message(family, f, 1, 0, r) for f, r in zip(flags, part, strict=True)))
            transport.recv(10)
        transport.close()

    # Putting again what is there costs the kernel the same in both.
    datapath.operate(puts)
    medians = take_turns({"dpif": lambda: datapath.operate(puts), "hand": by_hand}, rounds)
    yield Row(f"operate(), {count} puts", "by hand", medians["hand"] / count * 1e6, medians["dpif"] / count * 1e6)
    datapath.operate([Delete(put.match.key) for put in puts])


def measure_dumps(datapath: Datapath, rounds: int, sizes: list[int]) -> Iterator[Row]:
    """The marginal cost of a flow between two sizes of the table, and whole processes at the larger one."""
    datapath.flows.flush()
    contestants: Contestants = {"floor": lambda: drain(datapath), "typed": lambda: touch(datapath)}
    for options in ("", "-m", "--names"):
        for name, tool in tools().items():
            command = f"{tool} dump-flows {options} dp0 > {SCRATCH}/{name}"
            contestants[f"{name} {options}"] = lambda command=command: shell(command)
    medians = []
    there = 0
    for size in sizes:
        datapath.operate([Put(workload.key(number), workload.actions(number)) for number in range(there, size)])
        there = size
        medians.append(take_turns(contestants, rounds))
    small, large = medians
    marginal = {name: (large[name] - small[name]) / (sizes[1] - sizes[0]) * 1e6 for name in contestants}
    for options in ("", "-m", "--names"):
        ours, peer = f"dpif {options}", f"ovs-dpctl {options}"
        yield Row(f"dump-flows {options}, marginal", "ovs-dpctl", marginal[peer], marginal[ours])
        whole = sizes[1] / 1e6
        yield Row(f"dump-flows {options}, {sizes[1]}, process", "ovs-dpctl", large[peer] / whole, large[ours] / whole)
    yield Row("dump-flows, marginal", "floor", marginal["floor"], marginal["dpif "])
    yield Row("typed flows, marginal", "floor", marginal["floor"], marginal["typed"])


def touch(datapath: Datapath) -> None:
    """Read what a flow has."""
    for flow in datapath.flows:
        _ = flow.key, flow.mask, flow.actions, flow.packets, flow.bytes


def drain(datapath: Datapath) -> None:
    """Read a dump and look at nothing but for its end."""
    request = FlowRecord(command=FlowCmd.GET, dp_ifindex=datapath.ifindex).to_payload()
    transport = datapath.connection.dial()
    family = datapath.connection.family("ovs_flow").id
    transport.send(pack_message(family, NLM_F_REQUEST | NLM_F_DUMP, 1, transport.port_id, request))
    while int.from_bytes(transport.recv(10)[4:6], sys.byteorder) != NLMSG_DONE:
        pass
    transport.close()


def tools() -> dict[str, str]:
    """Return how each tool is called; ours without the shim script, since files are slow in the lab."""
    return {"dpif": f"{sys.executable} -m dpif", "ovs-dpctl": "ovs-dpctl"}


def shell(command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, shell=True, check=True)


if __name__ == "__main__":
    sys.exit(main())
