"""Each example of the table of commands, run as it stands there, on the kernel and on a datapath in user space."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import dpif
from dpif.cli import main
from dpif.cli.command import Command
from dpif.cli.command_table import COMMANDS
from dpif.packet.capture import Writer
from dpif.testing import netns
from dpif.testing.kernel import load_module
from dpif.userspace import Server, UserspaceSystem

ELSEWHERE = {"lab", "demo", "play"}
"""Commands that boot a kernel: tests/lab runs them; and one that makes hosts of its own: tests/unit/play."""
FLOW = "in_port(1),eth(),eth_type(0x0806),arp()"
UFID = "ufid:00112233-4455-6677-8899-aabbccddeeff"
OTHER_FLOW = "in_port(2),eth(),eth_type(0x0806),arp()"
FLOWS = f"{FLOW} 2\n{OTHER_FLOW} 1\n"
FILES = {
    "flows.txt": FLOWS,
    "commands.txt": f'show dp0\nadd-flow dp0 "{FLOW}" 2\ndump-flows dp0\n',
}
SWITCH = Path(__file__).parents[2] / "examples/learning_switch.py"
CAPTURE = Path(dpif.__file__).parent / "_data/lan.pcap"
STDIN = {"add-flows": FLOWS, "batch": FILES["commands.txt"]}
STATUS = {"doctor": 1}
"""Of commands whose examples do not end in 0 here: nobody listens to dp0, and its devices are down."""
BEFORE = {
    "add-dp": [],
    "add-if": ["add-dp dp0"],
    "mod-flow": ["add-dp dp0 v0 v1", f"add-flow dp0 {FLOW} 2"],
    "get-flow": ["add-dp dp0 v0 v1", f"add-flow dp0 {UFID},{FLOW} 2"],
    "del-flow": ["add-dp dp0 v0 v1", f"add-flow dp0 {FLOW} 2", f"add-flow dp0 {UFID},in_port(2),eth() 1"],
    "mod-flows": ["add-dp dp0 v0 v1", "add-flows dp0 flows.txt"],
    "del-flows": ["add-dp dp0 v0 v1", f"add-flow dp0 {FLOW} 2", f"add-flow dp0 {OTHER_FLOW} 1"],
    "ct-del-limits": ["add-dp dp0", "ct-set-limits dp0 default=10 zone=1,limit=1 zone=2,limit=1"],
}
"""Command lines that make what the examples of a command are about; for the others a datapath with two ports."""

EXAMPLES = [
    (command, example) for command in COMMANDS if command.name not in ELSEWHERE for example in command.examples
]


@pytest.fixture(scope="module", autouse=True)
def devices() -> Iterator[None]:
    """The network devices of the examples."""
    Path("/run/user/0").mkdir(parents=True, exist_ok=True)
    load_module("psample")  # which newer kernels load with openvswitch
    for name in ("v0", "v1"):
        netns.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-peer")
    yield
    for name in ("v0", "v1"):
        netns.delete_link(name)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A directory with the files of the examples; no datapath, before and after."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    with Writer(tmp_path / "trace.pcap") as writer:
        for number in range(3):
            writer.write(bytes(60), float(number))
    (tmp_path / "switch.py").write_text(SWITCH.read_text())
    (tmp_path / "capture.pcap").write_bytes(CAPTURE.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPIF_SOCKET", str(tmp_path / "dpif.sock"))
    yield
    main(["ct-del-limits", "default", "zone=1,2"])
    main(["del-dp", "dp0"])


@contextlib.contextmanager
def served() -> Iterator[None]:
    """Serve datapaths in user space, as ``dpif serve`` does."""
    with UserspaceSystem() as system, Server(system, "dpif.sock") as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield
        finally:
            server.stop()
            thread.join()


@pytest.mark.parametrize(("command", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_example(command: Command, example: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(example)[1:]
    in_user_space = any(word.startswith("netdev@") for word in words)
    with served() if in_user_space else contextlib.nullcontext():
        before = BEFORE.get(command.name, ["add-dp dp0 v0 v1"])
        if command.name == "del-flows":
            Path("flows.txt").write_text(f"{FLOW}\n{OTHER_FLOW}\n")
        for line in ["add-dp netdev@br0"] if in_user_space and command.name != "add-dp" else before:
            assert main(shlex.split(line)) == 0, (line, capfd.readouterr().err)
        if command.name == "serve" and words[-1] in ("--detach", "--stop"):
            status = detached_and_stopped()
        elif command.runs_on and "--pcap" not in words:
            status = until_interrupted(words)
        else:
            status = run(words, STDIN.get(command.name, ""))
    assert status == STATUS.get(command.name, int(command.refused)), capfd.readouterr().err


def run(words: list[str], stdin: str) -> int:
    """Run a command line; return the exit status."""
    if words[-1] != "-":
        return main(words)
    return subprocess.run([sys.executable, "-m", "dpif", *words], input=stdin, text=True).returncode


def detached_and_stopped() -> int:
    """Run the two examples that go together, each in a process of its own; return the worse exit status."""
    return max(
        subprocess.run([sys.executable, "-m", "dpif", "serve", how]).returncode for how in ("--detach", "--stop")
    )


def until_interrupted(words: list[str]) -> int:
    """Run a command line until it says that it is at work, then end it as Ctrl-C does."""
    with subprocess.Popen([sys.executable, "-m", "dpif", *words], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert "Ctrl-C ends it" in first, first + process.stderr.read()
        return process.wait()


def test_all_are_here_or_in_the_tests_of_the_lab() -> None:
    assert {command.name for command, _ in EXAMPLES} | ELSEWHERE == {command.name for command in COMMANDS}
