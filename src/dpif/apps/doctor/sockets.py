"""Netlink sockets of this network namespace and the processes that hold them, from ``/proc``.

The kernel numbers each socket (its port id, "pid" on the wire), and counts the messages that found it full.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dpif._typing import Final, NamedTuple

__all__ = ["NetlinkSocket", "generic_sockets", "holders"]

_GENERIC: Final = 16
"""``NETLINK_GENERIC`` of linux/netlink.h."""


class NetlinkSocket(NamedTuple):
    """A socket: its port id, the messages it lost because its buffer was full, its inode."""

    port_id: int
    drops: int
    inode: int


def generic_sockets(root: Path = Path("/")) -> dict[int, NetlinkSocket]:
    """Return the generic netlink sockets of this namespace by port id; raise `OSError` where there is no list."""
    sockets = {}
    lines = (root / "proc/net/netlink").read_text().splitlines()
    columns = {name: number for number, name in enumerate(lines[0].split())}
    for line in lines[1:]:
        fields = line.split()
        if int(fields[columns["Eth"]]) == _GENERIC:
            port_id, drops, inode = (int(fields[columns[name]]) for name in ("Pid", "Drops", "Inode"))
            sockets[port_id] = NetlinkSocket(port_id, drops, inode)
    return sockets


def holders(sockets: Iterable[NetlinkSocket], root: Path = Path("/")) -> Mapping[int, str]:
    """Return by inode which process has a socket, as ``name (pid)``; those that may not be looked at lack."""
    wanted = {f"socket:[{one.inode}]": one.inode for one in sockets}
    found: dict[int, str] = {}
    for process, link in _open_files(root):
        if link in wanted:
            found[wanted[link]] = _describe(process)
            if len(found) == len(wanted):  # a host has many processes, with many files
                break
    return found


def _open_files(root: Path) -> Iterator[tuple[Path, str]]:
    for process in (root / "proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end meanwhile, or be another's
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    yield process, os.readlink(descriptor)


def _describe(process: Path) -> str:
    try:
        name = (process / "comm").read_text("utf-8", errors="replace").strip()  # cut after 15 bytes, in a letter even
    except OSError:
        return f"process {process.name}"
    return f"{name} ({process.name})"
