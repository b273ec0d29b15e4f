"""The counters of a datapath as a value."""

from __future__ import annotations

from dpif._typing import NamedTuple

__all__ = ["Stats"]


class Stats(NamedTuple):
    """A datapath's counters.

    Packets that ``hit`` a flow, ``missed``, were ``lost`` on their way up; ``flows`` in the table. ``masks`` in
    use, ``mask_hit`` masks looked at for all packets together, ``cache_hit`` hits of the mask cache: None where
    the datapath does not tell.
    """

    hit: int
    missed: int
    lost: int
    flows: int
    masks: int | None = None
    mask_hit: int | None = None
    cache_hit: int | None = None
