"""``dpif play``: real pings between hosts, through the learning switch and through a program that is saved anew.

Where the system lets this user make no namespaces, that is what it says; but where CI=true nothing may be left out.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dpif.cli.command_table import BY_NAME
from dpif.testing.waiting import eventually

DPIF = [sys.executable, "-m", "dpif"]
FLOOD = """\
def main(dp):
    numbers = [port.number for port in dp.ports]
    with dp.upcalls() as upcalls:
        print("%s listens", flush=True)
        for upcall in upcalls:
            others = [number for number in numbers if number != upcall.key.in_port]
            dp.execute(upcall.packet, ",".join(map(str, others)), upcall.key)
"""


def played(*words: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run ``dpif play``, whose words these are."""
    command = [*DPIF, "play", *words]
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, text=True)
    needs_namespaces(done.stderr)
    return done


def needs_namespaces(said: str) -> None:
    if "make no namespaces of its own" in said and os.environ.get("CI") != "true":
        pytest.skip(said)


@pytest.mark.parametrize("example", BY_NAME["play"].examples)
def test_its_examples(example: str, tmp_path: Path) -> None:
    (tmp_path / "switch.py").write_text(FLOOD % "it")
    done = played(*shlex.split(example)[2:], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    if "ping" in example:
        assert " 0% packet loss" in done.stdout


def test_a_shell_reaches_the_hosts_and_the_datapath(tmp_path: Path) -> None:
    done = played(cwd=tmp_path, stdin="h1 ping -c 1 h2 && dpif dump-dps && h3 ip -br -4 address show eth0; exit 7\n")
    assert done.returncode == 7, done.stderr
    assert " 0% packet loss" in done.stdout
    assert "netdev@play" in done.stdout
    assert "10.0.0.3/24" in done.stdout
    assert done.stderr.startswith(
        "dpif: play: the learning switch runs on netdev@play, between the hosts h1 (10.0.0.1)"
    )


def test_a_program_is_started_anew_when_it_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "flood.py"
    file.write_text(FLOOD % "the first")
    said = tmp_path / "said"
    with (
        said.open("wb") as output,
        subprocess.Popen([*DPIF, "play", str(file)], stdin=subprocess.PIPE, stdout=output, stderr=output) as process,
    ):
        assert process.stdin is not None
        eventually(lambda: process.poll() is not None or "the first listens" in said.read_text())
        needs_namespaces(said.read_text())
        file.write_text(FLOOD % "the second")
        eventually(lambda: "the second listens" in said.read_text())
        process.stdin.write(b"h1 ping -c 1 h2\n")
        process.stdin.close()
        assert process.wait() == 0
    assert "flood.py was saved, and is started anew" in said.read_text()
    assert " 0% packet loss" in said.read_text()


def test_a_program_of_decisions_is_run_too(tmp_path: Path) -> None:
    (tmp_path / "hub.py").write_text(
        """\
from dpif.program import Program, flood
program = Program()
@program.forward
def hub(packet):
    return flood()
"""
    )
    done = played("hub.py", "h1", "ping", "-c", "1", "h2", cwd=tmp_path)
    assert " 0% packet loss" in done.stdout, done.stderr


@pytest.mark.parametrize("dispatch", ["per-cpu", "per-vport"])
def test_whether_somebody_listens_is_seen(dispatch: str) -> None:
    """Else the first command waits until it goes on without."""
    script = f"""
        from dpif.play import sandbox
        from dpif.play.room import Room
        import dpif
        with sandbox.entered(), Room(2) as room:
            heard = [room.is_heard()]
            with dpif.open("netdev@play", socket=room.environ["DPIF_SOCKET"]) as dp:
                with dp.upcalls(dispatch={dispatch!r}):
                    heard.append(room.is_heard())
            print(heard + [room.is_heard()])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    needs_namespaces(done.stderr)
    assert done.stdout == "[False, True, False]\n", done.stderr


def test_nothing_stays_that_was_left_running(tmp_path: Path) -> None:
    """A job in the background, and one that hears no request to end."""
    job = "import os, signal, time; {}; print(os.getpid(), flush=True); time.sleep(600)"
    (tmp_path / "polite.py").write_text(job.format("pass"))
    (tmp_path / "deaf.py").write_text(job.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    line = "for job in polite deaf; do h1 python3 $job.py >$job & while ! [ -s $job ]; do sleep 0.05; done; done\n"
    done = played(cwd=tmp_path, stdin=line)
    assert done.returncode == 0, done.stderr
    assert not is_running(int((tmp_path / "polite").read_text()))
    assert not is_running(int((tmp_path / "deaf").read_text()))


def is_running(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


def test_an_error_of_the_program_is_shown_by_its_own_lines(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def main(dp):\n    dp.flows.add('in_port(1)', 'outptu')\n")
    done = played("bad.py", "true", cwd=tmp_path)
    assert 'bad.py", line 2, in main' in done.stderr
    assert "ParseError" in done.stderr
    assert "runner.py" not in done.stderr


def test_a_file_without_a_program(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    assert "empty.py has no program, nor a function main(dp)" in played("empty.py", "true", cwd=tmp_path).stderr
    done = played("nowhere.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "dpif: playing: there is no file nowhere.py to play\n")


def test_words_that_are_no_command_and_numbers_that_are_none(tmp_path: Path) -> None:
    done = played("nonesuch", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "dpif: playing: there is no command 'nonesuch'; hosts are h1, h2, h3\n",
    )
    done = played("--hosts", "0", cwd=tmp_path)
    assert "--hosts: not a number from 1 to 100: 0" in done.stderr
