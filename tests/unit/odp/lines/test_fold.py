"""Lines of flows, folded: at commas between fields, indented, with nothing lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.odp.lines.fold import Hanging, fold, unfold

LINE = (
    "recirc_id(0),in_port(p1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),"
    "ipv4(src=10.0.0.1,dst=10.0.0.0/255.255.255.0,proto=6,frag=no), packets:0, bytes:0, used:never, "
    "actions:ct(commit,zone=5,nat(src=10.0.0.5-10.0.0.9:1024-65535,random)),recirc(0x5)"
)
GOLDEN = Path(__file__).parents[3] / "golden"


def test_fields_stay_whole() -> None:
    assert list(fold(LINE, 80)) == [
        "recirc_id(0),in_port(p1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),",
        "    eth_type(0x0800),",
        "    ipv4(src=10.0.0.1,dst=10.0.0.0/255.255.255.0,proto=6,frag=no), packets:0,",
        "    bytes:0, used:never,",
        "    actions:ct(commit,zone=5,nat(src=10.0.0.5-10.0.0.9:1024-65535,random)),",
        "    recirc(0x5)",
    ]


def test_a_field_that_fits_nowhere_is_broken_at_its_own_commas() -> None:
    assert list(fold("in_port(1),ipv4(src=10.0.0.1,dst=10.0.0.0/255.255.255.0),tcp()", 40)) == [
        "in_port(1),",
        "    ipv4(src=10.0.0.1,",
        "    dst=10.0.0.0/255.255.255.0),tcp()",
    ]


def test_what_has_no_comma_is_left_whole() -> None:
    assert list(fold("x" * 50, 20)) == ["x" * 50]
    assert list(fold(f"{'x' * 50},y", 20)) == [f"{'x' * 50},", "y"]


def test_lines_hang_below_their_text() -> None:
    line = Hanging.at(10, f"{' ' * 10}{LINE}")
    first, *others = fold(line, 80)
    assert first.startswith(f"{' ' * 10}recirc_id")
    assert {len(other) - len(other.lstrip()) for other in others} == {14}


def test_an_end_that_is_far_or_near() -> None:
    assert list(fold(LINE, 0)) == [LINE]
    assert list(fold(LINE, len(LINE))) == [LINE]
    assert len(list(fold(LINE, len(LINE) - 1))) == 2


@pytest.mark.parametrize("width", [20, 40, 80, 100])
@pytest.mark.parametrize("name", ["kinds-of-matches.txt", "kinds-of-actions.txt"])
def test_every_kind_of_text_reads_back(name: str, width: int) -> None:
    for line in (GOLDEN / name).read_text().splitlines():
        lines = list(fold(line, width))
        assert unfold("\n".join(lines)) == line
        assert all(len(piece) <= width or not re.search(r",.", piece[:-1].lstrip()) for piece in lines)


@given(st.text("ab(), ", max_size=200), st.integers(1, 60), st.integers(0, 80))
def test_nothing_is_lost(text: str, width: int, column: int) -> None:
    lines = list(fold(Hanging.at(column, text), width))
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    assert len(lines) <= len(text) + 1
