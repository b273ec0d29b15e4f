"""How much a userspace datapath takes in (`Limits`), whoever asks: beyond that it says no, with a kernel's errno."""

from __future__ import annotations

from dpif._typing import NamedTuple


class Limits(NamedTuple):
    """Bounds of memory, descriptors and work.

    ``clients`` may be connected to a server at a time, the next is told EMFILE. ``queue`` bytes wait for each of
    them before more are lost (ENOBUFS); when ``queues`` bytes wait for all together, those lose theirs who have
    more than their part. ``flows`` and ``masks`` (different ones) may be in a datapath, ``devices`` in all: ENOMEM.
    A packet that brings about more than ``actions`` is not recirculated any more, and counts as lost.
    ``connections`` may be tracked, another one takes the place of some or is dropped; ``policies`` (timeout
    policies) may be there: ENOMEM.
    """

    clients: int = 256
    queue: int = 4 << 20
    queues: int = 64 << 20
    flows: int = 200_000
    masks: int = 1024
    devices: int = 16_384
    actions: int = 10_000
    connections: int = 65_536
    policies: int = 1024
