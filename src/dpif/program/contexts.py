"""Continuations: which function goes on with a packet that was looked up again, by its recirculation id.

An id is a hash of the program's name, the function's and its arguments, so that it is the same after a restart
and flows that name it stay right. It is kept while a flow has it or names it, and a while longer: packets may be
under way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping

from dpif._typing import Any, NamedTuple
from dpif.program.errors import ProgramError

__all__ = ["Context", "Contexts"]

LINGER = 0.25
"""Seconds that an id outlives the last flow that names it."""
_NAMESPACE = 0x80000000
"""Ids of programs have this bit, so that they are apart from those that others count up from 1."""


class Context(NamedTuple):
    """What goes on: a function, with arguments behind the packet."""

    function: Callable[..., Any]
    arguments: tuple[Hashable, ...]

    def __str__(self) -> str:
        return ",".join([self.function.__name__, *map(str, self.arguments)])


class Contexts:
    """The continuations of one program."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._by_id: dict[int, Context] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._unused_since: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, number: int) -> Context | None:
        """Return what goes on with packets of that id."""
        return self._by_id.get(number)

    def id_of(self, function: Callable[..., Any], arguments: tuple[Hashable, ...]) -> int:
        """Return the id for a function and its arguments."""
        name = (f"{function.__module__}.{function.__qualname__}", repr(arguments))
        number = self._ids.get(name)
        if number in self._by_id and self._by_id[number].function.__code__ is not function.__code__:
            raise ProgramError(
                f"two functions that go on with packets are called {function.__qualname__}; name one anew"
            )
        if number is None:
            number = self._free(hash_of(self._name, *name))
            self._ids[name] = number
        self._by_id[number] = Context(function, arguments)
        self._unused_since.pop(number, None)
        return number

    def _free(self, number: int) -> int:
        while number in self._by_id:
            number = number + 1 | _NAMESPACE
        return number & 0xFFFFFFFF

    def collect(self, used: Mapping[int, int], now: float) -> None:
        """Free the ids that no flow of `used` has or names any more."""
        for number in [number for number in self._by_id if number not in used]:
            if now - self._unused_since.setdefault(number, now) >= LINGER:
                del self._by_id[number]
                del self._unused_since[number]
                self._ids = {name: kept for name, kept in self._ids.items() if kept != number}


def hash_of(*names: str) -> int:
    """Return the id that names hash to, which is never 0."""
    digest = hashlib.blake2b("\0".join(names).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") | _NAMESPACE
