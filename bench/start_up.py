"""Measures what a short command line costs: ``python bench/start_up.py [--json FILE]``.

Prints the processor time of ``dpif --version`` and of ``dpif show`` (on a datapath in user space that is served
meanwhile), each as a multiple of what the bare interpreter takes, and the budgets that they keep. Runs alternate and
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
"""Of each command line, in multiples of the bare interpreter."""

_MAIN = "import sys; from dpif.cli import main; sys.exit(main())"


def measure(runs: int) -> dict[str, float]:
    """Return the seconds of processor time of the bare interpreter and of each command line with a budget."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "dpif.sock")
        with UserspaceSystem() as system, Server(system, path) as server:
            thread = threading.Thread(target=server.run)
            thread.start()
            try:
                run = ["-c", _MAIN, "--socket", path]
                processor_time([*run, "add-dp", "netdev@br0"])
                cases = {BARE: ["-c", "pass"], "dpif --version": ["-c", _MAIN, "--version"]}
                return best_times({**cases, "dpif show": [*run, "show", "netdev@br0"]}, runs)
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
    for name, budget in BUDGETS.items():
        ratio = times[name] / times[BARE]
        print(f"{name:<16} {times[name] * 1000:6.1f} ms  {ratio:5.2f} times the interpreter (at most {budget})")


if __name__ == "__main__":
    main()
