"""Benchmarks on a real kernel, each beside what it is measured by: ``python bench/lab.py [--json FILE] [NAME...]``.

Boots the lab once and runs itself in there. ``ovs-dpctl`` (Debian's ``openvswitch-switch``) is one peer; the others
are the *floor*, which reads a dump without looking at it, and batches written by hand. NAME picks some of the
benchmarks: ``start``, ``files``, ``operate``, ``dumps``, ``columns``, ``memory``. What is printed are our time, the
peer's, the ratio of the two, and the ratio of their processor times.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import workload
from contest import Contestants, Row, marginal, row, save, take_turns
from installed import install

import dpif
from dpif import lab
from dpif.client.datapath import Datapath
from dpif.client.operations import Put
from dpif.netlink.constants import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE
from dpif.netlink.message import pack_message
from dpif.odp.constants import FlowCmd
from dpif.odp.messages.flow import FlowRecord

SCRATCH = Path("/run/bench")
"""A directory in the guest's memory."""
PORTS = 6
BATCH = 128
PEER = "ovs-dpctl"
STYLES = ("", "-m", "--names")
PEAK = """
import sys
from dpif.cli import main
main()
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(peak, file=sys.stderr)
"""


def main() -> int:
    """On the host boot the lab; in there measure."""
    parser = argparse.ArgumentParser(prog="bench/lab.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows there too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is run (default: 5)")
    parser.add_argument("--flows", type=int, nargs=2, default=[30_000, 100_000], help="sizes of two tables")
    parser.add_argument("--lines", type=int, default=30_000, help="length of a file of flows")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which to run (default: all)")
    arguments = parser.parse_args()
    if not os.environ.get("DPIF_LAB"):
        return lab.run([sys.executable, *sys.argv], modules=["dummy"])
    SCRATCH.mkdir(exist_ok=True)
    rows = []
    for name in arguments.names or BENCHMARKS:
        for measured in BENCHMARKS[name](arguments):
            rows.append(measured)
            print(measured, flush=True)
    save(rows, arguments.json)
    return 0


def measure_start(arguments: argparse.Namespace) -> Iterator[Row]:
    """A whole process that does next to nothing: what every other whole process begins with."""
    with datapath("start"):
        commands = ("show", "dump-flows")
        times = take_turns(
            {
                f"{name} {command}": quiet(f"{tool} {command} start")
                for name, tool in tools().items()
                for command in commands
            },
            arguments.rounds,
        )
    for command in commands:
        yield row(f"{command}, nothing there", times[f"dpif {command}"], PEER, times[f"{PEER} {command}"], 1)


def measure_files(arguments: argparse.Namespace) -> Iterator[Row]:
    """Whole processes that add, change and delete the flows of a file."""
    file, keys = SCRATCH / "flows", SCRATCH / "keys"
    file.write_text("".join(f"{workload.line(number)}\n" for number in range(arguments.lines)))
    keys.write_text("".join(f"{workload.key(number)}\n" for number in range(arguments.lines)))
    commands = {"add-flows": file, "mod-flows": file, "del-flows": keys}
    with datapath("files"):
        contestants = {
            f"{name} {command}": quiet(f"{tool} {command} files {path}")
            for name, tool in tools().items()
            for command, path in commands.items()
        }
        times = take_turns(contestants, arguments.rounds)
    for command in commands:
        ours, peer = times[f"dpif {command}"], times[f"{PEER} {command}"]
        yield row(f"{command} FILE, {arguments.lines} lines", ours, PEER, peer, arguments.lines)


def measure_operate(arguments: argparse.Namespace) -> Iterator[Row]:
    """Encoded puts, beside batches written by hand. To put again what is there costs the kernel the same in both."""
    count = arguments.lines
    puts = [Put(workload.key(number), workload.actions(number)) for number in range(count)]
    with datapath("operate") as dp:
        requests = [put.request(dp.ifindex).payload for put in puts]
        dp.operate(puts)
        times = take_turns(
            {"dpif": lambda: dp.operate(puts), "hand": lambda: put_by_hand(dp, requests)}, arguments.rounds
        )
    yield row(f"operate(), {count} puts", times["dpif"], "by hand", times["hand"], count)


def put_by_hand(dp: Datapath, requests: list[bytes]) -> None:
    """Send batches of requests, with one acknowledgement for each."""
    family = dp.connection.family("ovs_flow").id
    transport = dp.connection.dial()
    for start in range(0, len(requests), BATCH):
        part = requests[start : start + BATCH]
        flags = [NLM_F_REQUEST] * (len(part) - 1) + [NLM_F_REQUEST | NLM_F_ACK]
        transport.send(b"".join(pack_message(family, f, 1, 0, r) for f, r in zip(flags, part, strict=True)))
        transport.recv(10)
    transport.close()


def measure_dumps(arguments: argparse.Namespace) -> Iterator[Row]:
    """What a flow more costs, between tables of two sizes, and whole processes at the larger one."""
    small, large = arguments.flows
    with datapath("small", small) as few, datapath("large", large) as many:
        contestants: Contestants = {}
        for dp in (few, many):
            contestants[f"floor {dp.name}"] = lambda dp=dp: drain(dp)
            contestants[f"typed {dp.name}"] = lambda dp=dp: touch(dp)
        for style in STYLES:
            for name, tool in tools().items():
                for dp in (few, many):
                    command = f"{tool} dump-flows {style} {dp.name} > {SCRATCH}/{name}"
                    contestants[f"{name}{style} {dp.name}"] = quiet(command)
        times = take_turns(contestants, arguments.rounds)

    def more(name: str) -> list:
        return marginal(times[f"{name} small"], times[f"{name} large"])

    for style in STYLES:
        ours, peer = f"dpif{style}", f"{PEER}{style}"
        yield row(f"dump-flows {style}, marginal", more(ours), PEER, more(peer), large - small)
        yield row(f"dump-flows {style}, {large}", times[f"{ours} large"], PEER, times[f"{peer} large"], large)
    yield row("dump-flows, marginal", more("dpif"), "floor", more("floor"), large - small)
    yield row("typed flows, marginal", more("typed"), "floor", more("floor"), large - small)


def measure_columns(arguments: argparse.Namespace) -> Iterator[Row]:
    """All columns of the larger table; each kind by itself, for the memory that one gives back the next one lacks."""
    _, large = arguments.flows
    with datapath("columns", large) as dp:
        for name, convert in (("arrow", dp.flows.to_arrow), ("numpy", dp.flows.to_numpy)):
            times = take_turns({"floor": lambda: drain(dp), name: convert}, arguments.rounds)
            yield row(f"to_{name}(), {large}", times[name], "floor", times["floor"], large)


def touch(dp: Datapath) -> None:
    """Read what a flow has."""
    for flow in dp.flows:
        _ = flow.key, flow.mask, flow.actions, flow.packets, flow.bytes


def drain(dp: Datapath) -> None:
    """Read a dump and look at nothing but for its end."""
    request = FlowRecord(command=FlowCmd.GET, dp_ifindex=dp.ifindex).to_payload()
    transport = dp.connection.dial()
    family = dp.connection.family("ovs_flow").id
    transport.send(pack_message(family, NLM_F_REQUEST | NLM_F_DUMP, 1, transport.port_id, request))
    while int.from_bytes(transport.recv(10)[4:6], sys.byteorder) != NLMSG_DONE:
        pass
    transport.close()


def measure_memory(arguments: argparse.Namespace) -> Iterator[Row]:
    """The peak of a process that dumps twice the larger table, and what of it is there for an empty one; no times."""
    count = 2 * arguments.flows[1]
    with datapath("nothing"), datapath("plenty", count):
        for style in STYLES:
            empty, full = (peak_memory(f"dump-flows {style} {name}") for name in ("nothing", "plenty"))
            what = f"dump-flows {style}, {count}, peak memory"
            print(f"{what:<42} {full} KiB, {full - empty} KiB more than for an empty table", flush=True)
    yield from ()


def peak_memory(command: str) -> int:
    """Return the most memory that a command took, in KiB.

    The process tells itself: what its parent learns counts the parent's own memory, from before the ``exec``.
    """
    script = SCRATCH / "peak.py"
    script.write_text(PEAK)
    interpreter = tools()["dpif"].rpartition(" ")[0]
    run = f"{interpreter} {script} {command} > {SCRATCH}/out"
    return int(subprocess.run(run, shell=True, check=True, stderr=subprocess.PIPE, text=True).stderr)


@contextlib.contextmanager
def datapath(name: str, flows: int = 0) -> Iterator[Datapath]:
    """Make a datapath with the ports and so many of the flows of the workload; take all away at the end."""
    devices = [f"{name[:4]}{number}" for number in range(1, PORTS + 1)]
    with dpif.open(name, create=True) as made:
        for device in devices:
            shell(f"ip link add {device} type dummy && ovs-dpctl add-if {name} {device}")
        for start in range(0, flows, 10_000):
            numbers = range(start, min(start + 10_000, flows))
            made.operate([Put(workload.key(number), workload.actions(number)) for number in numbers])
        yield made
        made.destroy()
        for device in devices:
            shell(f"ip link delete {device}")


def shell(command: str) -> None:
    """Run a command, which must succeed."""
    subprocess.run(command, shell=True, check=True)


@functools.cache
def tools() -> dict[str, str]:
    """Return how each tool is called."""
    return install(SCRATCH / "programs")


def quiet(command: str):
    """Return what runs a command, which must succeed."""
    redirected = command if ">" in command else f"{command} > {SCRATCH}/out"
    return lambda: shell(redirected)


BENCHMARKS = {
    "start": measure_start,
    "files": measure_files,
    "operate": measure_operate,
    "dumps": measure_dumps,
    "columns": measure_columns,
    "memory": measure_memory,
}

if __name__ == "__main__":
    sys.exit(main())
