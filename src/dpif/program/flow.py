"""The flows of a program: what each was made of, and what it hangs on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dpif.program.layout import Layout

__all__ = ["Megaflow", "MegaflowTable", "Shape", "identify"]


class Shape(NamedTuple):
    """What a decision makes of a flow: all that can change while its mask stays the same.

    ``contexts`` are the recirculation ids that its actions name.
    """

    actions: bytes
    deps: tuple[tuple[Any, Any], ...]
    touched: tuple[tuple[Any, Any, Any], ...]
    contexts: tuple[int, ...]
    idle: float | None
    hard: float | None


class Megaflow:
    """A flow of a program.

    ``key`` is that of the packet which it was made for, as bytes, to be read by ``layout``; ``mask`` is what was read
    of it. ``installed`` says that the datapath has it; ``packets`` had matched when somebody last
    looked, and ``hit_at`` is when that number last grew.
    """

    __slots__ = (
        "born_at", "hit_at", "installed", "key", "layout", "mask", "packets", "port", "recirc_id", "shape",
        "ufid",
    )  # fmt: skip

    def __init__(self, ufid: bytes, key: bytes, number: int, layout: Layout, mask: int, now: float) -> None:
        self.ufid = ufid
        self.key = key
        self.layout = layout
        self.mask = layout.masks.setdefault(mask, mask)  # most flows share theirs with others
        self.shape = NOTHING
        self.installed = False
        self.packets = 0
        self.born_at = now
        self.hit_at = now
        self.port = layout.places["in_port"].number(number)
        self.recirc_id = layout.places["recirc_id"].number(number) if "recirc_id" in layout.places else 0

    @property
    def number(self) -> int:
        """The key as a number."""
        return int.from_bytes(self.key, "big")


NOTHING = Shape(b"", (), (), (), None, None)


def identify(layout: Layout, number: int, mask: int) -> bytes:
    """Return the UFID of the flow for packets like `number` under `mask`: the same decision has the same one."""
    # A mask has some bits above those of the key, for what has none there.
    matched = (number & mask | layout.fixed).to_bytes(layout.size, "big")
    return hashlib.blake2b(matched + mask.to_bytes(layout.size + 1, "big"), digest_size=16).digest()


class MegaflowTable:
    """The flows that a program believes to be installed, by UFID, and how many there are of each sort."""

    def __init__(self) -> None:
        self._flows: dict[bytes, Megaflow] = {}
        self.masks: dict[bytes, int] = {}
        self.of_port: dict[int, int] = {}
        self.contexts: dict[int, int] = {}
        """How many flows there are for each encoded mask, port, recirculation id that they have or name."""

    def __len__(self) -> int:
        return len(self._flows)

    def __iter__(self) -> Iterator[Megaflow]:
        return iter(self._flows.values())

    def __contains__(self, flow: Megaflow) -> bool:
        return self._flows.get(flow.ufid) is flow

    def get(self, ufid: bytes) -> Megaflow | None:
        """Return the flow with a UFID."""
        return self._flows.get(ufid)

    def add(self, flow: Megaflow) -> None:
        """Add a flow whose UFID is not there yet."""
        self._flows[flow.ufid] = flow
        self._count(flow, 1)

    def remove(self, flow: Megaflow) -> bool:
        """Remove a flow and what hangs on its entries; return whether it was there."""
        if self._flows.get(flow.ufid) is not flow:
            return False
        del self._flows[flow.ufid]
        self._count(flow, -1)
        self.reshape(flow, NOTHING)
        return True

    def reshape(self, flow: Megaflow, shape: Shape) -> None:
        """Give a flow what was decided now; it hangs on the entries that were read now, and on no others."""
        old, flow.shape = flow.shape, shape
        if old.deps != shape.deps:
            for table, key in old.deps:
                table.detach(key, flow)
            for table, key in shape.deps:
                table.attach(key, flow)
        if old.contexts != shape.contexts:
            for number in old.contexts:
                _count(self.contexts, number, -1)
            for number in shape.contexts:
                _count(self.contexts, number, 1)

    def _count(self, flow: Megaflow, step: int) -> None:
        _count(self.masks, flow.layout.encode(flow.mask), step)
        _count(self.of_port, flow.port, step)
        if flow.recirc_id:
            _count(self.contexts, flow.recirc_id, step)


def _count(counts: dict[Any, int], key: Any, step: int) -> None:
    left = counts.get(key, 0) + step
    if left:
        counts[key] = left
    else:
        del counts[key]
