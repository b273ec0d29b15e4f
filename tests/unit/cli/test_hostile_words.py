"""Words, names and numbers that nobody would type end in one short line, and reach no terminal as they are."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dpif import _open
from dpif.cli.context import Context
from dpif.cli.entry import invocation_of
from dpif.cli.errors import CommandError
from dpif.errors import Unavailable
from dpif.netlink import unix
from dpif.netlink.connection import Connection
from dpif.userspace import UserspaceSystem

from .conftest import Run
from .terminal import run_on_terminal

MANY = "9" * 5000
NAMES = ["e\x1b[2Jvil", os.fsdecode(b"caf\xe9")]


@pytest.mark.parametrize(
    "words",
    [
        ("add-if", "netdev@br0", f"h3,port_no={MANY}"),
        ("set-if", "netdev@br0", f"h1,port_no={MANY}"),
        ("add-if", "netdev@br0", f"vx,type=vxlan,dst_port={MANY}"),
        ("del-if", "netdev@br0", MANY),
        ("del-if", "netdev@br0", f"vxlan_sys_{MANY}"),
        ("cache-set-size", "netdev@br0", "masks-cache", MANY),
        ("ct-set-limits", "netdev@br0", f"zone=1,limit={MANY}"),
        ("ct-set-limits", "netdev@br0", f"default={MANY}"),
        ("ct-del-limits", "netdev@br0", f"zone={MANY}"),
        ("ct-get-limits", "netdev@br0", f"zone={MANY}"),
        ("ct-set-sweep-interval", "netdev@br0", MANY),
        ("dump-conntrack", "netdev@br0", f"zone={MANY}"),
        ("flush-conntrack", "netdev@br0", f"zone={MANY}"),
        ("flush-conntrack", "netdev@br0", f"ct_nw_proto={MANY}"),
        ("dump-flows", "netdev@br0", f"--limit={MANY}"),
        ("upcalls", "netdev@br0", MANY),
        ("psample", "netdev@", MANY),
        ("add-dp", f"--ifindex={MANY}", "netdev@br1"),
        ("add-dp", f"--features={MANY}", "netdev@br1"),
        ("add-dp", f"--features=0x{MANY}", "netdev@br1"),
        ("lab", "--qemu", f"--cpus={MANY}", "true"),
        ("lab", f"--mem={MANY}", "true"),
        ("show", f"netdev@{MANY}"),
        (MANY,),
        ("add-dp", f"netdev@new\nline{MANY}"),
        ("show", "netdev@new\nline"),
        ("add-if", "netdev@br0", f"{MANY}\n{MANY}"),
        ("--color", MANY, "show"),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_they_end_in_one_short_line(br0: str, run: Run, words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert ran.status in (1, 2)
    assert ran.stderr.startswith("dpif: ")
    assert ran.stderr.count("\n") == 1
    assert len(ran.stderr) < 1100
    assert "internal error" not in ran.stderr


LONG = "123456789" * 5


@pytest.mark.parametrize(
    "words",
    [
        ("add-dp", f"--ifindex={LONG}", "netdev@br1"),
        ("add-if", "netdev@br0", f"h3,port_no={LONG}"),
        ("add-if", "netdev@br0", f"vx,type=vxlan,dst_port={LONG}"),
        ("cache-set-size", "netdev@br0", "masks-cache", LONG),
        ("cache-set-size", "netdev@br0", "masks-cache", "123456789123"),
        ("del-if", "netdev@br0", LONG),
        ("lab", "--qemu", f"--cpus={LONG}", "true"),
        ("psample", "netdev@", LONG),
        ("serve", "--max", f"flows={LONG}"),
        ("upcalls", "netdev@br0", LONG),
    ],
    ids=" ".join,
)
def test_no_number_is_told_but_the_one_that_was_typed(br0: str, run: Run, words: tuple[str, ...]) -> None:
    typed = re.findall(r"\d{12,}", " ".join(words))
    said = run(*words).stderr
    numbers = re.findall(r"(\d{12,})(…?)", said)
    assert numbers, said
    for number, cut in numbers:
        assert typed[0].startswith(number) if cut else typed[0] == number, said


@pytest.mark.parametrize("words", [("upcalls", "netdev@br0"), ("psample", "netdev@")])
def test_a_count_that_is_never_reached_is_one(br0: str, run: Run, words: tuple[str, ...]) -> None:
    ran = run("-t", "0.2", *words, f"--count={MANY}")
    assert ran.status == 142
    assert ran.stderr.endswith("dpif: the time given by --timeout is over\n")


@pytest.fixture
def named(system: UserspaceSystem, br0: str, run: Run) -> str:
    """A datapath with ports of odd names."""
    for name in NAMES:
        system.device(name)
    assert run("add-if", br0, *NAMES) == (0, "", "")
    assert run("add-flow", br0, "in_port(3),eth(),eth_type(0x0806),arp()", "4") == (0, "", "")
    return br0


@pytest.mark.parametrize("words", [("show",), ("-m", "dump-flows"), ("--names", "dump-flows", "--tree")])
def test_names_in_a_pipe_are_their_bytes(named: str, words: tuple[str, ...]) -> None:
    for encoding in ("utf-8", "ascii", "latin-1"):
        done = subprocess.run(
            [sys.executable, "-m", "dpif", *words, named],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert all(os.fsencode(name) in done.stdout for name in NAMES)


@pytest.mark.parametrize("words", [("show",), ("show", "-s"), ("dump-flows",), ("dump-flows", "--tree")])
@pytest.mark.parametrize("colour", ["never", "always"])
def test_names_on_a_terminal_are_written_out(named: str, words: tuple[str, ...], colour: str) -> None:
    status, shown = run_on_terminal(f"--color={colour}", *words, named)
    assert status == 0
    assert "\x1b[2J" not in shown
    assert "\\x1b[2Jvil" in shown
    assert "caf\\udce9" in shown


def unavailable(code: int) -> Callable[[str], Connection]:
    """Return what connects to nobody: there is no kernel's datapath, and the other fails with an errno."""

    def connect(type: str, patience: float = 0.0) -> Connection:
        raise Unavailable(f"no {type}", errno.ENOENT if type == "system" else code)

    return connect


@pytest.mark.parametrize(("code", "told"), [(errno.ENOENT, "no system"), (errno.EIO, "no netdev")])
def test_a_peer_that_cannot_be_reached_is_told_of_before_one_that_is_not_there(code: int, told: str) -> None:
    with pytest.raises(Unavailable, match=told):
        _open.datapaths_by(unavailable(code))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (errno.ENOENT, "no system; or make datapaths in user space: 'dpif serve'"),
        (errno.EACCES, "no netdev"),
        (errno.EIO, "no netdev"),
    ],
)
def test_what_is_said_of_a_server_that_hangs(code: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command, words, options = invocation_of(["show"])
    assert command is not None
    context = Context(command, words, options)
    monkeypatch.setattr(context, "connect", unavailable(code))
    with pytest.raises(CommandError) as raised:
        context.datapaths()
    assert str(raised.value) == told
    with pytest.raises(Unavailable) as missed:
        context.open("br0")
    assert str(missed.value).startswith("no system; ")
    assert ("dpif serve" in str(missed.value)) == (code == errno.ENOENT)


@pytest.mark.parametrize(
    "words",
    [
        ("show",),
        ("dump-flows",),
        ("dump-flows", "netdev@br0"),
        ("dump-dps",),
        ("doctor",),
        ("doctor", "netdev@br0"),
        ("psample", "netdev@"),
    ],
    ids=" ".join,
)
def test_a_server_that_hangs_is_named_while_it_is_waited_for(
    words: tuple[str, ...], tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix, "_SOON", 0.01)
    monkeypatch.setattr(unix, "_ANSWER_TIMEOUT", 0.01)
    path = str(tmp_path / "hung")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        ran = run("--socket", path, *words)
    told, failed = ran.stderr.splitlines()
    assert told == f"dpif: waiting for the server at {path}, which does not answer yet"
    assert f"{path} does not answer; its server hangs: end it" in failed
    assert ran.status == 1
