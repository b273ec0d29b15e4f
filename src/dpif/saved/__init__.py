"""Saved dumps: datapaths that one can read, from the text that tools printed of them.

`load` gives a `SavedDatapath` with the reading surface of a live one::

    saved = dpif.load("dump-flows.txt", "show.txt")
    for flow in saved.flows:                      # typed, a line at a time
        print(flow.key, flow.packets, flow.actions, flow.told.get("dp"))
    saved.ports["ens7"].number, saved.stats, saved.conntrack

A file may hold any of what ``ovs-dpctl`` and ``ovs-appctl`` print of a datapath, in any order: ``dump-flows`` (plain,
``-m``, ``--names``), ``show`` with ``-s`` or without, ``dump-conntrack`` with ``-m`` and ``-s`` or without. Lines are
known by what is in them; all that is something else (headings, remarks, the log) is passed over. What looks like a
flow or a connection and cannot be read is left out, and is in `SavedDatapath.faults`.

This room reads text. It opens no socket and knows no command.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable

from dpif.saved.datapath import SavedDatapath
from dpif.saved.faults import Fault, Faults, Report
from dpif.saved.sources import Readable, Source, source_of

__all__ = ["Fault", "SavedDatapath", "load"]


def load(*files: Readable, strict: bool = False, report: Report | None = None) -> SavedDatapath:
    """Return what is saved in files: paths or open ones, packed by gzip or not; raise `OSError` for a missing one.

    A directory stands for those of its files that are of a datapath (`dpif.saved.folders` says which).
    They are read when something is asked for. `report` is told of each line that cannot be read, as it is met; with
    `strict` such a line raises `ParseError` then.
    """
    from dpif.odp.lines.text import milliseconds

    return SavedDatapath(
        itertools.chain.from_iterable(map(_sources, files)), Faults(strict=strict, report=report), milliseconds()
    )


def _sources(file: Readable) -> Iterable[Source]:
    if isinstance(file, str | os.PathLike) and os.path.isdir(file):
        from dpif.saved.folders import sources_in

        return sources_in(os.fspath(file))
    return [source_of(file)]
