"""Attributes that are decoded when they are read, for collections of which many share a layout.

The keys of a dump mostly have the same attributes of the same lengths in the same order. The first of such a
*layout* is decoded whole, the slow way (`Attributes.from_payload`), which checks every length. Of a later one the
headers are compared, by one `struct` call, and then nothing in it can be wrong whose decoding depends on the
length alone; such attributes wait in the bytes until they are read. The others (nests, lists of labels) are
decoded at once and remembered by their bytes.

Both ways give equal values and the same errors; a property test says so.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterator, Mapping

from dpif._typing import Any, Final, Generic, TypeVar
from dpif.errors import DecodeError
from dpif.netlink.attributes import walk
from dpif.netlink.constants import NLA_HDRLEN
from dpif.odp.model.attrs import Opaque, Scalar, Structure
from dpif.odp.model.nest import Attributes

A = TypeVar("A", bound=Attributes)

MAX_LAYOUTS: Final = 16
"""Layouts of one length that are told apart; more take the slow way."""
MAX_LENGTHS: Final = 256
MAX_REMEMBERED: Final = 256
"""Payloads of one attribute that are remembered by their bytes."""

_CHECK_LENGTH_ALONE = (Scalar.decode, Structure.decode, Opaque.decode)
"""What finds nothing to complain about in a payload of the right length."""


class LazyDecoder(Generic[A]):
    """Decodes collections of class `cls`; knows the layouts that it met.

    Where `is_right` the bytes are known to be, as those that were just encoded, and every attribute waits.
    """

    def __init__(self, cls: type[A], *, is_right: bool = False) -> None:
        self._cls = cls
        self._is_right = is_right
        self._layouts: dict[int, list[_Layout]] = {}

    def __call__(self, data: bytes) -> A:
        """Return the collection; raise `DecodeError`."""
        for layout in self._layouts.get(len(data), ()):
            if layout.headers(data) == layout.expected:
                try:
                    return self._cls.of_kept(_LazyValues(layout, data))
                except DecodeError:
                    break  # the slow way says it better
        decoded = self._cls.from_payload(data)
        if len(self._layouts) < MAX_LENGTHS:
            layouts = self._layouts.setdefault(len(data), [])
            if len(layouts) < MAX_LAYOUTS:
                layouts.append(_Layout(self._cls, data, self._is_right))
        return decoded


class _Layout:
    """Where the attributes stand in the collections like one."""

    __slots__ = ("at_once", "expected", "headers", "places")

    def __init__(self, cls: type[Attributes], data: bytes, is_right: bool) -> None:
        self.places: dict[int, tuple[int, int, Callable[[bytes], Any]]] = {}
        self.at_once: list[int] = []
        format_, at = "=", 0
        for number, start, end in walk(data):
            type_ = cls.type_of(number)
            decode = type_.decode
            if type(type_).decode not in _CHECK_LENGTH_ALONE:
                decode = functools.lru_cache(MAX_REMEMBERED)(decode)
                if not is_right:
                    self.at_once.append(number)
            self.places[number] = start, end, decode
            format_ += f"{start - NLA_HDRLEN - at}xI"
            at = start
        reader = struct.Struct(f"{format_}{len(data) - at}x")
        self.headers = reader.unpack
        self.expected = reader.unpack(data)


class _LazyValues(Mapping[int, Any]):
    """The kept values of a collection, by the numbers of the attributes."""

    __slots__ = ("_data", "_decoded", "_places")

    def __init__(self, layout: _Layout, data: bytes) -> None:
        self._data = data
        self._places = layout.places
        self._decoded: dict[int, Any] = {}
        for number in layout.at_once:
            self[number]

    def __getitem__(self, number: int) -> Any:
        if number not in self._decoded:
            start, end, decode = self._places[number]
            self._decoded[number] = decode(self._data[start:end])
        return self._decoded[number]

    def get(self, number: int, default: Any = None) -> Any:
        """Return the value of an attribute, `default` when it is absent."""
        return self[number] if number in self._places else default

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self) -> tuple[type, tuple[dict[int, Any]]]:
        return dict, (dict(self),)
