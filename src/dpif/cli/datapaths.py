"""Datapaths as a whole: make, delete and list them."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.ports import add_interfaces

if TYPE_CHECKING:
    from dpif.cli.context import Context


def add_dp(context: Context) -> None:
    """Make a datapath, then add interfaces; one that fails leaves the others and the datapath in place."""
    name, *interfaces = context.words
    with context.failing("add_dp", {errno.EEXIST: f"there is a datapath or a device {name} already"}):
        datapath = context.open(name, create=True)
    with datapath:
        add_interfaces(context, datapath, interfaces)


def del_dp(context: Context) -> None:
    """Delete a datapath."""
    datapath, _ = context.open_first()
    with datapath, context.failing("del_dp"):
        datapath.destroy()


def dump_dps(context: Context) -> None:
    """List the names of all datapaths."""
    context.print_all("datapaths", map(Name, context.datapaths()))


class Name(NamedTuple):
    """The name of a datapath."""

    name: str

    def lines(self) -> Iterator[str]:
        """Return it."""
        yield self.name

    def data(self) -> dict[str, object]:
        """Return it."""
        return self._asdict()
