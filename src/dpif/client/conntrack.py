"""The way from a datapath to the connections that it tracks.

Those of the kernel's datapaths are the kernel's, and are reached over nfnetlink. A datapath in user space has a
tracker of its own, which no message reaches.
"""

from __future__ import annotations

import errno

from dpif.conntrack.nfnetlink import connect
from dpif.conntrack.table import Conntrack
from dpif.errors import NetlinkError


def open_conntrack(type: str) -> Conntrack:
    """Return the table of connections for datapaths of a type; raise `NetlinkError` with EOPNOTSUPP for none."""
    if type != "system":
        explanation = f"connections are listed and deleted for kernel datapaths (system@) only, not for {type}@"
        raise NetlinkError(errno.EOPNOTSUPP, "conntrack", explanation)
    return Conntrack(connect())
