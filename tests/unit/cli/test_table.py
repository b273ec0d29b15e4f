"""Tables as text: widths, titles, and rows that are longer than the screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.cli.output.table import Column, Row, Screen, Table
from dpif.errors import DumpInterrupted

COLUMNS = (Column("name"), Column("packets", is_number=True), Column("state"))
ROWS = [Row(("h1", "5", "up")), Row(("vxlan_sys_4789", "1234567890", ""), ["dst_port=4790", "exts=gbp"])]


def shown(rows: list[Row], width: int = 0, columns: tuple[Column, ...] = COLUMNS, indent: str = "") -> list[str]:
    return list(Table(Screen(width), columns, more="more", indent=indent).lines(rows))


def test_columns_stand_below_their_titles() -> None:
    assert shown(ROWS) == [
        "name               packets  state  more",
        "h1                       5  up",
        "vxlan_sys_4789  1234567890         dst_port=4790 exts=gbp",
    ]


def test_no_rows_have_no_titles() -> None:
    assert shown([]) == []


def test_words_have_a_title_where_there_are_any() -> None:
    assert shown(ROWS[:1], indent="  ") == ["  name  packets  state", "  h1          5  up"]


def test_titles_are_brought_out() -> None:
    title, row = Table(Screen(is_coloured=True), COLUMNS).lines(ROWS[:1])
    assert title == "\x1b[1mname  packets  state\x1b[0m"
    assert "\x1b" not in row


def test_what_is_too_long_goes_on_further_in() -> None:
    assert shown(ROWS, width=30, indent="  ") == [
        "  name               packets",
        "      state  more",
        "  h1                       5",
        "      up",
        "  vxlan_sys_4789  1234567890",
        "             dst_port=4790",
        "      exts=gbp",
    ]


def test_groups_are_kept_together_where_they_can_be() -> None:
    columns = (Column("a"), Column("left"), Column("right", is_number=True, begins_group=True), Column("last"))
    rows = [Row(("1", "x" * 8, "5", "end")), Row(("", "", "6", "too"))]
    assert shown(rows, columns=columns) == [
        "a  left      right  last",
        "1  xxxxxxxx      5  end",
        "                 6  too",
    ]
    assert shown(rows, width=20, columns=columns) == [
        "a  left",
        "    right  last",
        "1  xxxxxxxx",
        "        5  end",
        "        6  too",
    ]
    assert shown(rows[:1], width=10, columns=columns)[4:] == ["1", "    xxxxxxxx", "        5", "    end"]


def test_a_longer_cell_that_comes_late_widens_its_column() -> None:
    lines = shown([Row(("h1", "5", "up"))] * 200 + [Row(("longer", "5", "up")), Row(("h1", "5", "up"))])
    assert lines[1:201] == ["h1          5  up"] * 200
    assert lines[201:] == ["longer        5  up", "h1            5  up"]


def test_rows_are_shown_before_all_are_there() -> None:
    asked = 0

    def endless() -> Iterator[Row]:
        nonlocal asked
        while True:
            asked += 1
            yield ROWS[0]

    lines = Table(Screen(80), COLUMNS).lines(endless())
    assert [next(lines), next(lines)] == ["name  packets  state", "h1          5  up"]
    assert asked <= 100
    for _ in range(10_000):
        next(lines)
    assert asked <= 10_001


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101])
def test_rows_before_an_error_are_shown(count: int) -> None:
    def broken() -> Iterator[Row]:
        yield from [ROWS[0]] * count
        raise DumpInterrupted("it changed")

    lines: list[str] = []
    with pytest.raises(DumpInterrupted):
        lines.extend(Table(Screen(80), COLUMNS).lines(broken()))
    assert lines.count("h1          5  up") == count


TEXT = st.text("ab1:.", max_size=12)
TABLES = st.lists(st.tuples(TEXT, TEXT, TEXT, st.lists(TEXT.filter(bool), max_size=4)), max_size=5)


@given(TABLES, st.integers(1, 60), st.booleans(), st.sampled_from(["", "  "]))
def test_nothing_is_lost_and_lines_fit(
    rows: list[tuple[str, str, str, list[str]]], width: int, is_grouped: bool, indent: str
) -> None:
    columns = (*COLUMNS[:2], Column("state", begins_group=is_grouped))
    lines = shown([Row(cells, words) for *cells, words in rows], width, columns, indent)
    told = "".join("".join([*cells, *words]) for *cells, words in rows)
    titles = "namepacketsstate" + ("more" if any(row[3] for row in rows) else "") if rows else ""
    assert "".join("".join(lines).split()) == titles + told
    longest = max((len(text) for *cells, words in rows for text in [*cells, *words]), default=0)
    for line in lines:
        assert line == line.rstrip()
        assert line
        assert len(line) <= max(width, len(indent) + 4 + max(longest, len("packets")))
