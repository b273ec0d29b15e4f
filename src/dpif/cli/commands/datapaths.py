"""Datapaths as a whole: make, delete and list them."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.ports import add_interfaces
from dpif.cli.errors import UsageError
from dpif.cli.numbers import read_number

if TYPE_CHECKING:
    from dpif.cli.context import Context


def add_dp(context: Context) -> None:
    """Make a datapath, then add interfaces; one that fails leaves the others and the datapath in place."""
    name, *interfaces = context.words
    features, ifindex = _settings(context)
    taken = f"there is a datapath or a device {name} already"
    meaning = {
        errno.EEXIST: taken if ifindex is None else f"{taken}, or one with the interface index {ifindex}",
        errno.EOPNOTSUPP: "this datapath does not have all of the features",
    }
    with context.failing("add_dp", meaning):
        datapath = context.open(name, create=True, features=features, ifindex=ifindex)
    with datapath:
        add_interfaces(context, datapath, interfaces)


def _settings(context: Context) -> tuple[int, int | None]:
    """Return the features and the interface index that are asked for."""
    features, text = context.options.features, context.options.ifindex
    ifindex = None if text is None else read_number(text)
    if text is not None and ifindex is None:
        raise UsageError(f"--ifindex takes an interface index, not '{text}'")
    if features is None:
        return 0, ifindex
    from dpif.cli.datapath_features import parse_features

    return parse_features(features), ifindex


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
