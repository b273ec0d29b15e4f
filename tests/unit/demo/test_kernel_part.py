"""What the demonstration's second part makes of a lab that is not there or fails; `tests/lab` has it at work."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from dpif import lab
from dpif.demo import kernel, run


def lab_that(monkeypatch: pytest.MonkeyPatch, outcome: BaseException | int, says: bytes = b"") -> None:
    """Let the lab do nothing but say something and end so."""

    def stand_in(command: list[str], *, stdout: int, **_: Any) -> int:
        os.write(stdout, says)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(lab, "run", stand_in)


@pytest.mark.parametrize("required", [False, True])
def test_without_the_lab_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, required: bool) -> None:
    lab_that(monkeypatch, lab.LabUnavailable("as root: apt-get install user-mode-linux"))
    lines: list[str] = []
    assert kernel.play_kernel(lines.append, required=required) is not required
    assert lines[-2:] == [
        "  Left out, for no kernel can be booted here:",
        "  as root: apt-get install user-mode-linux",
    ]


def test_what_stands_in_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def stand_in(command: list[str], *, tell: Callable[[str], None], **_: Any) -> int:
        tell("no gcc; going on with an emulated machine")
        return 0

    monkeypatch.setattr(lab, "run", stand_in)
    lines: list[str] = []
    assert kernel.play_kernel(lines.append)
    assert lines[-1] == "  no gcc; going on with an emulated machine"


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_in_ci_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch, ci: str, status: int) -> None:
    monkeypatch.setenv("CI", ci)
    lab_that(monkeypatch, lab.LabUnavailable("user-mode Linux: no gcc\nan emulated machine: no qemu"))
    assert run(lambda line: None) == status


@pytest.mark.parametrize("error", [lab.LabFailed("it died"), lab.LabTimeout(120)])
def test_a_lab_that_fails_is_a_failure(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    lab_that(monkeypatch, error)
    lines: list[str] = []
    assert not kernel.play_kernel(lines.append)
    assert str(error) in lines[-1]


def test_what_the_guest_says_goes_through_line_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lab_that(monkeypatch, 0, b"one\n  two\nand three")
    lines: list[str] = []
    assert kernel.play_kernel(lines.append)
    assert lines[-3:] == ["one", "  two", "and three"]


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1)])
def test_the_exit_status_is_that_of_both_parts(monkeypatch: pytest.MonkeyPatch, status: int, expected: int) -> None:
    lab_that(monkeypatch, status)
    assert run(lambda line: None) == expected


def test_the_second_part_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lab_that(monkeypatch, 1)
    lines: list[str] = []
    assert run(lines.append, kernel=False) == 0
    assert not any(line.startswith("2.") for line in lines)
