"""The kinds of device that a userspace datapath has, and which of them a type of port makes.

``FACTORIES`` is that table. A port of type NETDEV attaches a device that is there already: one in memory with
its name, else the Linux device with its name through a raw socket.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpif.odp.constants import VportType
from dpif.userspace.devices.memory import make_internal_device
from dpif.userspace.devices.packet_socket import attach_linux_device
from dpif.userspace.devices.pcap import make_pcap_device
from dpif.userspace.devices.tap import make_tap_device
from dpif.userspace.devices.tunnel import TUNNEL_FACTORIES
from dpif.userspace.engine.namespace import DeviceFactory

FACTORIES: Mapping[int, DeviceFactory] = {
    VportType.NETDEV: attach_linux_device,
    VportType.INTERNAL: make_internal_device,
    VportType.DUMMY: make_pcap_device,
    VportType.TAP: make_tap_device,
    **TUNNEL_FACTORIES,
}
