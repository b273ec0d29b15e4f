"""What is said of a datapath that is not there: what there is in its place, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable

from dpif._open import TYPES, datapaths_by, split_name
from dpif._typing import TYPE_CHECKING
from dpif.cli.errors import CommandError
from dpif.errors import Unavailable

if TYPE_CHECKING:
    from dpif.netlink.connection import Connection

_OR_SERVE = "; or make datapaths in user space: 'dpif serve'"


def whereabouts(name: str, datapaths: Callable[[], list[str]]) -> str:
    """Return what there is in place of a datapath that is not there; `datapaths` lists them."""
    type_, _ = split_name(name)
    if type_ not in TYPES:
        return f"there is no type {type_} of datapaths; there are {', '.join(TYPES)}"
    try:
        names = datapaths()
    except CommandError:
        return ""
    if not names:
        return f"no datapaths exist; 'dpif add-dp {name}' makes one"
    return f"there is no datapath {name}, but there is {', '.join(names)}"


def instead(name: str, connect: Callable[[str], Connection]) -> str:
    """Return what to take in place of a datapath of a kernel that has none, if it was not asked for by name."""
    if "@" in name:
        return ""
    twin = f"netdev@{name}"
    try:
        return f"; or take {twin}" if twin in datapaths_by(connect, ("netdev",)) else ""
    except Unavailable as error:
        return instead_of(error) or f"; {error}"


def instead_of(error: Unavailable) -> str:
    """Return what to do where there is no datapath; nothing where there is one that cannot be reached."""
    return _OR_SERVE if error.errno == errno.ENOENT else ""
