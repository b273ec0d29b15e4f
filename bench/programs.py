"""Programs on a real kernel: ``python bench/programs.py [--json FILE] [NAME...]``. Boots the lab and runs in there.

NAME picks some of: ``upcalls``, what a packet that comes up costs (received, decided, installed and sent on), the
learning switch as a program beside the one by hand (`by_hand`), every address and port new; ``revalidation``, how
long flows are wrong after a table has changed, of many flows those that hang on it or all, how long packets wait
meanwhile, and the memory of a flow; ``flood``, distinct sources from one port as fast as they come while another
port's pings must be answered; ``workers``, what a second process brings, which needs ``--qemu`` and its two CPUs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from by_hand.switch import Switch as HandSwitch
from contest import Times, row

import dpif
from dpif import lab
from dpif.apps.switch import Switch, SwitchOptions, learning_switch
from dpif.client import Datapath
from dpif.packet import build
from dpif.program import Program, drop, output
from dpif.program.options import Options
from dpif.program.runner import Runner
from dpif.program.workers import Workers
from dpif.testing.kernel import VethHost

BATCH = 64
STATIONS = 16
GROUPS = 1000


def main() -> int:
    """On the host boot the lab; in there measure."""
    parser = argparse.ArgumentParser(prog="bench/programs.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write what is measured there too")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run (default: 7)")
    parser.add_argument("--packets", type=int, default=4000, help="that come up in a round (default: 4000)")
    parser.add_argument(
        "--flows", type=int, default=100_000, help="of which some are decided again (default: 100000)"
    )
    parser.add_argument("--seconds", type=float, default=60, help="of a flood (default: 60)")
    parser.add_argument("--qemu", action="store_true", help="in an emulated machine, which has two CPUs")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which to run (default: all)")
    arguments = parser.parse_args()
    if not os.environ.get("DPIF_LAB"):
        return lab.run(
            [sys.executable, *sys.argv], modules=["dummy"], qemu=arguments.qemu, cpus=2 if arguments.qemu else None
        )
    results: dict[str, Any] = {}
    for name in arguments.names or [name for name in BENCHMARKS if name != "workers" or arguments.qemu]:
        results[name] = BENCHMARKS[name](arguments)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, indent=1))
    return 0


@contextmanager
def lan() -> Iterator[tuple[Datapath, list[VethHost]]]:
    """A datapath with hosts at ports 1 and 2."""
    hosts = [VethHost(name) for name in ("bench1", "bench2")]
    try:
        with dpif.open("bench0", create=True) as datapath:
            for host in hosts:
                datapath.ports.add(host.name)
            try:
                yield datapath, hosts
            finally:
                datapath.destroy()
    finally:
        for host in hosts:
            host.remove()


def mac(number: int) -> str:
    """Return the address of a station."""
    return f"02:00:{number >> 24:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def frames(count: int, seed: int) -> list[bytes]:
    """Return packets as hosts send them, each from a station of its own: TCP, UDP, ARP and IPv6."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        source, to = mac(draw.getrandbits(31) | 1 << 31), mac(draw.randrange(STATIONS))
        one, other = (f"10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(1, 255)}" for _ in range(2))
        port, data = draw.randrange(1024, 65536), draw.randbytes(draw.randrange(200))
        kind = draw.randrange(4)
        if kind == 0:
            payload = build.tcp(one, other, port, draw.choice((22, 80, 443)), data, flags=2)
        elif kind == 1:
            payload = build.udp(one, other, port, draw.choice((53, 123, 4789)), data)
        elif kind == 2:
            payload = build.udp(f"fc00::{port:x}", f"fc00::{draw.getrandbits(16):x}", port, 53, data)
        else:
            payload = build.arp_request(source, one, other)
        found.append(build.ethernet(source, to, payload))
    return found


class Stopwatch:
    """Adds up the time that calls take; ``wrap`` makes a function that is counted."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function`, whose time counts under a name."""

        def counted(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        return counted


def work_through(switch: Any, host: VethHost, packets: list[bytes]) -> Times:
    """Send packets, a batch at a time, and let a switch deal with them; return the time that this took it."""
    wall = processor = 0.0
    for start in range(0, len(packets), BATCH):
        for packet in packets[start : start + BATCH]:
            host.send(packet)
        before = time.perf_counter(), time.process_time()
        while switch.step():
            pass
        wall += time.perf_counter() - before[0]
        processor += time.process_time() - before[1]
    return Times(wall, processor)


def one_round(make: Callable[[Datapath], Any], count: int, seed: int, watch: Stopwatch | None = None) -> Times:
    """Return what a switch takes for packets that all come up."""
    with lan() as (datapath, (sender, receiver)), make(datapath) as switch:
        known = [build.ethernet(mac(number), mac(0), build.arp_request(mac(number), "10.0.0.1", "10.0.0.2"))
                 for number in range(STATIONS)]  # fmt: skip
        work_through(switch, receiver, known)
        if watch is not None:
            runner = switch.runner
            datapath.operate = watch.wrap("install and send", datapath.operate)  # type: ignore[method-assign]
            runner._upcalls.poll = watch.wrap("receive", runner._upcalls.poll)
            runner.decider.decide = watch.wrap("decide", runner.decider.decide)
        times = work_through(switch, sender, frames(count, seed))
        assert switch.counters.upcalls >= count + STATIONS, switch.counters  # the kernel's own packets, too
    return times


def upcalls(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure what a packet that comes up costs."""
    makes = {"program": Switch, "by hand": HandSwitch}
    times: dict[str, list[Times]] = {name: [] for name in makes}
    for seed in range(arguments.rounds):
        for name, make in makes.items():
            times[name].append(one_round(make, arguments.packets, seed))
    measured = row("a packet that comes up", times["program"], "by hand", times["by hand"], arguments.packets, 1.5)
    print(measured, flush=True)
    watch = Stopwatch()
    whole = one_round(Switch, arguments.packets, 99, watch)
    parts = {name: seconds / arguments.packets * 1e6 for name, seconds in watch.seconds.items()}
    parts["the rest"] = whole.wall / arguments.packets * 1e6 - sum(parts.values())
    for name, value in parts.items():
        print(f"  {name:<42} {value:8.2f} us")
    return [{**measured._asdict(), "parts": parts}]


def grouped() -> Program:
    """A program whose flows hang on one rule of many, and on one mode."""
    program = Program("bench")
    rules, mode = program.table("rules"), program.table("mode")
    rules.update(dict.fromkeys(range(GROUPS), 2))
    mode["on"] = True

    @program.forward
    def forward(packet: Any) -> Any:
        if packet.udp is None or not mode.get("on"):
            return drop()
        return output(rules[packet.udp.dst]) if packet.eth.src.value else drop()

    return program


def fill(runner: Runner, sender: VethHost, count: int) -> None:
    """Make flows, as many in each group."""
    draw = random.Random(5)
    packets = (
        build.ethernet(
            mac(number), mac(0), build.udp("10.0.0.1", "10.0.0.2", draw.randrange(1, 65536), number % GROUPS)
        )
        for number in range(count)
    )
    waiting = 0
    for packet in packets:
        sender.send(packet)
        waiting += 1
        if waiting == BATCH:
            waiting = 0
            while runner.step():
                pass


def revalidation(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure how long flows are wrong after a change, and how long a packet waits at most until it is dealt with."""
    results = []
    program = grouped()
    with lan() as (datapath, (sender, _)), Runner(program, datapath, options=Options(idle=1e6)) as runner:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        fill(runner, sender, arguments.flows)
        flows = len(runner.keeper.flows)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / max(flows, 1)
        print(f"{flows} flows, {grown:.0f} bytes of memory each", flush=True)
        for what, change in (
            (f"of {flows} flows 1 in {GROUPS} is concerned", lambda: program.tables["rules"].update({5: 1})),
            ("all flows are concerned", lambda: program.tables["mode"].update({"on": False})),
        ):
            settle(runner)
            revalidated, deleted = runner.counters.revalidated, runner.counters.deleted
            start = time.perf_counter()
            change()
            longest = settle(runner)
            right = time.perf_counter() - start
            result = {
                "what": what, "ms": right * 1e3, "longest_step_ms": longest * 1e3,
                "decided_again": runner.counters.revalidated - revalidated,
                "deleted": runner.counters.deleted - deleted,
            }  # fmt: skip
            results.append(result)
            print(
                f"{what}: right after {right * 1e3:.0f} ms, a packet waits {longest * 1e3:.0f} ms at most; decided "
                f"again {result['decided_again']}, deleted {result['deleted']}",
                flush=True,
            )
    return results


def settle(runner: Runner) -> float:
    """Let a runner work until nothing is left to do; return the longest that a step took."""
    longest = 0.0
    while True:
        start = time.perf_counter()
        came = runner.step()
        longest = max(longest, time.perf_counter() - start)
        if not came and not runner.keeper.has_work:
            return longest


def flood(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Send distinct sources from one port without a pause, and pings from the other; return what became of both."""
    with lan() as (datapath, (attacker, victim)), Switch(datapath) as switch:
        work_through(
            switch, victim, [build.ethernet(mac(1), mac(2), build.arp_request(mac(1), "10.0.0.1", "10.0.0.2"))]
        )
        draw = random.Random(3)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sent = asked = answered = most = masks = 0
        waits = []
        end = time.perf_counter() + arguments.seconds
        while time.perf_counter() < end:
            for _ in range(4 * BATCH):
                attacker.send(
                    build.ethernet(
                        mac(draw.getrandbits(31) | 1 << 31), mac(1), build.udp("10.0.0.3", "10.0.0.4", 1, 2)
                    )
                )
                sent += 1
            question = build.ethernet(
                mac(draw.getrandbits(30)), "ff:ff:ff:ff:ff:ff", build.arp_request(mac(1), "10.0.0.1", "10.0.0.2")
            )
            victim.send(question)
            asked += 1
            start = time.perf_counter()
            switch.step()
            got = False
            while not got and time.perf_counter() - start < 1:
                while (packet := attacker.recv(0)) is not None:
                    got |= packet == question
                if not got:
                    switch.step()
            answered += got
            waits.append(time.perf_counter() - start)
            while victim.recv(0) is not None:
                pass
            most = max(most, switch.counters.flows)
            masks = max(masks, switch.runner.counters.masks)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        result = {
            "sent": sent, "came_up": switch.counters.upcalls, "lost": switch.counters.lost, "flows": most,
            "masks": masks, "grown_mib": grown, "asked": asked, "answered": answered,
            "median_wait_ms": statistics.median(waits) * 1e3, "longest_wait_ms": max(waits) * 1e3,
        }  # fmt: skip
    print(
        f"flood: {sent} sent, {result['came_up']} came up, {result['lost']} lost; {most} flows, {masks} masks, "
        f"{grown:.0f} MiB more memory; of {asked} pings {answered} answered, after "
        f"{result['median_wait_ms']:.0f} ms, at most {result['longest_wait_ms']:.0f}",
        flush=True,
    )
    return [result]


def workers(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure how fast processes deal with what waits for them, one and two of them."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for seed in range(arguments.rounds):
        for count, found in seconds.items():
            found.append(work_off(count, arguments.packets, seed))
    ratio = statistics.median(one / two for one, two in zip(*seconds.values(), strict=True))
    one, two = (statistics.median(found) / arguments.packets * 1e6 for found in seconds.values())
    print(f"workers: one takes {one:.0f} us a packet, two {two:.0f}: {ratio:.2f} times as fast (1.6)", flush=True)
    return [{"one": one, "two": two, "ratio": ratio}]


def work_off(count: int, packets: int, seed: int) -> float:
    """Let packets wait for workers that stand still; return the seconds in which these have made flows of all."""
    program = learning_switch(SwitchOptions())
    with lan() as (datapath, hosts), Runner(program, datapath, options=Options(workers=count, idle=1e6)) as runner:
        assert isinstance(runner._upcalls, Workers)
        children = list(runner._upcalls._children.values())
        for child in children:
            os.kill(child, signal.SIGSTOP)
        before = datapath.stats()
        for number, packet in enumerate(frames(packets, seed)):
            hosts[number % 2].send(packet)
        waiting = datapath.stats()
        wanted = waiting.missed - before.missed - (waiting.lost - before.lost)
        start = time.perf_counter()
        for child in children:
            os.kill(child, signal.SIGCONT)
        while datapath.stats().flows < wanted:
            runner.step(0.005)
            if time.perf_counter() - start > 120:
                raise TimeoutError(f"{wanted} packets came up, and {datapath.stats().flows} flows are there")
        return (time.perf_counter() - start) * packets / wanted


BENCHMARKS: dict[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {
    "upcalls": upcalls,
    "revalidation": revalidation,
    "flood": flood,
    "workers": workers,
}

if __name__ == "__main__":
    sys.exit(main())
