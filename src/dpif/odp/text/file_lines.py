"""Many lines of a file of flows at once: a match, a space and actions, or a match alone, to attributes of requests.

Lines are sorted by their skeletons, and those that are alike are read together. A line is one text here, of which a
form gives all attributes of its request, headers included; a put by two texts is such a line, too
(`encode_put_text`). Whatever is not read so (lines like which there are few, and all that a form does not know) is
read by its parts, by `matches`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dpif._typing import Final
from dpif.odp.constants import FlowAttr
from dpif.odp.model.key import FlowKey
from dpif.odp.text.actions import actions
from dpif.odp.text.form import Form
from dpif.odp.text.keys import Element, elements
from dpif.odp.text.matches import LONGEST
from dpif.odp.text.parts import wrapped
from dpif.odp.text.pieces import LINES, Cursor, UnusualError, skeleton, split
from dpif.odp.text.texts import MAX_REMEMBERED, MAX_WHOLE, Forms, Plan

SO_MANY_ALIKE: Final = 1
"""Lines that must have been there before another like them is worth a form: read by itself, it takes as long."""

SO_MANY_PUTS: Final = 4
"""Puts that must have been there before another like them is worth a form."""


def _plan_put(cursor: Cursor) -> Plan:
    found = _match(cursor)
    _must_have_more(cursor)
    listed = actions(cursor, "$")
    key = wrapped(FlowAttr.KEY, [part for item in found for part in item.key or ()])
    mask = wrapped(FlowAttr.MASK, [part for item in found for part in item.mask])
    return Plan.of([*key, *wrapped(FlowAttr.ACTIONS, listed), *mask])


def _plan_key(cursor: Cursor) -> Plan:
    return Plan.of(wrapped(FlowAttr.KEY, [part for item in _match(cursor) for part in item.key or ()]))


def _match(cursor: Cursor) -> list[Element]:
    _must_have_more(cursor)
    return elements(cursor, FlowKey, "$")


def _must_have_more(cursor: Cursor) -> None:
    """Refuse what is empty, which an element or a list of actions may be, but no part of a line."""
    if cursor.skip("", "$"):
        raise UnusualError


def encode_put_text(match: str, actions: str) -> bytes | None:
    """Return the attributes of the request of a put; None where its texts must be read by themselves."""
    text = f"{match}${actions}".encode("ascii", "replace")
    if len(text) > LONGEST:
        return None
    key = skeleton(text)
    found = _puts.read(text, key)
    if found is None:
        if len(_alike) >= MAX_REMEMBERED:
            _alike.clear()
        _alike[key] = alike = _alike.get(key, 0) + 1
        found = _puts.learn(text, key) if alike > SO_MANY_PUTS else None
    return None if found is None else found[1]


_puts = Forms(_plan_put, MAX_WHOLE)
_alike: dict[bytes, int] = {}


class Lines:
    """Reads lines of which each has actions, or of which none has."""

    def __init__(self, with_actions: bool) -> None:
        self._forms = Forms(_plan_put if with_actions else _plan_key, MAX_WHOLE)
        self._spaces = int(with_actions)
        self._alike: dict[bytes, int] = {}

    def read(self, lines: list[bytes]) -> list[bytes | None]:
        """Return the attributes of each line; None for one that must be read by itself."""
        found: list[bytes | None] = [None] * len(lines)
        alike: dict[bytes, list[int]] = defaultdict(list)
        for at, key in zip(range(len(lines)), skeleton(b"\n".join(lines)).split(b"\n"), strict=False):  # or no lines
            alike[key].append(at)
        for key, places in alike.items():
            texts = [lines[at] for at in places]
            if key.count(b" ") == self._spaces and max(map(len, texts)) <= LONGEST:
                for at, data in zip(places, self._read_alike(key, texts), strict=True):
                    found[at] = data
        return found

    def _read_alike(self, key: bytes, texts: list[bytes]) -> list[bytes | None]:
        """Read lines of one skeleton."""
        forms = self._forms.of(key)
        if not forms and not self._is_worth_a_form(key, len(texts)):
            return [None] * len(texts)
        try:
            pieces = split(b"\n".join(texts), LINES)
        except ValueError:
            return [None] * len(texts)
        if forms and forms[0] is not None and forms[0].fit(pieces, len(texts)):
            return forms[0].read_all(pieces, len(texts))
        return self._read_mixed(key, texts, pieces)

    def _read_mixed(self, key: bytes, texts: list[bytes], pieces: list[str]) -> list[bytes | None]:
        """Read lines of which some have other words than others."""
        found: list[bytes | None] = [None] * len(texts)
        size = len(pieces) // len(texts)
        rows = [pieces[at : at + size] for at in range(0, len(pieces), size)]
        rest = list(range(len(texts)))
        for form in self._known_and_new(key, texts, rest):
            those = [at for at in rest if form.fits(rows[at])]
            rest[:] = [at for at in rest if not form.fits(rows[at])]
            if those:
                read = form.read_all([piece for at in those for piece in rows[at]], len(those))
                for at, data in zip(those, read, strict=True):
                    found[at] = data
        return found

    def _known_and_new(self, key: bytes, texts: list[bytes], rest: list[int]) -> Iterator[Form]:
        """Yield the forms of a skeleton; then new ones, each of the first that is left of a `rest` of texts."""
        yield from filter(None, tuple(self._forms.of(key)))
        while rest and self._forms.has_room(key):
            text = texts[rest[0]].replace(b" ", b"$")
            if self._forms.learn(text, key) is None:
                rest.pop(0)
            else:
                yield from filter(None, self._forms.of(key)[-1:])

    def _is_worth_a_form(self, key: bytes, count: int) -> bool:
        """Note so many lines that are alike; tell whether with those before they are enough."""
        if len(self._alike) >= MAX_REMEMBERED:
            self._alike.clear()
        self._alike[key] = alike = self._alike.get(key, 0) + count
        return alike > SO_MANY_ALIKE
