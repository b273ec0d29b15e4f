"""Benchmarks on a real kernel, each beside what it is measured by: ``python bench/lab.py [--json FILE] [NAME...]``.

Boots the lab once and runs itself in there. ``ovs-dpctl`` (Debian's ``openvswitch-switch``) is one peer; the others
are the *floor*, which reads a dump without looking at it, and batches written by hand. NAME picks some of the
benchmarks: ``start``, ``files``, ``operate``, ``dumps``, ``columns``, ``memory``; ``--workloads`` whose flows they
list and install. What is printed are our time, the peer's, the ratio of the two, the ratio of their processor times,
and whether the first one is within its mark (``marks.py``).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from contest import Contestants, Row, Times, marginal, row, save, take_turns
from installed import install
from marks import mark
from measures import read_all
from workloads import WORKLOADS, Flow, Form, fill, forms

import dpif
from dpif import lab
from dpif.client.datapath import Datapath
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
MARKED = ("plain", "ovn", "openstack", "random")
"""The workloads for which something must be reached."""
TEN_COLUMNS = [
    "in_port", "recirc_id", "ct_state", "eth.src", "eth.dst", "eth_type", "ipv4.src", "ipv4.dst", "packets", "bytes",
]  # fmt: skip
_RECIRC = re.compile(r"\brecirc\((0x[0-9a-f]+)\)")
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
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run (default: 7)")
    parser.add_argument(
        "--workloads", nargs="+", choices=WORKLOADS, default=MARKED, help="(default: those with marks)"
    )
    parser.add_argument("--seed", type=int, default=1, help="draws other flows (default: 1)")
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
    for workload in arguments.workloads:
        yield from _measure_files(workload, arguments)


def _measure_files(workload: str, arguments: argparse.Namespace) -> Iterator[Row]:
    file, keys = SCRATCH / "flows", SCRATCH / "keys"
    with datapath("files") as dp:
        given = map(as_read, forms(workload, arguments.seed, dp.rules))
        flows = draw([form for form in given if reads(form)], arguments.lines, arguments.seed)
        file.write_text("".join(f"{flow.line()}\n" for flow in flows))
        keys.write_text("".join(f"{flow.match}\n" for flow in flows))
        commands = {"add-flows": file, "mod-flows": file, "del-flows": keys}
        contestants = {
            f"{name} {command}": quiet(f"{tool} {command} files {path}")
            for name, tool in tools().items()
            for command, path in commands.items()
        }
        times = take_turns(contestants, arguments.rounds)
    for command in commands:
        ours, peer = times[f"dpif {command}"], times[f"{PEER} {command}"]
        what = f"{workload}: {command} FILE, {arguments.lines} lines"
        yield row(what, ours, PEER, peer, arguments.lines, mark("file", workload))


def as_read(form: Form) -> Form:
    """Return a form that the peer reads: it prints ``recirc(0x1)``, and reads decimal numbers there."""
    return form._replace(actions=_RECIRC.sub(lambda found: f"recirc({int(found[1], 16)})", form.actions))


def reads(form: Form) -> bool:
    """Tell whether the peer installs a flow of this form: it cannot read all that it prints, such as ``drop``."""
    flow = next(fill([form]))
    added, _ = (
        subprocess.run([PEER, command, "files", *texts], capture_output=True, check=False)
        for command, texts in (("add-flow", (flow.match, flow.actions)), ("del-flow", (flow.match,)))
    )
    return added.returncode == 0


def draw(given: list[Form], count: int, seed: int) -> list[Flow]:
    """Return so many flows of some forms."""
    return list(itertools.islice(fill(given, seed), count))


def measure_operate(arguments: argparse.Namespace) -> Iterator[Row]:
    """Encoded puts, beside batches written by hand. To put again what is there costs the kernel the same in both."""
    count = arguments.lines
    with datapath("operate") as dp:
        puts = [flow.put() for flow in draw(forms("plain", arguments.seed, dp.rules), count, arguments.seed)]
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
    for workload in arguments.workloads:
        yield from _measure_dumps(workload, arguments)


def _measure_dumps(workload: str, arguments: argparse.Namespace) -> Iterator[Row]:
    small, large = arguments.flows
    source = functools.partial(datapath, workload=workload, seed=arguments.seed)
    with source("small", small) as few, source("large", large) as many:
        contestants: Contestants = {}
        for dp in (few, many):
            contestants[f"floor {dp.name}"] = lambda dp=dp: drain(dp)
            contestants[f"typed {dp.name}"] = lambda dp=dp: read_flows(dp)
        for style in STYLES:
            for name, tool in tools().items():
                for dp in (few, many):
                    command = f"{tool} dump-flows {style} {dp.name} > {SCRATCH}/{name}"
                    contestants[f"{name}{style} {dp.name}"] = quiet(command)
        times = take_turns(contestants, arguments.rounds)

    def more(name: str) -> list[Times]:
        return marginal(times[f"{name} small"], times[f"{name} large"])

    def compare(what: str, ours: list[Times], peer: str, theirs: list[Times], count: int, kind: str) -> Row:
        return row(f"{workload}: {what}", ours, peer, theirs, count, mark(kind, workload))

    for style in STYLES:
        ours, peer = f"dpif{style}", f"{PEER}{style}"
        kind = "verbose" if style == "-m" else "line"
        yield compare(f"dump-flows {style}, marginal", more(ours), PEER, more(peer), large - small, kind)
        whole = times[f"{ours} large"], PEER, times[f"{peer} large"]
        yield compare(f"dump-flows {style}, {large}", *whole, large, "process")
    yield compare("dump-flows, marginal", more("dpif"), "floor", more("floor"), large - small, "")
    yield compare("typed, all fields, marginal", more("typed"), "floor", more("floor"), large - small, "typed")


def measure_columns(arguments: argparse.Namespace) -> Iterator[Row]:
    """Columns of the larger table; each kind by itself, for the memory that one gives back the next one lacks."""
    _, large = arguments.flows
    for workload in arguments.workloads:
        with datapath("columns", large, workload, arguments.seed) as dp:
            kinds = {
                "to_arrow()": ("arrow", dp.flows.to_arrow),
                "to_numpy() of ten columns": ("numpy", lambda dp=dp: dp.flows.to_numpy(TEN_COLUMNS)),
                "to_numpy()": ("", dp.flows.to_numpy),
            }
            for name, (kind, convert) in kinds.items():
                times = take_turns({"floor": lambda dp=dp: drain(dp), name: convert}, arguments.rounds)
                what = f"{workload}: {name}, {large}"
                yield row(what, times[name], "floor", times["floor"], large, mark(kind, workload))


def read_flows(dp: Datapath) -> None:
    """Read every field of every layer of every flow."""
    for flow in dp.flows:
        read_all(flow)


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
def datapath(name: str, flows: int = 0, workload: str = "plain", seed: int = 1) -> Iterator[Datapath]:
    """Make a datapath with ports and so many flows of a workload; take all away at the end."""
    devices = [f"{name[:4]}{number}" for number in range(1, PORTS + 1)]
    with dpif.open(name, create=True) as made:
        for device in devices:
            shell(f"ip link add {device} type dummy && ovs-dpctl add-if {name} {device}")
        source = itertools.islice(fill(forms(workload, seed, made.rules), seed), flows)
        while part := list(itertools.islice(source, 5_000)):
            refused = [result for result in made.operate([flow.put() for flow in part]) if not result.ok]
            assert not refused, refused[0]
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
