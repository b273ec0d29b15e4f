"""Measures what a short command line costs: ``python bench/start_up.py [--json FILE]``.

Prints the processor time of ``dpif --version``, and of ``dpif show`` and ``dpif dump-flows`` (on a datapath in user
space that is served meanwhile, and has no flows), each as a multiple of what the bare interpreter takes, the budgets
that they keep, and whether they are within what they are meant to reach. Runs alternate and
the best of each counts, so that a busy machine disturbs all alike. A test of the command line runs this too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from dpif.userspace import Server, UserspaceSystem

BARE = "python -c pass"
BUDGETS = {"dpif --version": 2.5, "dpif show": 4.0}
"""Of each command line, in multiples of the bare interpreter; a test holds it to them on a busy machine, too."""
MARKS = {"dpif show": 2.8, "dpif dump-flows": 2.8}
"""What they are meant to reach."""

_MAIN = "import sys; from dpif.cli import main; sys.exit(main())"


def measure(runs: int) -> dict[str, float]:
    """Return the seconds of processor time of the bare interpreter and of each command line."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "dpif.sock")
        with UserspaceSystem() as system, Server(system, path) as server:
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                run = ["-c", _MAIN, "--socket", path]
                processor_time([*run, "add-dp", "netdev@br0"])
                cases = {BARE: ["-c", "pass"], "dpif --version": ["-c", _MAIN, "--version"]}
                looks = {f"dpif {command}": [*run, command, "netdev@br0"] for command in ("show", "dump-flows")}
                return best_times(cases | looks, runs)
            finally:
                server.stop()
                thread.join()


def best_times(cases: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Return the best time of each case, which take turns."""
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(runs):
        for name, arguments in cases.items():
            best[name] = min(best[name], processor_time(arguments))
    return best


def processor_time(arguments: list[str]) -> float:
    """Return the seconds of processor time that the interpreter takes with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="bench/start_up.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the seconds of each there too")
    arguments = parser.parse_args()
    times = measure(runs=40)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(times, indent=1))
    print(f"{BARE:<16} {times[BARE] * 1000:6.1f} ms")
    for name, seconds in times.items():
        if name != BARE:
            ratio = seconds / times[BARE]
            print(f"{name:<16} {seconds * 1000:6.1f} ms  {ratio:5.2f} times the interpreter{_verdict(name, ratio)}")


def _verdict(name: str, ratio: float) -> str:
    told = [f"; at most {BUDGETS[name]}"] if name in BUDGETS else []
    if name in MARKS:
        told.append(f"; {'met' if ratio <= MARKS[name] else 'not met'} ({MARKS[name]})")
    return "".join(told)


if __name__ == "__main__":
    main()
