"""The general attribute walk, which every message takes that no faster way knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from dpif.netlink.attributes import attribute, walk


def bench_walk() -> Iterator[tuple[str, int, Callable[[], object]]]:
    for count in (0, 1, 8, 64, 512):
        buffer = b"".join(attribute(number, b"\x01\x02\x03\x04") for number in range(count))
        yield f"{count} attributes", 1, partial(_walk_through, buffer)


def _walk_through(buffer: bytes) -> None:
    for _ in walk(buffer):
        pass
