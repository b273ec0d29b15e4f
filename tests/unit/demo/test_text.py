from __future__ import annotations

import pytest

from dpif.demo.text import WIDTH, flow_lines, prose, rows, width


def test_rows_are_aligned_with_numbers_to_the_right() -> None:
    assert list(rows([("n", "name"), (5, "a"), (500, "long name")])) == [
        "  n    name",
        "    5  a",
        "  500  long name",
    ]


def test_no_rows() -> None:
    assert list(rows([])) == []


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_lines_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert width() == min(columns, WIDTH)
    text = "word " * 30 + "x" * 2 * WIDTH + " end-of-it"
    lines = list(prose(text))
    assert " ".join(lines) == text
    assert not any(line.startswith(" ") for line in lines)
    assert all(len(line) <= width() for line in lines if "x" not in line)
    flow = f"in_port(1),eth(),actions:{','.join(map(str, range(100)))}"
    lines = list(flow_lines(flow))
    assert "".join(line.strip() for line in lines) == flow
    assert all(len(line) <= width() for line in lines)
    assert lines[1].startswith("      ")


def test_prose_has_no_indentation_unless_it_is_asked_for() -> None:
    assert list(prose("short")) == ["short"]
    assert list(prose("short", indent="  ")) == ["  short"]
