"""`dpif.Userspace`: a userspace datapath in this process, with a client to open its datapaths.

Beside `_open.py` the only place where client and userspace datapath meet; apart from it, so that opening a kernel's
datapath does not load the engine.
"""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING
from dpif.client.datapath import Datapath, create_datapath, find_datapath, list_datapaths
from dpif.netlink.connection import Connection
from dpif.userspace.system import UserspaceSystem

if TYPE_CHECKING:
    from dpif.odp.constants.datapath import DatapathFeature


class Userspace(UserspaceSystem):
    """Datapaths in user space, private to this process; a context manager.

    ::

        with dpif.Userspace() as us:
            dp = us.open("br0", create=True)
            dp.ports.add(us.device("h1").name)

    `device` makes the host side of a port in memory. Ports on Linux devices and captures need somebody to move
    their packets: `start` does it in a thread, `run_once` in yours.
    """

    def open(
        self, name: str, *, create: bool = False, features: DatapathFeature | int = 0, ifindex: int | None = None
    ) -> Datapath:
        """Open a datapath, or with `create` make it first; arguments and errors as of `dpif.open`."""
        connection = Connection(self.transport)
        try:
            if create:
                return create_datapath(connection, name, "netdev", features=features, ifindex=ifindex)
            return find_datapath(connection, name, "netdev")
        except BaseException:
            connection.close()
            raise

    def datapaths(self) -> list[str]:
        """Return the names of the datapaths."""
        with Connection(self.transport) as connection:
            return [record.name or "" for record in list_datapaths(connection)]
