"""Whatever happens ends in an exit status and a line, never in a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpif import __version__
from dpif.cli import main
from dpif.cli.commands import datapaths
from dpif.cli.endings import TimeOver
from dpif.userspace import UserspaceSystem

from .command_line import command_line
from .conftest import Run


def start(*words: str, stdin: int | None = None, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command_line(*words), stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"dpif {__version__}\n", "")


@pytest.mark.parametrize("seconds", ["0", "x", "-1", "nan", "inf"])
def test_a_timeout_that_is_none(run: Run, seconds: str) -> None:
    assert run(f"--timeout={seconds}", "list-commands") == (
        2,
        "",
        f"dpif: value {seconds} on -t or --timeout is invalid: expected a number of seconds, above 0\n",
    )


@pytest.mark.parametrize("seconds", ["1e300", "1e-300", "9" * 300])
def test_a_timeout_without_an_end_or_a_length(run: Run, monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    timers = []

    def handler(context: object) -> None:
        timers.append(signal.setitimer(signal.ITIMER_REAL, 0)[0])

    monkeypatch.setattr(datapaths, "dump_dps", handler)
    ran = run("-t", seconds, "dump-dps")
    assert "internal error" not in ran.stderr
    assert ran.status == 142 or timers[0] > 1e7


def raise_in(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the command dump-dps raise."""

    def handler(context: object) -> None:
        raise error

    monkeypatch.setattr(datapaths, "dump_dps", handler)


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in(monkeypatch, KeyboardInterrupt())
    assert run("dump-dps") == (130, "", "")


@pytest.mark.parametrize(
    ("module", "status"),
    [("dpif.cli", -signal.SIGINT), ("dpif.cli.errors", -signal.SIGINT), ("dpif.cli.context", 130)],
)
def test_ctrl_c_while_modules_are_imported(module: str, status: int) -> None:
    """It is a finder of modules that strikes, when `module` is looked for."""
    code = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from dpif.__main__ import run
run()
"""
    done = subprocess.run([sys.executable, "-c", code, "help"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


def test_little_is_imported_before_ctrl_c_is_taken() -> None:
    """Before it, Python's own handler would print a traceback; a library may not change that when it is imported."""
    code = """
import sys
before = set(sys.modules)
from dpif.__main__ import run
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in done.stdout.split() if name.startswith("dpif")]
    assert ours == ["dpif", "dpif.__main__", "dpif._lazy", "dpif._typing", "dpif._version", "dpif.errors"]


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    code = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
from dpif.cli import entry
entry._run = lambda argv: signal.raise_signal(signal.SIGINT)
from dpif.__main__ import run
run()
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_an_alarm_that_is_lost_comes_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    alarms = []

    def handler(context: object) -> None:
        for _ in range(2):
            try:
                time.sleep(30)
            except TimeOver:  # as a destructor does that it meets
                alarms.append("lost")
        time.sleep(30)

    monkeypatch.setattr(datapaths, "dump_dps", handler)
    assert run("-t0.01", "dump-dps") == (142, "", "dpif: the time given by --timeout is over\n")
    assert alarms == ["lost", "lost"]


def test_an_internal_error_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DPIF_DEBUG", raising=False)
    raise_in(monkeypatch, KeyError("x"))
    assert run("dump-dps") == (1, "", "dpif: internal error: KeyError: 'x' (DPIF_DEBUG=1 shows where)\n")


def test_an_internal_error_can_be_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPIF_DEBUG", "1")
    raise_in(monkeypatch, KeyError("x"))
    with pytest.raises(KeyError):
        main(["dump-dps"])


def test_an_error_of_the_system_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_in(monkeypatch, PermissionError(13, "Permission denied", "some/file"))
    assert run("dump-dps") == (1, "", "dpif: some/file (Permission denied)\n")


def test_time_is_over(system: UserspaceSystem, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGALRM)
    monkeypatch.setattr(datapaths, "dump_dps", lambda context: signal.pause())
    assert run("-t", "0.01", "dump-dps") == (142, "", "dpif: the time given by --timeout is over\n")
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_time_is_over_for_a_parent_too_that_blocks_the_alarm(br0: str) -> None:
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])"
    with subprocess.Popen(
        command_line("-t0.2", "add-flows", br0, "-", left=blocked), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.wait() == 142


def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start("list-commands", stdout=writer) as process:
        os.close(writer)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (141, b"")


def test_flows_from_a_pipe_are_carried_out_as_they_come(br0: str, run: Run, tmp_path: Path) -> None:
    flow = "in_port({}),eth(),eth_type(0x0806),arp()"
    with start("-s", "add-flows", br0, "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2):
            process.stdin.write(f"{flow.format(number)} drop\n".encode())
            process.stdin.flush()
            assert process.stdout.readline() == b"packets:0, bytes:0, used:never\n"
            assert len(run("dump-flows", br0).stdout.splitlines()) == number
        process.stdin.close()
        assert process.wait() == 0


def test_a_person_at_a_terminal_sees_the_place(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("parse-actions", "1,push_vlna(vid=1)")
    assert run(*words).stderr.count("\n") == 1
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(*words).stderr.splitlines()[1:] == ["1,push_vlna(vid=1)", "  ^"]
