"""Lines that are read together mean what each means by itself."""

from __future__ import annotations

from typing import Any

import pytest

from dpif.client.operations import Put
from dpif.odp.actions import parse_actions
from dpif.odp.messages.flow import encode_flow
from dpif.odp.model.key import parse_match
from dpif.odp.text import file_lines, form, texts
from dpif.odp.text.file_lines import Lines, encode_put_text
from dpif.odp.text.texts import Forms

from .test_forms import ACTIONS, MATCHES, other


def slow(line: str) -> bytes:
    match, _, actions = line.partition(" ")
    return slow_put(match, actions) if actions else encode_flow(key=parse_match(match)[0].to_bytes(), actions=None)


def slow_put(match: str, actions: str) -> bytes:
    key, mask = parse_match(match)
    return encode_flow(key=key.to_bytes(), mask=mask.to_bytes(), actions=parse_actions(actions).to_bytes())


def read(lines: list[str], with_actions: bool = True) -> list[bytes | None]:
    return Lines(with_actions).read([line.encode() for line in lines])


@pytest.mark.parametrize("match", MATCHES)
def test_every_kind_of_match_is_read(match: str) -> None:
    lines = [match, other(match), match, other(other(match))]
    if " " not in match:  # between the digits of an attribute without a name
        assert read(lines, with_actions=False) == [slow(line) for line in lines]
    put = [f"{line} 2" for line in lines]
    assert read(put) == ([None] * 4 if " " in match else [slow(line) for line in put])


@pytest.mark.parametrize("actions", ACTIONS)
def test_every_kind_of_actions_is_read(actions: str) -> None:
    lines = [f"in_port({n}) {text}" for n, text in enumerate([actions, other(actions), actions])]
    assert read(lines) == [slow(line) for line in lines]


@pytest.fixture
def puts(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, int]:
    """Make forms of the second put that is like another, and forget those of other tests."""
    monkeypatch.setattr(file_lines, "SO_MANY_PUTS", 1)
    monkeypatch.setattr(file_lines, "_puts", Forms(file_lines._plan_put, 4))
    monkeypatch.setattr(file_lines, "MAX_REMEMBERED", 40)
    alike: dict[bytes, int] = {}
    monkeypatch.setattr(file_lines, "_alike", alike)
    return alike


def test_a_put_is_read_as_a_line(puts: dict[bytes, int]) -> None:
    for match in MATCHES:
        texts = [(match, "2"), (match, "5"), (other(match), "3"), (match, "set(eth(src=02:00:00:00:00:01)),0x4")] * 2
        expected = [slow_put(*put) for put in texts]
        found = [encode_put_text(*put) for put in texts]
        assert all(one in (None, right) for one, right in zip(found, expected, strict=True))
        assert found[2] == expected[2]  # it is like the first, whether that was forgotten meanwhile or not
        assert len(puts) <= 40


@pytest.mark.parametrize(
    "put",
    [
        ("", "2"), ("in_port(1)", ""), ("in_port(1) ", "2"), ("in_port(1)", "2 "), ("in_port(1)$2", "3"),
        ("in_port(1)", "2$3"), ("in_port(v0)", "2"), ("in_port(1)", "v0"), ("in_port(01)", "2"),
        ("in_port(\u0661)", "2"), ("in_port(1)", ",".join(["2"] * 5000)),
        ("ufid:00000000-0000-0000-0000-000000000001,in_port(1)", "2"),
    ],
)  # fmt: skip
def test_puts_that_are_written_otherwise_are_left(put: tuple[str, str], puts: dict[bytes, int]) -> None:
    for _ in range(3):
        encode_put_text("in_port(1)", "2")
        assert encode_put_text(*put) is None


@pytest.mark.parametrize("options", [{}, {"mask": b""}, {"clear": True}, {"probe": True}, {"ufid": b"name"}])
def test_a_put_by_texts_is_one_by_values(options: dict[str, Any], puts: dict[bytes, int]) -> None:
    match, actions = "in_port(1),eth(),eth_type(0x0806)", "2,3"
    key, mask = parse_match(match)
    by_values = Put(key, parse_actions(actions), **{"mask": mask} | options)
    for _ in range(4):
        assert Put(match, actions, **options).request(1).payload == by_values.request(1).payload


def test_lines_that_differ_in_digits_of_names_are_told_apart() -> None:
    lines = [f"eth(),ipv{4 + n % 3}(proto={n},frag=no) {n}" for n in range(12)]
    found = read(lines)
    assert found == [None if "ipv5" in line else slow(line) for line in lines]
    assert found.count(None) == 4


def test_a_line_with_a_value_that_no_field_takes_is_left_and_the_others_are_read() -> None:
    lines = [f"udp(dst={65533 + n}) 2" for n in range(6)]
    assert read(lines) == [*[slow(line) for line in lines[:3]], None, None, None]


@pytest.mark.parametrize(
    "odd",
    [
        "", " ", "  ", "in_port(1)", "in_port(1) ", " in_port(1)", " 2", "in_port(1)  2", "in_port(1) 2 ",
        "in_port(1) 2\r", "in_port(1)\t2", "in_port(1)$2", "in_port(1) 2$", "$ $", "in_port(1) 2#", "# 2",
        "in_port(1),in_port(1) 2", "eth(src=02:00:00:00:00:1) 2", "eth(src=02:00:00:00:0000:1) 2",
        "in_port(01) 2", "in_port(\u0661) 2", "add in_port(1)", "in_port(1) drop,2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("with_actions", [True, False])
def test_what_is_written_otherwise_is_left(odd: str, with_actions: bool) -> None:
    good = ["in_port(1) 2", "eth(src=02:00:00:00:00:01) 2"] if with_actions else ["in_port(1)", "eth()"]
    if odd == good[0]:
        return
    for line in (odd, odd + "1"):
        found = read([*good * 4, line, line, *good * 4], with_actions)
        assert found[:8] + found[10:] == [slow(line) for line in good * 8]
        assert found[8:10] == [None, None] or found[8] == slow(line)


@pytest.mark.parametrize("odd", ["in_port(0b1) 2", "in_port(0B1) 2", "in_port(1) 0b1"])
def test_lines_like_one_with_a_binary_number_are_left_with_it(odd: str) -> None:
    lines = ["in_port(1) 2", "eth() 2"] * 2
    assert read([*lines, odd]) == [None, slow("eth() 2")] * 2 + [None]


def test_few_lines_that_are_alike_make_no_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpif.odp.text.file_lines.SO_MANY_ALIKE", 2)
    lines = Lines(with_actions=True)
    line = b"in_port(1) 2"
    assert [lines.read([line]) for _ in range(3)] == [[None], [None], [slow("in_port(1) 2")]]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpif.odp.text.file_lines.MAX_REMEMBERED", 4)
    monkeypatch.setattr(texts, "MAX_OF_A_SKELETON", 4)
    lines = Lines(with_actions=False)
    lines._forms._most = 4
    for match in MATCHES:
        lines.read([match.encode()] * 2)
    options = [f"tunnel(geneve({{class=1,type=1,len={4 * n},0x1}}))" for n in range(1, 10)]
    found = lines.read([option.encode() for option in options])
    assert found == [*[slow(option) for option in options[:4]], *[None] * 5]
    assert len(lines._alike) <= 4
    assert len(lines._forms._forms) <= 4


def test_very_long_lines_are_left() -> None:
    line = "in_port(1) " + ",".join(["2"] * 5000)
    assert read([line] * 4) == [None] * 4


def test_values_that_only_one_line_has_are_read_by_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of lines one of which has a value for the slow way are read line by line."""
    monkeypatch.setattr(form, "WORTH_COMPILING", 3)
    lines = [f"eth_type(0x0800),ipv4(src={address}) 2" for address in ("1.1.1.1", "1.1.1", "2.2.2.2", "3.3.3.3")]
    assert read(lines) == [slow(line) if "=1.1.1)" not in line else None for line in lines]
