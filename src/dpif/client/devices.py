"""The one thing that attaching a Linux network device asks of the device itself: large receive offload off.

A datapath forwards packets, and packets that the device has merged must not be forwarded. Source: ethtool's old
flags interface (``linux/ethtool.h``, ``linux/sockios.h``), which every kernel with openvswitch has.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

from dpif._typing import Final

_SIOCETHTOOL: Final = 0x8946
_ETHTOOL_GFLAGS: Final = 0x25
_ETHTOOL_SFLAGS: Final = 0x26
_ETH_FLAG_LRO: Final = 1 << 15
_IFREQ: Final = struct.Struct("16sP16x")
"""``struct ifreq`` with the pointer to the command in its union."""


def has_lro(name: str) -> bool:
    """Tell whether a device of this namespace merges the packets that it receives; raise `OSError`."""
    return bool(_ethtool(name, _ETHTOOL_GFLAGS) & _ETH_FLAG_LRO)


def switch_off_lro(name: str) -> None:
    """Keep a device of this namespace from merging the packets that it receives; raise `OSError`."""
    flags = _ethtool(name, _ETHTOOL_GFLAGS)
    if flags & _ETH_FLAG_LRO:
        _ethtool(name, _ETHTOOL_SFLAGS, flags & ~_ETH_FLAG_LRO)


def _ethtool(name: str, command: int, flags: int = 0) -> int:
    """Carry out a command of ``struct ethtool_value``; return the value that it holds afterwards."""
    value = array.array("I", (command, flags))
    address, _ = value.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, _IFREQ.pack(name.encode("utf-8", "surrogateescape"), address))
    return value[1]
