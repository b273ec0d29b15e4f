"""Payloads of one layout are decoded alike: they have the same attributes of the same lengths in the same order.

The keys of a dump, its masks and its lists of actions mostly share few layouts. For one that was met often enough a
function is compiled (`Source`), which reads all values by one or two `struct` calls, nested ones too: in nests of the
same lengths they stand at the same offsets. It reads every payload whose headers are those of the layout, for then
nothing can be wrong whose decoding depends on the length alone. The rest is left to the slow way (``from_bytes``), as
are the first payloads of a length.

Both ways give equal values and the same errors; a property test says so.
"""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar
from dpif.errors import DecodeError

if TYPE_CHECKING:
    from dpif.odp.model.source import Source

T = TypeVar("T")

MISSES: Final = 4
"""Of so many payloads of one length that no known layout fits, the last one's is compiled: it takes a millisecond."""
MAX_ALIKE: Final = 32
"""Layouts of one length that are told apart; more take the slow way."""
MAX_LAYOUTS: Final = 1024
"""Layouts altogether."""


class Layout(NamedTuple):
    """What payloads have in common: the bits of headers, and what they are, as numbers; what reads their values."""

    headers: int
    expected: int
    read: Callable[[bytes], Any]


class LayoutDecoder(Generic[T]):
    """Decodes payloads, the slow way by `from_bytes`; knows the layouts that it met.

    `read_in` gives to a `Source` what reads a whole payload, and returns the expression of its value.
    """

    def __init__(self, from_bytes: Callable[[bytes], T], read_in: Callable[[Source, int, int], str]) -> None:
        self._from_bytes = from_bytes
        self._read_in = read_in
        self._layouts: dict[int, list[Layout]] = {}
        self._misses: dict[int, int] = {}
        self._count = 0

    def __call__(self, data: bytes) -> T:
        """Return the value; raise `DecodeError`."""
        word = int.from_bytes(data, "little")
        for headers, expected, read in self._layouts.get(len(data), ()):
            if word & headers == expected:
                try:
                    value: T = read(data)
                except DecodeError:
                    break  # the slow way says it better
                return value
        decoded = self._from_bytes(data)
        if self._count < MAX_LAYOUTS:
            self._miss(data)
        return decoded

    def _miss(self, data: bytes) -> None:
        """Note that a good payload is of no known layout."""
        misses = self._misses[len(data)] = self._misses.get(len(data), 0) + 1
        layouts = self._layouts.setdefault(len(data), [])
        if misses % MISSES == 0 and len(layouts) < MAX_ALIKE:
            from dpif.odp.model.source import Source  # few flows do without

            source = Source(data)
            layouts.append(source.compile(self._read_in(source, 0, len(data))))
            self._count += 1
