"""Measures what a short command line costs: ``python bench/start_up.py``.

Prints the processor time of ``dpif --version`` and of ``dpif show`` (on a datapath in user space that is served
meanwhile), each as a multiple of what the bare interpreter takes, and the bounds that they are meant to keep. Runs
alternate and the best of each counts, so that a busy machine disturbs all alike.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from dpif.userspace import Server, UserspaceSystem

RUNS = 20
MAIN = "import sys; from dpif.cli import main; sys.exit(main())"


def processor_time(arguments: list[str]) -> float:
    """Return the seconds of processor time that the interpreter takes with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-I", *arguments], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def processor_times(cases: dict[str, list[str]], repeat: int) -> dict[str, float]:
    """Return the best time of each case, in seconds; each is run `repeat` times in a row to be long enough."""
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(RUNS):
        for name, arguments in cases.items():
            best[name] = min(best[name], sum(processor_time(arguments) for _ in range(repeat)) / repeat)
    return best


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "dpif.sock")
        with UserspaceSystem() as system, Server(system, path) as server:
            thread = threading.Thread(target=server.run)
            thread.start()
            run = ["-c", MAIN, "--socket", path]
            subprocess.run([sys.executable, "-I", *run, "add-dp", "netdev@br0"], check=True)
            cases = {"python -c pass": ["-c", "pass"], "dpif --version": ["-c", MAIN, "--version"]}
            times = processor_times({**cases, "dpif show": [*run, "show", "netdev@br0"]}, repeat=3)
            server.stop()
            thread.join()
    bare = times["python -c pass"]
    for name, bound in (("python -c pass", 1.0), ("dpif --version", 2.5), ("dpif show", 4.0)):
        ratio = times[name] / bare
        print(f"{name:<16} {times[name] * 1000:6.1f} ms  {ratio:5.2f} times the interpreter (at most {bound})")


if __name__ == "__main__":
    main()
