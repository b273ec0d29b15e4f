"""The cursor over a text."""

from __future__ import annotations

import re

import pytest

from dpif.errors import ParseError
from dpif.odp.model.scanner import Scanner


@pytest.mark.parametrize(
    ("text", "base", "number"),
    [("12", 0, 12), ("0x1F", 0, 31), ("017", 0, 15), ("0", 0, 0), ("017", 10, 17), ("0x1f", 10, 31), ("1f", 16, 31)],
)
def test_numbers_are_read_as_c_reads_them(text: str, base: int, number: int) -> None:
    scanner = Scanner(f"{text})")
    assert scanner.integer(1000, base=base) == number
    assert scanner.looking_at(")")


@pytest.mark.parametrize(
    ("text", "base", "message"),
    [
        ("x", 0, "expected a number, found 'x'"),
        ("", 0, "found the end of the text"),
        ("08", 0, "found '08'"),
        ("1f", 0, "found '1f'"),
        ("12_", 10, "found '12_'"),
        ("101", 0, "101 is too large at position 0 (at most 0x64)"),
        ("9" * 50, 0, "too large"),
        ("g", 16, "expected a number"),
    ],
)
def test_what_is_no_number_is_said(text: str, base: int, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        Scanner(text).integer(100, base=base)
    assert message in str(caught.value)


def test_tokens_are_taken_one_after_the_other() -> None:
    scanner = Scanner(" ,\tname=5/x")
    scanner.skip_separators()
    assert scanner.word() == "name"
    scanner.expect("=")
    assert scanner.at_digit()
    assert scanner.match(re.compile("[0-9]")) == "5"
    assert not scanner.take("x")
    assert scanner.take("/")
    assert scanner.require(re.compile("x"), "an x") == "x"
    assert scanner.at_end
    assert not scanner.at_digit()


def test_what_was_expected_is_said() -> None:
    scanner = Scanner("abc")
    with pytest.raises(ParseError, match="expected '\\('"):
        scanner.expect("(")
    with pytest.raises(ParseError, match=r"expected '\)'"):
        scanner.expect_ahead(")")
    scanner.expect_ahead("a")
    assert scanner.position == 0
    with pytest.raises(ParseError, match="expected a digit, found 'abc'"):
        scanner.require(re.compile("[0-9]"), "a digit")


def test_port_names_end_where_a_list_goes_on() -> None:
    names = {"v0": 1, "a-b.c@d": 2, "5x": 3}
    assert Scanner("v0,1", names).port() == 1
    assert Scanner("v0)", names).port() == 1
    assert Scanner("a-b.c@d", names).port() == 2
    assert Scanner("5x", names).port() == 3
    assert Scanner("5", names).port() == 5
    assert Scanner("5", names | {"5": 9, "0x5": 9}).port() == 5
    assert Scanner("0x5", names | {"5": 9, "0x5": 9}).port() == 5
    assert Scanner("v0(", names).known_port() == ""
    assert Scanner("v00", names).known_port() == ""


def test_names_are_shortened_in_messages() -> None:
    with pytest.raises(ParseError) as caught:
        Scanner("").unknown("x" * 1000, ["a", "b"], "thing", 0)
    assert len(str(caught.value)) < 120


def test_nesting_has_an_end() -> None:
    scanner = Scanner("")
    for _ in range(32):
        scanner.enter(32)
    with pytest.raises(ParseError, match="more than 32 levels"):
        scanner.enter(32)
    scanner.leave()
