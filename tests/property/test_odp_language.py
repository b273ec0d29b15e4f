"""Keys, masks and actions: value, text and bytes correspond, and what is wrong gives an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.errors import DecodeError, ParseError
from dpif.odp.actions import Actions, parse_actions
from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_key, parse_match
from dpif.testing.strategies import action_lists, keys, matches

T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E", bound=Exception)

NOISE = "0123456789abcdefx()=,/+-|:. {}\t[]<%_ \u00e9"


@st.composite
def mutated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text with a few characters, or a stretch of it, changed, doubled or left out."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 4)))
        text = text[:start] + draw(st.text(NOISE, max_size=3) | st.just(text[start:end] * 2)) + text[end:]
    return text


@st.composite
def mutated_bytes(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with a few of them changed, or cut short."""
    changed = bytearray(draw(data))
    for _ in range(draw(st.integers(1, 4))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed[: draw(st.integers(0, len(changed)))] if draw(st.booleans()) else changed)


def attempt(function: Callable[[T], R], argument: T, error: type[E]) -> tuple[R | None, E | None]:
    """Return what a function gives, or its error of that type."""
    try:
        return function(argument), None
    except error as raised:
        return None, raised


MATCH_TEXTS = matches().map(lambda match: format_key(*match, verbose=True)).filter(lambda text: text != "<empty>")
ACTION_TEXTS = action_lists().map(str)


@given(matches())
def test_a_match_comes_back_from_its_verbose_text(match: tuple[FlowKey, FlowMask]) -> None:
    if not len(match[0]):
        return
    text = format_key(*match, verbose=True)
    key, mask = parse_match(text)
    assert key == match[0]
    assert format_key(key, mask, verbose=True) == text


@given(matches())
def test_a_match_comes_back_from_its_plain_text_as_far_as_it_matches(match: tuple[FlowKey, FlowMask]) -> None:
    if not len(match[0]):
        return
    text = format_key(*match)
    if not text:
        return
    key, mask = parse_match(text)
    assert format_key(key, mask) == text


@given(keys())
def test_a_key_comes_back_from_its_text(key: FlowKey) -> None:
    assert parse_key(str(key)) == key


@given(matches())
def test_a_match_comes_back_from_its_bytes(match: tuple[FlowKey, FlowMask]) -> None:
    for value in match:
        data = value.to_bytes()
        again = type(value).from_bytes(data)
        assert again == value
        assert hash(again) == hash(value)
        assert again.to_bytes() == data


@given(matches())
def test_a_key_is_under_its_exact_mask_and_under_its_own(match: tuple[FlowKey, FlowMask]) -> None:
    key, mask = match
    assert key.masked(FlowMask.exact(key)) == key
    assert key.masked(mask).masked(mask) == key.masked(mask)


@given(action_lists())
def test_actions_come_back_from_their_text(actions: Actions) -> None:
    text = str(actions)
    assert str(parse_actions(text)) == text


@given(action_lists())
def test_actions_come_back_from_their_bytes(actions: Actions) -> None:
    data = actions.to_bytes()
    again = Actions.from_bytes(data)
    assert again == actions
    assert again.to_bytes() == data
    assert str(again) == str(actions)


@given(mutated(MATCH_TEXTS) | st.text(NOISE))
def test_any_text_is_a_match_or_a_parse_error(text: str) -> None:
    match, error = attempt(parse_match, text, ParseError)
    if match is None:
        assert error is not None
        assert 0 <= error.position <= len(text)
        assert error.caret()
        return
    key, mask = match
    assert parse_match(format_key(key, mask, verbose=True)) if len(key) else True
    assert FlowKey.from_bytes(key.to_bytes()) == key
    assert FlowMask.from_bytes(mask.to_bytes()) == mask


@given(mutated(ACTION_TEXTS) | st.text(NOISE))
def test_any_text_is_actions_or_a_parse_error(text: str) -> None:
    actions, error = attempt(parse_actions, text, ParseError)
    if actions is None:
        assert error is not None
        assert 0 <= error.position <= len(text)
        return
    assert Actions.from_bytes(actions.to_bytes()) == actions
    assert str(parse_actions(str(actions))) == str(actions)


@given(mutated_bytes(keys().map(FlowKey.to_bytes)) | st.binary(max_size=100))
def test_any_bytes_are_a_key_or_a_decode_error(data: bytes) -> None:
    key, error = attempt(FlowKey.from_bytes, data, DecodeError)
    if key is None:
        assert error is not None
        assert 0 <= error.offset <= len(data)
        return
    assert FlowKey.from_bytes(key.to_bytes()) == key
    assert format_key(key, FlowMask.exact(key), verbose=True)
    assert repr(key)


@given(mutated_bytes(action_lists().map(Actions.to_bytes)) | st.binary(max_size=100))
def test_any_bytes_are_actions_or_a_decode_error(data: bytes) -> None:
    actions, error = attempt(Actions.from_bytes, data, DecodeError)
    if actions is None:
        assert error is not None
        assert 0 <= error.offset <= len(data)
        return
    assert Actions.from_bytes(actions.to_bytes()) == actions
    assert str(actions)
    assert repr(list(actions))


@given(keys(), keys())
def test_a_key_can_be_shown_under_any_mask(key: FlowKey, other: FlowKey) -> None:
    mask = FlowMask.of_kept(dict(other.kept()))
    for verbose in (False, True):
        assert isinstance(format_key(key, mask, verbose=verbose), str)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "encap(" * 20_000,
        "a" * 200_000,
        "in_port(" + "1" * 200_000 + ")",
        "ct_label(0x" + "f" * 200_000 + ")",
        "eth()" + "," * 200_000 + "eth()",
        "key99(" + "00 " * 60_000,
        "tunnel(" + "ttl=1," * 30_000,
        "tunnel(geneve(" + "{class=1,type=1,len=0}" * 10_000 + "x",
        "ipv4(" + "src=1.1.1.1," * 20_000 + "x",
        "tcp_flags(" + "syn|" * 50_000 + "x",
    ],
    ids=lambda text: text[:12],
)
def test_long_texts_are_refused_in_time(text: str) -> None:
    with pytest.raises(ParseError):
        parse_match(text)


@pytest.mark.parametrize(
    "text",
    [
        "clone(" * 20_000,
        "1," * 100_000,
        "userspace(pid=1,userdata(" + "00" * 100_000 + "))",
        "ct(" + "commit " * 30_000 + "x",
        "push_nsh(md2=0x" + "0" * 200_000 + ")",
        "sample(sample=" + "9" * 100_000 + "%,actions(1))",
        "set(" * 100_000,
        "x" * 200_000,
    ],
    ids=lambda text: text[:12],
)
def test_long_action_texts_are_refused_in_time(text: str) -> None:
    with pytest.raises(ParseError):
        parse_actions(text)
