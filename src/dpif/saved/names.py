"""The numbers of ports by the names that stand in a dump.

Those of the ports that ``show`` listed have theirs. Every other name gets a number of its own, above all that a
datapath gives to its ports, in the order in which the names are met.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping

from dpif._lazy import pattern
from dpif._typing import Final
from dpif.client.port import Port
from dpif.odp.actions import load_all

__all__ = ["FIRST_OWN", "Numbers"]

FIRST_OWN: Final = 0x10000
"""The first number that no port of a datapath has."""
_ACTION = pattern(r"drop|action[0-9]++")


class Numbers(Mapping[str, int]):
    """Made of what lists the ports; that is asked once, and only if a name is looked up."""

    def __init__(self, ports: Callable[[], Iterable[Port]]) -> None:
        self._ports = ports
        self._own: dict[str, int] = {}
        self.own: dict[int, str] = {}
        """The names that no port is known of, by their numbers; more come as they are met."""

    @functools.cached_property
    def _known(self) -> dict[str, int]:
        return {port.name: port.number for port in self._ports()}

    def __getitem__(self, name: str) -> int:
        number = self._known.get(name)
        if number is not None:
            return number
        if name not in self._own:
            if _is_action(name):
                raise KeyError(name)
            self._own[name] = FIRST_OWN + len(self._own)
            self.own[self._own[name]] = name
        return self._own[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._known
        yield from self._own

    def __len__(self) -> int:
        return len(self._known) + len(self._own)


@functools.lru_cache(1024)
def _is_action(word: str) -> bool:
    return word in load_all().by_word or _ACTION.fullmatch(word) is not None
