"""Dumps of flows as columns, for those who look at many flows at once: Arrow tables and NumPy arrays.

The messages of a dump mostly share few layouts. Laid one under the other, those of a layout are a matrix, whose
columns NumPy reads without a loop. `places` finds the attributes of all messages, `layouts` takes the messages apart
by what is in them, `texts` has the texts of lists of actions, `blocks` makes of each layout's messages a block of
columns, and `arrow` and `arrays` make of the blocks what was asked for (`asked`). `fields` says which columns there
are, and `written` how people write their values.

A column is named like the field in a filter (`dpif.odp.filter`), with underscores in place of dots, so that SQL takes
the name without quotes: ``in_port``, ``eth_src``, ``ipv4_dst``, ``tunnel_tun_id``, ``encap_vlan_vid``; of a stack of
MPLS labels ``mpls_label`` is the outermost entry's, and ``mpls_1_label`` and ``mpls_2_label`` those below it. The
field's mask has ``_mask`` behind the name. Where a flow's key or mask lacks the attribute the column is null. With
``dotted=True`` the names are those of filters, ``ipv4.dst`` and ``ipv4.dst.mask``; columns that are asked for by name
may be spelt either way, and are named as they were asked for.

====================================  =======================================  ============  =======================
what                                  Arrow                                    NumPy         with ``text=True``
====================================  =======================================  ============  =======================
numbers                               unsigned integer of the field's width,   the same      the same
                                      in the machine's order
IPv4 addresses                        uint32, in the machine's order           the same      ``10.0.0.1``
MAC and IPv6 addresses                fixed-size binary (6, 16), as on the     ``V6``,       ``02:00:00:00:00:01``,
                                      wire                                     ``V16``       ``fe80::1``
conntrack labels                      fixed-size binary (16), as on the wire   ``V16``       ``0x2a``
``in_port``                           uint32                                   the same      the port's name, or the
                                                                                             number where it has none
``ct_state``, ``tcp_flags``,          unsigned integer                         the same      ``new|trk``, ``syn|ack``,
fragment types                                                                               ``first``
``ufid``                              binary, as on the wire                   `bytes`       that of a UUID, as Open
                                                                                             vSwitch prints it
Geneve options, NSH metadata of type  binary, as on the wire                   `bytes`       the same
2, what has no name (``key99``)
``tunnel_df`` and its like            bool: true, or null                      bool          the same
``packets``, ``bytes``                uint64, 0 where the datapath tells none  the same      the same
``used``                              float64: seconds as `time.monotonic`     the same      the same
                                      counts; null for never
``last_used``                         timestamp (UTC); null for never          ``M8[us]``    the same
``flags``: those seen in TCP headers  uint8                                    the same      the same
``actions``                           their text, dictionary-encoded           `str`         with names of ports
``datapath``                          its name, dictionary-encoded             `str`         the same
``time``, when the dump began         timestamp (UTC)                          ``M8[us]``    the same
====================================  =======================================  ============  =======================

`bytes` and `str` are objects in an array. Masks are told as the values that they belong to, but those of ports and
fragment types, which stay numbers.

Arrays need NumPy (the extra ``columns``), tables PyArrow too (the extra ``arrow``); only calling what is here loads
them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable

from dpif._typing import TYPE_CHECKING
from dpif.errors import Unavailable
from dpif.odp.columns.asked import Options, Origin
from dpif.odp.messages.flow import FlowRecord

if TYPE_CHECKING:
    import pyarrow

    from dpif.odp.columns.arrays import Values
    from dpif.odp.columns.window import Source

__all__ = ["WINDOW", "Options", "Origin", "to_arrays", "to_table"]

WINDOW = 2 << 20
"""Bytes of messages that are best looked at together: more take more memory, fewer more time."""

Complete = Callable[[FlowRecord], FlowRecord | None]


def to_table(dump: Source, options: Options, complete: Complete) -> pyarrow.Table:
    """Return a dump (by `Connection.dump_datagrams`) as a table; see `Collector`.

    Raises `Unavailable` without NumPy and PyArrow, `EncodeError` for a name that no column has, `DecodeError`.
    """
    try:
        from dpif.odp.columns import arrow
    except ImportError as error:
        raise _missing(error) from None
    return arrow.table(dump, options, complete)


def to_arrays(dump: Source, options: Options, complete: Complete) -> dict[str, Values]:
    """Return a dump as arrays, as `to_table` does; it needs NumPy alone."""
    try:
        from dpif.odp.columns import arrays
    except ImportError as error:
        raise _missing(error) from None
    return arrays.arrays(dump, options, complete)


def _missing(error: ImportError) -> Unavailable:
    extra = "arrow" if error.name == "pyarrow" else "columns"
    return Unavailable(f"columns need {error.name}: pip install 'dpif[{extra}]'", errno.ENOPKG)
