from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dpif.lab.streams import Console, Relay, framed, pump, terminal_size, terminal_taken

INIT = Path(__file__).parents[3] / "src/dpif/lab/init.sh"


class Ends(NamedTuple):
    read: int
    write: int


@pytest.fixture
def upstream() -> Iterator[Ends]:
    yield from _pipe()


@pytest.fixture
def downstream() -> Iterator[Ends]:
    yield from _pipe()


def _pipe() -> Iterator[Ends]:
    ends = Ends(*os.pipe())
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def settle(*relays: Relay | Console) -> None:
    """Pump until nothing moves any more."""
    while pump(list(relays), 0):
        pass


def test_a_relay_carries_bytes_unchanged(upstream: Ends, downstream: Ends) -> None:
    data = bytes(range(256)) * 100
    relay = Relay(upstream.read, downstream.write)
    os.write(upstream.write, data)
    settle(relay)
    assert os.read(downstream.read, 65536) == data
    assert not relay.done


def test_a_relay_is_done_when_its_source_ends(upstream: Ends, downstream: Ends) -> None:
    relay = Relay(upstream.read, downstream.write)
    os.write(upstream.write, b"last")
    os.close(upstream.write)
    settle(relay)
    assert os.read(downstream.read, 100) == b"last"
    assert relay.done
    assert not relay.broken


def test_a_relay_is_broken_when_its_reader_leaves(upstream: Ends, downstream: Ends) -> None:
    relay = Relay(upstream.read, downstream.write)
    os.close(downstream.read)
    os.write(upstream.write, b"unwanted")
    settle(relay)
    assert relay.broken
    assert relay.done


def test_a_slow_reader_does_not_block_the_loop(upstream: Ends, downstream: Ends) -> None:
    relay = Relay(upstream.read, downstream.write)
    sent = b"x" * 50_000
    for _ in range(2):
        os.write(upstream.write, sent)
        settle(relay)
    first = os.read(downstream.read, 100_000)
    settle(relay)
    second = os.read(downstream.read, 100_000)
    assert len(first) < 100_000  # what a pipe holds
    assert first + second == 2 * sent


def test_a_closed_source_is_an_ended_one(downstream: Ends, tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    relay = Relay(directory, downstream.write)
    settle(relay)
    os.close(directory)
    assert relay.done


def test_two_streams_to_one_descriptor_take_turns(upstream: Ends, downstream: Ends) -> None:
    other = Ends(*os.pipe())
    relays = [Relay(upstream.read, downstream.write), Relay(other.read, downstream.write)]
    os.write(upstream.write, b"a")
    os.write(other.write, b"b")
    settle(*relays)
    for end in other:
        os.close(end)
    assert sorted(os.read(downstream.read, 10)) == sorted(b"ab")


def test_frames_are_what_the_guest_undoes(upstream: Ends) -> None:
    """The guest's half of the framing, on the host's shell: `unframe` of init.sh."""
    source = INIT.read_text()
    start = source.index("unframe() {")
    function = source[start : source.index("\n}\n", start) + 3]
    chunks = [b"one\n", bytes(range(256)), b"\n\n0\n", b""]
    data = b"".join(map(framed, chunks)) + b"after the end"
    done = subprocess.run(["sh", "-c", f"{function}\nunframe"], input=data, capture_output=True, check=True)
    assert done.stdout == b"".join(chunks)


def test_a_relay_of_frames_says_that_its_source_ended(upstream: Ends, downstream: Ends) -> None:
    relay = Relay(upstream.read, downstream.write, framed)
    os.write(upstream.write, b"abc")
    os.close(upstream.write)
    settle(relay)
    assert os.read(downstream.read, 100) == b"3\nabc0\n"


def test_a_console_keeps_the_last_lines(upstream: Ends) -> None:
    console = Console(upstream.read, lines=2)
    os.write(upstream.write, b"one\r\ntwo\nthree\n\nhalf \xff")
    settle(console)
    assert console.text() == "three\nhalf \ufffd"
    os.close(upstream.write)
    settle(console)
    assert console.done


def test_a_console_keeps_what_led_to_a_panic(upstream: Ends) -> None:
    console = Console(upstream.read, lines=2)
    panic = b"Kernel panic - not syncing: Attempted to kill init!"
    os.write(upstream.write, b"one\ninit: not found\n[ 1.0] " + panic + b"\n" + b"Call Trace:\n" * 9 + b"[ 2.0]")
    settle(console)
    assert console.text() == f"init: not found\n[ 1.0] {panic.decode()}"


def test_a_terminal_is_handed_over_and_taken_back(upstream: Ends) -> None:
    master, slave = pty.openpty()
    try:
        termios.tcsetwinsize(slave, (33, 101))
        before = termios.tcgetattr(slave)
        with terminal_taken(slave, upstream.write):
            during = termios.tcgetattr(slave)
            assert os.read(upstream.read, 100) == b"rows 33 cols 101\n"
        assert not during[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
        assert termios.tcgetattr(slave) == before
        assert terminal_size(slave) == b"rows 33 cols 101\n"
    finally:
        os.close(master)
        os.close(slave)


def test_pump_reports_that_nothing_moved(upstream: Ends, downstream: Ends) -> None:
    assert not pump([Relay(upstream.read, downstream.write)], 0)
    assert Relay(upstream.read, downstream.write).interest() == (upstream.read, select.POLLIN)
