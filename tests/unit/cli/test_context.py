"""What a command prints comes out whole and in order, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from dpif.cli.command_table import BY_NAME
from dpif.cli.context import Context


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 1000])
def test_all_lines_are_printed(capsys: pytest.CaptureFixture[str], count: int) -> None:
    context().print_lines(str(number) for number in range(count))
    assert capsys.readouterr().out.splitlines() == [str(number) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 256, 300])
def test_lines_before_an_error_are_printed(capsys: pytest.CaptureFixture[str], count: int) -> None:
    def lines() -> Iterator[str]:
        yield from map(str, range(count))
        raise KeyError

    with pytest.raises(KeyError):
        context().print_lines(lines())
    assert len(capsys.readouterr().out.splitlines()) == count


@pytest.mark.parametrize("often", [1, 3, 255, 256, 257, 1024])
def test_lines_whose_maker_flushes_are_all_printed(capsys: pytest.CaptureFixture[str], often: int) -> None:
    made = context()

    def lines() -> Iterator[str]:
        for number in range(3000):
            yield str(number)
            if number % often == often - 1:
                made.flush()

    made.print_lines(lines())
    assert capsys.readouterr().out.splitlines() == [str(number) for number in range(3000)]


def test_a_report_makes_the_status_one(capsys: pytest.CaptureFixture[str]) -> None:
    made = context()
    made.note("only so")
    assert made.status == 0
    made.report("it failed", OSError(2, "No such file or directory"))
    assert made.status == 1
    assert capsys.readouterr().err == "dpif: only so\ndpif: it failed (No such file or directory)\n"


def context() -> Context:
    return Context(
        BY_NAME["dump-dps"],
        [],
        SimpleNamespace(
            socket=None, names=None, more=None, json=False, json_lines=False, color=None, output=None, wide=False
        ),
    )
