"""Values of columns as people write them: addresses, names of ports, flags, labels, UFIDs.

MAC and IPv4 addresses are written all at once; of the other kinds each value that differs is written by its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from dpif._typing import Any, Final
from dpif.odp.columns.fields import UFID, Title
from dpif.odp.columns.places import Array
from dpif.odp.columns.texts import Texts
from dpif.odp.model.kinds import Ipv4Kind, MacKind, Port
from dpif.odp.model.ufid import Ufid

_PAIRS: Final = np.frombuffer("".join(f"{octet:02x}:" for octet in range(256)).encode(), np.uint8).reshape(-1, 3)
_OCTETS: Final = np.frombuffer("".join(f"{octet}.".ljust(4, "\0") for octet in range(256)).encode(), np.uint8)
"""Each octet with a dot behind it, in four characters of which the last ones may be NUL."""


def is_written(column: Title) -> bool:
    """Tell whether people write the values of a column in another way than as it has them."""
    return column.type.kind is not None or column.name == UFID


def written(column: Title, values: Array, port_names: Mapping[int, str]) -> Texts:
    """Return the texts of values; a port without a name has its number."""
    kind = column.type.kind
    if isinstance(kind, MacKind):
        return _macs(values)
    if isinstance(kind, Ipv4Kind):
        return _addresses(values)
    if isinstance(kind, Port):
        return _one_by_one(values, lambda number: port_names.get(number, str(number)))
    if kind is not None:
        return _one_by_one(values, kind.show)
    return _one_by_one(values, lambda data: str(Ufid.told(data)).removeprefix("ufid:") if data else "")


def _macs(values: Array) -> Texts:
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 6)
    size = 3 * 6 - 1
    data = np.ascontiguousarray(_PAIRS[octets].reshape(-1, size + 1)[:, :size]).tobytes()
    return Texts(data, np.arange(len(octets) + 1, dtype=np.int32) * np.int32(size))


def _addresses(values: Array) -> Texts:
    octets = values.astype(">u4").view(np.uint8).reshape(-1, 4)
    characters = _OCTETS.reshape(-1, 4)[octets].reshape(-1, 16)
    characters[np.arange(len(characters)), 15 - (characters[:, :11:-1] != 0).argmax(axis=1)] = 0  # the last dot
    there = characters != 0
    ends = np.cumsum(there.sum(axis=1))
    return Texts(characters[there].tobytes(), np.append(0, ends).astype(np.int32))


def _one_by_one(values: Array, show: Callable[[Any], str]) -> Texts:
    given = values.tolist()
    texts = {value: show(value).encode() for value in dict.fromkeys(given)}
    data = [texts[value] for value in given]
    return Texts(b"".join(data), np.append(0, np.cumsum([len(text) for text in data])).astype(np.int32))
