"""What is asked of columns, and of whom: the part of `dpif.odp.columns` that needs nothing to be loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dpif._typing import NamedTuple


class Origin(NamedTuple):
    """Where flows come from: the name of the datapath, and the time when it was asked, in microseconds since 1970.

    ``clock`` is what the datapath's own clock told then, by which it says when a flow was used.
    """

    datapath: str = ""
    time: int = 0
    clock: int = 0


class Options(NamedTuple):
    """What is asked for: the names of columns, None for all that some flow has, and how values are told.

    With `text` what people write otherwise than as numbers is written as they do, ports by `port_names`; with
    `dotted` columns are named as in filters. Without an `origin` the columns that tell of it are not among all.
    """

    columns: Sequence[str] | None = None
    text: bool = False
    port_names: Mapping[int, str] = {}
    dotted: bool = False
    origin: Origin | None = None
