"""Which machine comes next when one is not there or does not boot. The machines are the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpif import lab
from dpif.lab import kvm, runner
from dpif.lab.qemu import Qemu
from dpif.lab.uml import UserModeLinux


class Fake:
    def __init__(self, name: str) -> None:
        self.name = name


def run_with(monkeypatch: pytest.MonkeyPatch, **outcomes: Exception | int) -> tuple[int, list[str]]:
    """Run on machines that end so, in this order; return the status and what is told."""
    told: list[str] = []

    def run_on(machine: Fake, command: list[str], *, instead: str, **_: Any) -> int:
        told.extend([instead] if instead else [])
        outcome = outcomes[machine.name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(runner, "machines", lambda *_: map(Fake, outcomes))
    monkeypatch.setattr(runner, "run_on", run_on)
    return runner.run(["true"], tell=told.append), told


def test_the_first_that_boots_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with(monkeypatch, first=3, second=0) == (3, [])


@pytest.mark.parametrize("error", [lab.LabUnavailable("no gcc here"), lab.NotBooted("no gcc here")])
def test_the_next_stands_in_and_a_line_says_why(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    assert run_with(monkeypatch, first=error, second=5) == (5, ["no gcc here"])


@pytest.mark.parametrize(("is_there", "said"), [(True, ["no gcc; going on with qemu"]), (False, [])])
def test_who_stands_in_is_named_once_it_is_there(is_there: bool, said: list[str]) -> None:
    class Machine(Fake):
        def prepare(self, tell: object) -> Path:
            if is_there:
                return Path("/lib/modules")
            raise lab.LabUnavailable("not installed")

        def describe(self) -> str:
            raise KeyboardInterrupt  # far enough

    told: list[str] = []
    machine: Any = Machine("qemu")
    with pytest.raises((lab.LabUnavailable, KeyboardInterrupt)):
        runner.run_on(
            machine, ["true"], deadline=0, env={}, cwd="/", tell=told.append, verbose=True, instead="no gcc"
        )
    assert told == said


@pytest.mark.parametrize("error", [lab.LabFailed("it died"), lab.LabTimeout(1)])
def test_a_command_that_may_have_run_is_not_run_again(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    with pytest.raises(type(error)):
        run_with(monkeypatch, first=error, second=0)


def test_when_none_boots_each_says_why_in_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(lab.LabUnavailable, match=r"^first: install gcc\nsecond: install qemu$"):
        run_with(monkeypatch, first=lab.LabUnavailable("install gcc"), second=lab.LabUnavailable("install qemu"))


def test_a_single_machine_fails_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(lab.NotBooted, match=r"^it did not boot$"):
        run_with(monkeypatch, first=lab.NotBooted("it did not boot"))


def kinds(machines: Iterator[Any]) -> list[type]:
    return [type(machine) for machine in machines]


def test_what_is_asked_for_comes_alone() -> None:
    assert kinds(runner.machines(None, None, None)) == [UserModeLinux, Qemu]
    assert kinds(runner.machines("newest", False, 1)) == [UserModeLinux]
    assert kinds(runner.machines("6.1", True, 4)) == [Qemu]


def test_kvm_that_does_not_boot_is_done_without_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr(kvm, "forget_it", lambda: forgotten.append(True))
    machines = runner.machines(None, True, None)
    first = next(machines)
    assert isinstance(first, Qemu)
    first.accelerated = True
    second = next(machines)
    assert isinstance(second, Qemu)
    assert forgotten == [True]
    assert list(machines) == []


def test_the_last_words_of_a_kernel_are_explained() -> None:
    console = "Run /init as init process\nuserspace - ptrace set fp regs failed, errno = 14\nKernel panic"
    error = lab.NotBooted("the lab did not start", console)
    assert str(error).startswith("the lab did not start: this processor has registers that")
    assert "apt-get install gcc" in str(error)
    assert error.console == console
    assert str(lab.NotBooted("it did not", "unheard of")).endswith("the console said last:\nunheard of")


def test_the_packages_of_the_lab() -> None:
    assert {"user-mode-linux", "kmod"} <= set(lab.packages(qemu=False))
    assert "user-mode-linux" not in lab.packages("newest")
    assert {"qemu-system-x86", "cpio"} <= set(lab.packages(qemu=True))
