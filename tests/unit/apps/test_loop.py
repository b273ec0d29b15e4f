from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading

import pytest

from dpif.program.loop import Bell, on_signals


def is_readable(bell: Bell) -> bool:
    return bool(select.select([bell], [], [], 0)[0])


def test_a_bell_is_heard_from_the_first_ring_on() -> None:
    with Bell() as bell:
        assert not bell.rung
        assert not is_readable(bell)
        bell.ring()
        bell.ring()
        assert bell.rung
        assert is_readable(bell)


def test_a_bell_may_be_rung_after_it_was_closed() -> None:
    with Bell() as bell:
        pass
    bell.ring()
    assert bell.rung


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_acts_and_the_second_does_what_it_always_did(number: signal.Signals) -> None:
    acted: list[str] = []
    before = signal.signal(number, lambda *_: acted.append("before"))
    try:
        with on_signals(lambda: acted.append("now")):
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
    assert acted == ["now", "before", "before"]


def test_two_signals_at_once_both_act() -> None:
    """As when a service is stopped by SIGTERM while somebody types Ctrl-C: neither ends it the hard way."""
    acted: list[str] = []
    both = {signal.SIGINT, signal.SIGTERM}
    with on_signals(lambda: acted.append("now")):
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
    assert acted == ["now", "now"]


@pytest.mark.parametrize(("handler", "status"), [("SIG_DFL", -signal.SIGTERM), ("SIG_IGN", 0)])
def test_a_second_signal_does_what_the_system_does(handler: str, status: int) -> None:
    code = f"""
import signal
from dpif.program.loop import on_signals
signal.signal(signal.SIGTERM, signal.{handler})
with on_signals(lambda: None):
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (status, b"")


def test_in_other_threads_signals_are_left_alone() -> None:
    handlers: list[object] = []

    def run() -> None:
        with on_signals(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
