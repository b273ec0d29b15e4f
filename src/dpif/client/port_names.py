"""The numbers of a datapath's ports by their names, for texts: asked for when a text has a name (`NumbersByName`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping


class NumbersByName(Mapping[str, int]):
    """Made of what gives the names by number; that is asked once, and only if a name is looked up."""

    def __init__(self, names: Callable[[], Mapping[int, str]]) -> None:
        self._names = names

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in self._names().items()}

    def __getitem__(self, name: str) -> int:
        return self._numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)
