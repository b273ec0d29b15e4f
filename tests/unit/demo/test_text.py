from __future__ import annotations

from dpif.demo.text import WIDTH, prose, rows, wrap


def test_rows_are_aligned_with_numbers_to_the_right() -> None:
    assert list(rows([("n", "name"), (5, "a"), (500, "long name")])) == [
        "  n    name",
        "    5  a",
        "  500  long name",
    ]


def test_no_rows() -> None:
    assert list(rows([])) == []


def test_long_lines_are_broken_at_spaces_and_nowhere_else() -> None:
    text = "word " * 30 + "x" * 2 * WIDTH + " end-of-it"
    lines = list(wrap(text))
    assert " ".join(line.strip() for line in lines) == text
    assert lines[0].startswith("  word")
    assert all(line.startswith("      ") for line in lines[1:])
    assert all(len(line) <= WIDTH for line in lines if "x" not in line)


def test_prose_has_no_indentation() -> None:
    assert list(prose("short")) == ["short"]
    assert not any(line.startswith(" ") for line in prose("word " * 50))
