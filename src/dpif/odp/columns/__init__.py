"""Dumps of flows as columns, for those who look at many flows at once: Arrow tables and NumPy arrays.

The messages of a dump mostly share few layouts. Laid one under the other, those of a layout are a matrix, whose
columns NumPy reads without a loop. `places` finds the attributes of all messages, `layouts` takes the messages apart
by what is in them, `blocks` makes of each layout's messages a block of columns, and `arrow` and `arrays` make of the
blocks what was asked for. `fields` says which columns there are.

A column is named like the field in a filter (`dpif.odp.filter`): ``in_port``, ``eth.src``, ``ipv4.dst``,
``tunnel.tun_id``, ``encap.vlan.vid``; of a stack of MPLS labels ``mpls.label`` is the outermost entry's, and
``mpls.1.label`` and ``mpls.2.label`` those below it. The field's mask has ``.mask`` behind the name. Where a flow's
key or mask lacks the attribute the column is null.

====================================  ==========================================  ========================
what                                  Arrow                                       NumPy
====================================  ==========================================  ========================
numbers, ports, flags, IPv4           unsigned integer of the field's width,      the same
addresses                             in the machine's order
MAC and IPv6 addresses, conntrack     fixed-size binary (6, 16), as on the wire   ``V6``, ``V16``
labels
``ufid``, Geneve options, NSH         binary, as on the wire                      objects (`bytes`)
metadata of type 2, what has no name
(``key99``)
``tunnel.df`` and its like            bool: true, or null                         bool
``packets``, ``bytes``                uint64, 0 where the datapath tells none     the same
``used``                              float64: seconds as `time.monotonic`        the same
                                      counts; null for never
``flags``: those seen in TCP headers  uint8                                       the same
``actions``                           their text, dictionary-encoded              objects (`str`)
====================================  ==========================================  ========================

Arrays need NumPy (the extra ``columns``), tables PyArrow too (the extra ``arrow``); only calling what is here loads
them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence

from dpif._typing import TYPE_CHECKING
from dpif.errors import Unavailable
from dpif.odp.messages.flow import FlowRecord

if TYPE_CHECKING:
    import pyarrow

    from dpif.odp.columns.arrays import Values
    from dpif.odp.columns.window import Source

__all__ = ["WINDOW", "to_arrays", "to_table"]

WINDOW = 2 << 20
"""Bytes of messages that are best looked at together: more take more memory, fewer more time."""

Complete = Callable[[FlowRecord], FlowRecord | None]


def to_table(dump: Source, columns: Sequence[str] | None, complete: Complete) -> pyarrow.Table:
    """Return a dump (by `Connection.dump_datagrams`) as a table; see `Collector`.

    Raises `Unavailable` without NumPy and PyArrow, `EncodeError` for a name that no column has, `DecodeError`.
    """
    try:
        from dpif.odp.columns import arrow, blocks
    except ImportError as error:
        raise _missing(error) from None
    return arrow.table(blocks.Collector(columns, complete), dump, columns)


def to_arrays(dump: Source, columns: Sequence[str] | None, complete: Complete) -> dict[str, Values]:
    """Return a dump as arrays, as `to_table` does; it needs NumPy alone."""
    try:
        from dpif.odp.columns import arrays, blocks
    except ImportError as error:
        raise _missing(error) from None
    return arrays.arrays(blocks.Collector(columns, complete), dump, columns)


def _missing(error: ImportError) -> Unavailable:
    extra = "arrow" if error.name == "pyarrow" else "columns"
    return Unavailable(f"columns need {error.name}: pip install 'dpif[{extra}]'", errno.ENOPKG)
