"""A list of OpenFlow's, taken apart: ``word``, ``name=value``, ``name:value``, ``name(arguments)``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpif._typing import NamedTuple

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*+")
_DEEPEST = 16
"""As deep as actions may lie in one another for the kernel."""


class NoCounterpart(Exception):
    """A datapath has nothing of this kind; the text says of what."""


class Item(NamedTuple):
    """One of a list: ``value`` stands behind = or :, ``arguments`` in parentheses; None what is not there."""

    text: str
    name: str
    value: str | None = None
    arguments: str | None = None

    @property
    def is_bare(self) -> bool:
        """Whether it is a word and no more."""
        return self.value is None and self.arguments is None


def items_of(text: str) -> list[Item]:
    """Return the items of a list; those without a name, such as ``2``, have an empty one. Raise `NoCounterpart`."""
    return [_item(part) for part in _split(text)]


def _item(text: str) -> Item:
    found = _NAME.match(text)
    if found is None:
        return Item(text, "")
    rest = text[found.end() :]
    if rest[:1] in ("=", ":"):
        return Item(text, found[0], value=rest[1:].strip('"'))
    if rest[:1] == "(" and rest[-1:] == ")":
        return Item(text, found[0], arguments=rest[1:-1])
    return Item(text, "" if rest else found[0])


def _split(text: str) -> Iterator[str]:
    """Yield what commas and blanks separate outside of parentheses; raise `NoCounterpart` for too many of these."""
    depth = start = 0
    for at, letter in enumerate(f"{text},"):
        if letter == "(":
            depth += 1
            if depth > _DEEPEST:
                raise NoCounterpart(f"it lies {_DEEPEST} deep in parentheses")
        elif letter == ")":
            depth -= 1
        elif letter in ", \t\n" and depth <= 0:
            if at > start:
                yield text[start:at]
            start = at + 1


def number_of(text: str, what: str) -> int:
    """Return a number; raise `NoCounterpart`."""
    try:
        return int(text, 0)
    except ValueError:
        raise NoCounterpart(f"{what} is not a number: {text}") from None
