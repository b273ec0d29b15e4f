"""The fingerprints of many packets at once, as columns of a matrix: NumPy where it is there (the extra ``columns``).

Its slow twin is `fingerprint`, which also does what is not plain IPv4, and all of it without NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from dpif._typing import Any, Final
from dpif.packet.constants import IPPROTO_TCP
from dpif.userspace.engine.fingerprint import IPV4, IPV4_END, IPV4_PARTS, TCP_OFFSET, TCP_SIZE, fingerprint

_FEWEST: Final = 64
"""So many packets are worth the calls that NumPy takes."""
_HEAD: Final = IPV4_END + TCP_OFFSET + 2
"""Bytes of a packet that become its row."""
_TCP_PARTS: Final = (*IPV4_PARTS, (IPV4_END + TCP_OFFSET, 2))


def fingerprints(packets: Sequence[bytes]) -> Sequence[bytes | None]:
    """Return the `fingerprint` of each packet."""
    numpy = _numpy() if len(packets) >= _FEWEST else None
    if numpy is None or min(map(len, packets)) < IPV4_END + TCP_SIZE:
        return list(map(fingerprint, packets))
    return _by_columns(numpy, packets)


@functools.cache  # for a module that is not there is looked for each time
def _numpy() -> Any:
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _by_columns(np: Any, packets: Sequence[bytes]) -> Sequence[bytes | None]:
    heads = b"".join([packet[:_HEAD] for packet in packets])
    matrix = np.frombuffer(heads, np.uint8).reshape(-1, _HEAD)
    is_ipv4 = (matrix[:, 12] == IPV4[0]) & (matrix[:, 13] == IPV4[1]) & (matrix[:, 14] == IPV4[2])
    is_tcp = is_ipv4 & (matrix[:, 23] == IPPROTO_TCP)
    if is_ipv4.all() and not is_tcp.any():
        return _take(np, matrix, IPV4_PARTS)
    found = np.full(len(packets), None, object)
    found[is_ipv4 & ~is_tcp] = _take(np, matrix[is_ipv4 & ~is_tcp], IPV4_PARTS)
    lengths = np.fromiter(map(len, packets), np.intp, len(packets))
    fits = is_tcp & (lengths >= IPV4_END + (matrix[:, IPV4_END + TCP_OFFSET] >> 4 << 2))
    found[fits] = _take(np, matrix[fits], _TCP_PARTS)
    for index in np.flatnonzero(~is_ipv4).tolist():
        found[index] = fingerprint(packets[index])
    listed: list[bytes | None] = found.tolist()
    return listed


def _take(np: Any, matrix: Any, parts: Sequence[tuple[int, int]]) -> list[bytes]:
    """Return these parts of each row, joined."""
    names = [str(at) for at, _ in parts]
    formats = [f"V{size}" for _, size in parts]
    scattered = np.dtype({"names": names, "formats": formats, "offsets": [at for at, _ in parts], "itemsize": _HEAD})
    joined = np.dtype(list(zip(names, formats, strict=True)))
    rows: list[bytes] = matrix.view(scattered).astype(joined).view(f"V{joined.itemsize}").ravel().tolist()
    return rows
