"""The lab as its callers see it: streams, statuses, ends. Each test boots it."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpif import lab

pytestmark = pytest.mark.lab

LAB = [sys.executable, "-m", "dpif.lab"]


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every lab of these tests works in a directory of its own, by which its processes are known."""
    private = tmp_path / "private files"
    private.mkdir()
    monkeypatch.setenv("TMPDIR", str(private))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield
    deadline = time.monotonic() + 30
    while (left := [*private.iterdir(), *_processes_of(str(private))]) and time.monotonic() < deadline:
        time.sleep(0.05)  # a killed lab is tidied up by its guard, a moment later
    assert left == []


def _processes_of(directory: str) -> list[str]:
    lines = [path.read_bytes().replace(b"\0", b" ").decode() for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in lines if directory in line]


def lab_command(*command: str, options: tuple[str, ...] = (), **keywords: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*LAB, *options, "--", *command], capture_output=True, check=False, timeout=110, **keywords)


@contextlib.contextmanager
def started(*argv: str, **keywords: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; a test that fails meanwhile does not wait for it."""
    with subprocess.Popen(argv, **keywords) as process:
        try:
            yield process
        finally:
            process.kill()


def test_streams_arrive_apart_and_unchanged() -> None:
    data = bytes(range(256)) * 3000
    done = lab_command("sh", "-c", "cat; echo warning >&2; exit 3", input=data)
    assert done.returncode == 3
    assert done.stdout == data
    assert done.stderr == b"warning\n"


def test_a_signal_ends_the_command_with_128_and_its_number() -> None:
    done = lab_command("sh", "-c", "kill -TERM $$", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, b"")


def test_an_unknown_command_is_127() -> None:
    done = lab_command("nonesuch", stdin=subprocess.DEVNULL)
    assert done.returncode == 127
    assert b"nonesuch" in done.stderr


def test_the_command_sees_the_callers_world_on_another_kernel(tmp_path: Path) -> None:
    script = """
        pwd; echo "$GREETING $DPIF_LAB"; test -t 0 || test -t 1 || test -t 2 || echo no terminal
        uname -n; id -u; test -d /sys/module/openvswitch && echo openvswitch; echo seen >file
        grep -c . /proc/net/dev; ls /run/netns 2>/dev/null; grep -o '^nf_conntrack_ftp' /proc/modules
    """
    with open(tmp_path / "out", "w+b") as out:
        status = lab.run(
            ["sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=out,
            env={**os.environ, "GREETING": "hello  you"},
            cwd=tmp_path,
            modules=["nf_conntrack_ftp"],
        )
    assert status == 0
    assert (tmp_path / "out").read_text().splitlines() == [
        str(tmp_path),
        "hello  you 1",
        "no terminal",
        "lab",
        "0",
        "openvswitch",
        "3",
        "nf_conntrack_ftp",
    ]
    assert (tmp_path / "file").read_text() == "seen\n"


def test_what_the_command_leaves_running_ends_with_it() -> None:
    done = lab_command("sh", "-c", "sleep 1000 & echo done", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_the_timeout_ends_it() -> None:
    done = lab_command("sleep", "1000", options=("--timeout", "1"), stdin=subprocess.DEVNULL)
    assert done.returncode == 124
    assert done.stderr == b"dpif lab: not done after 1 s; the lab was ended\n"


def test_a_kernel_that_panics_is_told_with_its_last_words() -> None:
    with pytest.raises(lab.LabFailed, match=r"died before the command ended(.|\n)*sysrq") as caught:
        lab.run(["sh", "-c", "echo c >/proc/sysrq-trigger"], stdin=subprocess.DEVNULL)
    assert caught.value.console


def test_an_unknown_module_is_told() -> None:
    done = lab_command("true", options=("--module", "nonesuch"), stdin=subprocess.DEVNULL)
    assert done.returncode == 125
    assert b"Module nonesuch not found" in done.stderr


def test_a_reader_that_leaves_ends_it() -> None:
    with started(*LAB, "--", "yes", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"y\n"
        process.stdout.close()
        assert process.wait(60) == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_signals_to_the_caller_end_it(number: signal.Signals, status: int) -> None:
    # What runs the tests may ignore SIGHUP, as nohup does, and what it starts would too.
    argv = ["env", "--default-signal", *LAB, "--", "sh", "-c", "echo up; sleep 1000"]
    with started(*argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"up\n"
        process.send_signal(number)
        assert process.wait(60) == status


def test_a_shell_on_the_callers_terminal() -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (33, 101))
    environment = {**os.environ, "SHELL": "/bin/sh", "PS1": "lab> "}
    with started(*LAB, stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        _expect(master, b"lab> ")
        os.write(master, b"stty size\r")
        _expect(master, b"33 101")
        _expect(master, b"lab> ")
        os.write(master, b"sh -c 'echo waiting; exec sleep 1000'\r")
        _expect(master, b"waiting\r\n")
        os.write(master, b"\x03")
        _expect(master, b"lab> ")
        os.write(master, b"exit 5\r")
        assert process.wait(60) == 5
    os.close(master)


def _expect(terminal: int, wanted: bytes) -> None:
    """Read from the terminal until `wanted` has come; the test's own timeout bounds it."""
    seen = b""
    while wanted not in seen:
        seen += os.read(terminal, 1)
