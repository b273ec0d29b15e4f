"""What is shown of the ports of tunnels, which `dpif.client.tunnels` explains."""

from __future__ import annotations

from collections.abc import Mapping

from dpif.client.port import Port
from dpif.client.tunnels import TUNNELS


def configuration(port: Port) -> Mapping[str, str]:
    """Return the settings of a port that are shown, in alphabetical order."""
    if port.type not in TUNNELS:
        return {}
    options = port.options or {}
    usual = TUNNELS[port.type].udp_port
    shown: dict[str, str] = {}
    if options.get("dst_port", usual) != usual:
        shown["dst_port"] = str(options["dst_port"])
    if port.type in ("erspan", "ip6erspan"):
        shown["erspan_ver"] = "0"
    if options.get("gbp"):
        shown["exts"] = "gbp"
    return shown | {"packet_type": "ptap"}
