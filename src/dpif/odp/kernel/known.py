"""Matches and actions like those that were there before: read and judged without another walk through the rules.

`from_match` and `check_actions` say what is right, and are asked first: they are the slow twins of what is here.
What they say of one encoded key or list of actions holds for all that differ from it in plain values alone
(`plain_values`). So it is remembered by all other bits, and of a key it is known where its values go.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from dpif._typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar
from dpif.errors import DecodeError
from dpif.odp.constants import VLAN_CFI
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.plain_values import Plain, UnusualError, plain_of_actions, plain_of_key
from dpif.odp.kernel.rules import Features
from dpif.odp.kernel.swkey import FIELDS, bits, get
from dpif.odp.model.key import FlowKey
from dpif.packet.constants import ETH_P_NSH, MPLS_ETHERTYPES

T = TypeVar("T")

LONGEST: Final = 2048
"""Bytes of a key, or of actions, of which forms are remembered."""
MAX_REMEMBERED: Final = 1024
"""Forms of matches, or of actions, that are remembered at a time."""
MOST_ALIKE: Final = 8
"""Sets of deciding bits among encodings of one length (and, of keys, with one mask)."""
_SEEN: Final = 2
"""How often a length must come up before forms are remembered of it."""


class _Form(NamedTuple, Generic[T]):
    """What is known of encodings with the same deciding bits."""

    known: T
    values: tuple[tuple[int, int, Any, int, int], ...]
    """Start, end and order of each value that is copied to the flat key, its width and its shift."""
    guards: tuple[tuple[int, int, bytes], ...]
    """Start and end of each value that must not be something, and what."""


class _Forms(Generic[T]):
    """Forms of encodings by what tells them apart."""

    def __init__(self) -> None:
        self._by_kind: dict[Any, list[tuple[int, dict[int, _Form[T]]]]] = {}
        self._seen: dict[Any, int] = {}
        self._count = 0

    def find(self, kind: Any, data: bytes) -> _Form[T] | None:
        """Return the form of an encoding, None where none is known."""
        number = int.from_bytes(data, "little")
        for deciding, forms in self._by_kind.get(kind, ()):
            form = forms.get(number & deciding)
            if form is not None:
                for start, end, never in form.guards:
                    if data[start:end] == never:
                        return None
                return form
        return None

    def is_worth_it(self, kind: Any, data: bytes) -> bool:
        """Count an encoding of which no form is known; tell whether there were enough of its kind."""
        if len(data) > LONGEST:
            return False
        if len(self._seen) >= MAX_REMEMBERED:
            self._seen.clear()
        self._seen[kind] = seen = self._seen.get(kind, 0) + 1
        return seen >= _SEEN

    def learn(self, kind: Any, data: bytes, known: T, plain: Iterable[Plain]) -> _Form[T] | None:
        """Remember what is known of an encoding; `plain` are its values."""
        listed = list(plain)
        deciding = bytearray(b"\xff" * len(data))
        for value in listed:
            decides = ~value.bits & (1 << 8 * value.size) - 1
            deciding[value.start : value.start + value.size] = decides.to_bytes(value.size, value.order)
        number = int.from_bytes(deciding, "little")
        forms = self._forms_of(kind, number)
        if forms is None:
            return None
        form = forms[int.from_bytes(data, "little") & number] = _Form(known, _copied(listed), _guards(listed))
        return form

    def _forms_of(self, kind: Any, deciding: int) -> dict[int, _Form[T]] | None:
        if self._count >= MAX_REMEMBERED:
            self._by_kind.clear()
            self._count = 0
        alike = self._by_kind.setdefault(kind, [])
        found = next((forms for known, forms in alike if known == deciding), None)
        if found is None:
            if len(alike) >= MOST_ALIKE:
                return None
            found = {}
            alike.append((deciding, found))
        self._count += 1
        return found


def _copied(plain: Iterable[Plain]) -> tuple[tuple[int, int, Any, int, int], ...]:
    return tuple(
        [
            (value.start, value.start + value.size, value.order, (1 << value.field.width) - 1, value.field.shift)
            for value in plain
            if value.field is not None and value.bits
        ]
    )


def _guards(plain: Iterable[Plain]) -> tuple[tuple[int, int, bytes], ...]:
    return tuple(
        [
            (value.start, value.start + value.size, value.never.to_bytes(value.size, value.order))
            for value in plain
            if value.never is not None
        ]
    )


class _Match(NamedTuple):
    """What is the same in the flat keys of a form, and their mask."""

    rest: int
    mask: int


Decoded: TypeAlias = Callable[[], tuple[FlowKey, FlowKey | None]]
"""Gives the values of an encoded match."""


class KnownMatches:
    """Flat keys and masks of encoded ones, by the rules of one kernel."""

    def __init__(self, features: Features) -> None:
        self._features = features
        self._forms: _Forms[_Match] = _Forms()

    def read(
        self, key: bytes, mask: bytes | None, decoded: Callable[[], tuple[FlowKey, FlowKey | None]]
    ) -> tuple[int, int]:
        """Return what `from_match` gives for a key and a mask, of which `decoded` makes values where they are new."""
        kind = mask, len(key)
        form = self._forms.find(kind, key)
        if form is not None:
            return _flat(form, key), form.known.mask
        value, flat_mask = from_match(*decoded(), self._features)
        if len(mask or b"") <= LONGEST and self._forms.is_worth_it(kind, key):
            self._learn(kind, key, value, flat_mask)
        return value, flat_mask

    def _learn(self, kind: Any, key: bytes, value: int, mask: int) -> None:
        try:
            plain = list(plain_of_key(key))
        except (UnusualError, DecodeError):
            return
        given = copied = 0
        for one in plain:
            assert one.field is not None, "a key's values have places"
            here = (1 << one.field.width) - 1 << one.field.shift
            if given & here:
                return  # two attributes give the same field, and only the rules know which of them counts
            given |= here
            copied |= here if one.bits else 0
        self._forms.learn(kind, key, _Match(value & ~copied, mask), plain)


def _flat(form: _Form[_Match], key: bytes) -> int:
    flat, read = form.known.rest, int.from_bytes
    for start, end, order, ones, shift in form.values:
        flat |= (read(key[start:end], order) & ones) << shift
    return flat


class KnownActions:
    """Lists of actions that were taken, by the rules of one kernel and by who carries them out."""

    def __init__(self) -> None:
        self._forms: _Forms[None] = _Forms()

    def has(self, actions: bytes, key: int) -> bool:
        """Tell whether encoded actions are like some that were taken for a masked flat key like this one."""
        return self._forms.find((_context(key), len(actions)), actions) is not None

    def learn(self, actions: bytes, key: int) -> None:
        """Note that these were taken."""
        kind = _context(key), len(actions)
        if self._forms.is_worth_it(kind, actions):
            with contextlib.suppress(UnusualError, DecodeError):
                self._forms.learn(kind, actions, None, plain_of_actions(actions))


_ALWAYS: Final = bits("mac_proto", "eth.type", "ip.proto", "ip.frag") | VLAN_CFI << FIELDS["eth.vlan.tci"].shift
_OF_TYPE: Final = {
    **dict.fromkeys(MPLS_ETHERTYPES, _ALWAYS | bits("mpls.num_labels_mask")),
    ETH_P_NSH: _ALWAYS | bits("nsh.np"),
}


def _context(key: int) -> int:
    """Return what rules for actions look at in a masked flat key (`check_state.State`)."""
    return key & _OF_TYPE.get(get(key, "eth.type"), _ALWAYS)
