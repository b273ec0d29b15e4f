"""Whether the kernel tracks connections in zones, without which much of what uses ``ct()`` cannot be installed.

It is asked for a flow that is not there: EINVAL, where ENOENT was to be expected, says that it does not know the key.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif.apps.doctor.findings import Finding, notice, ok
from dpif.client import Datapath
from dpif.client.features import knows_zones
from dpif.odp.kernel.rules import WITH_ZONES

__all__ = ["examine_zones"]


def examine_zones(datapath: Datapath) -> Iterator[Finding]:
    """Yield whether flows of a datapath may have ``ct(zone=…)`` and ``ct_zone(…)``."""
    if knows_zones(datapath.connection, datapath.ifindex):
        yield ok("ct-zones", "connections are tracked in zones", {"zones": True})
        return
    yield notice(
        "ct-zones",
        "this kernel was built without conntrack zones (CONFIG_NF_CONNTRACK_ZONES)",
        "Flows with ct(zone=...) or ct_zone(...), as OVN and OpenStack install them, are refused.",
        f"use a distribution's kernel; to try things, {WITH_ZONES}",
        {"zones": False},
    )
