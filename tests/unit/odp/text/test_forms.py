"""Texts of every kind are read by forms, which the slow way is asked for in no case."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpif.errors import ParseError
from dpif.odp.actions import load_all, parse_actions
from dpif.odp.model.key import FlowKey, parse_match
from dpif.odp.model.tunnel import Tunnel
from dpif.odp.text import form, matches, texts
from dpif.odp.text.matches import encode_actions_text, encode_match_text
from dpif.odp.text.texts import Texts

GOLDEN = Path(__file__).parents[3] / "golden"
MATCHES = (GOLDEN / "kinds-of-matches.txt").read_text().splitlines()
ACTIONS = (GOLDEN / "kinds-of-actions.txt").read_text().splitlines()

_VALUE = re.compile(
    r"(?<![a-z])(?<!len=)(?<!mdtype=)(?<!ver=)(?<!len=8/)(?:(?<=[=(/,-])|^)[0-9a-f][0-9a-fx.:]*(?=[,)/}%-]|$)"
)
_ONE_LESS = dict(zip("0123456789abcdef", "10123456789abcde", strict=True))


def other(text: str) -> str:
    """Return a text of the same form in which the last digit of each value is another one."""
    if text.startswith("eth_type(0/"):
        return text.replace("ffff", "fffe")
    return _VALUE.sub(lambda value: value[0][:-1] + _ONE_LESS.get(value[0][-1], value[0][-1]), text)


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything forget the texts of other tests, and make forms of whole lists at once."""
    monkeypatch.setattr(matches, "_matches", Texts(*matches.OF_MATCHES))
    monkeypatch.setattr(matches, "_actions", Texts(*matches.OF_ACTIONS))
    monkeypatch.setattr(texts, "SO_MANY_ALIKE", 1)
    monkeypatch.setattr(texts, "SO_MANY_ARE_NEW", 1)
    monkeypatch.setattr(form, "WORTH_COMPILING", 2)


def refuse(*arguments: object) -> None:
    raise ParseError("not to be asked for", "")


def slow_match(text: str) -> tuple[bytes, bytes]:
    key, mask = parse_match(text)
    return key.to_bytes(), mask.to_bytes()


def test_all_kinds_are_there() -> None:
    """But for what the kernel is not asked for, and the headers that datapaths in user space push."""
    told = "\n".join(MATCHES)
    for name in {*FlowKey._by_text_name} - {"packet_type"}:
        assert re.search(rf"\b{name}\(", told), name
    for name in {*Tunnel._by_text_name} - {"df", "csum", "oam"}:
        assert re.search(rf"tunnel\(.*\b{name}[=(]", told), name
    told = "\n".join(ACTIONS)
    for word in {*load_all().by_word} - {"tnl_push"}:
        assert re.search(rf"\b{word}\b", told), word


@pytest.mark.parametrize("text", MATCHES)
def test_the_slow_way_is_not_asked_for_a_match(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "parse_match", refuse)
    for one in (text, other(text)):
        assert encode_match_text(one) == slow_match(one)


@pytest.mark.parametrize("text", ACTIONS)
def test_the_slow_way_is_not_asked_for_actions(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matches, "parse_actions", refuse)
    for one in (text, other(text)):
        assert encode_actions_text(one) == parse_actions(one).to_bytes()


@pytest.mark.parametrize("text", [text for text in MATCHES if other(text) != text])
def test_a_whole_match_is_read_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encode_match_text(text), encode_match_text(other(text))
    monkeypatch.setattr(matches._matches, "_cut", refuse)
    for one in (text, other(text), text):  # the second is read by a function of its own
        assert encode_match_text(one) == slow_match(one)


@pytest.mark.parametrize("text", [text for text in ACTIONS if other(text) != text])
def test_all_actions_are_read_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encode_actions_text(text), encode_actions_text(other(text))
    monkeypatch.setattr(matches._actions, "_cut", refuse)
    for one in (text, other(text), text):
        assert encode_actions_text(one) == parse_actions(one).to_bytes()


@pytest.mark.parametrize("text", ["", "in_port(v0)", "udp(dst=65536)", "udp(dst=1),udp(dst=2)", "packet_type(ns=0)"])
def test_what_is_unusual_is_left_to_the_slow_way(text: str) -> None:
    assert encode_match_text(text) is None


@pytest.mark.parametrize("text", ["", "v0", "set(tunnel(tun_id=1/1))", "ct(commit,force_commit)", "drop(no)"])
def test_unusual_actions_are_left_to_the_slow_way(text: str) -> None:
    assert encode_actions_text(text) is None


@pytest.mark.parametrize(
    "texts_of_one_form",
    [
        ("userspace(pid=1,userdata(0102030405060708))", "userspace(pid=1,userdata(01 02030405060708))"),
        ("sample(sample=10%,actions(psample(group=1,cookie=0x010203)))", "psample(group=1,cookie=0x01 0203)"),
        ("psample(group=1,cookie=0x010203)", "psample(group=1,cookie=0x01\t0203)"),
        ("set(eth(src=01:02:03:04:05:06))", "set(eth(src=01:02:03:04:05:  ))"),
    ],
)
def test_spaces_between_digits_are_left_to_the_slow_way(texts_of_one_form: tuple[str, str]) -> None:
    for text in (*texts_of_one_form[:1] * 5, texts_of_one_form[1]):
        found = encode_actions_text(text)
        try:
            expected = parse_actions(text).to_bytes()
        except ParseError:
            assert found is None
        else:
            assert found in (None, expected)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_REMEMBERED", "MAX_FORMS", "MAX_WHOLE", "MAX_OF_A_SKELETON"):
        monkeypatch.setattr(texts, name, 4)
    monkeypatch.setattr(matches, "_matches", Texts(*matches.OF_MATCHES))
    for text in MATCHES:
        for one in (text, other(text)):
            assert encode_match_text(one) == slow_match(one)
    for size in range(4, 40, 4):  # forms of one skeleton
        text = f"tunnel(geneve({{class=1,type=1,len={size},0x1}}))"
        assert encode_match_text(text) == slow_match(text)
    known = matches._matches
    assert len(known.elements) <= 4
    assert all(len(forms._forms) <= 4 for forms in (known.whole, known.elements.forms))
    assert all(len(found) <= 4 for found in known.elements.forms._forms.values())
