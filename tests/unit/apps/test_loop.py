from __future__ import annotations

import os
import select
import signal
import threading

import pytest

from dpif.apps.loop import Bell, on_signals


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


def test_in_other_threads_signals_are_left_alone() -> None:
    handlers: list[object] = []

    def run() -> None:
        with on_signals(lambda: None):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
