"""What is asked of Linux network devices themselves: that large receive offload is off, and who has an address.

The first is what attaching a device takes. A datapath forwards packets, and packets that the device has merged must
not be forwarded. Source: ethtool's old flags interface (``linux/ethtool.h``, ``linux/sockios.h``), which every kernel
with openvswitch has.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct

from dpif._typing import Final

_SIOCETHTOOL: Final = 0x8946
_SIOCGIFADDR: Final = 0x8915
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


def has_address(name: str) -> bool:
    """Tell whether a device of this namespace has an IPv4 address."""
    try:
        _control(_SIOCGIFADDR, _IFREQ.pack(_in_bytes(name), 0))
    except OSError:
        return False
    return True


def _ethtool(name: str, command: int, flags: int = 0) -> int:
    """Carry out a command of ``struct ethtool_value``; return the value that it holds afterwards."""
    value = array.array("I", (command, flags))
    address, _ = value.buffer_info()
    _control(_SIOCETHTOOL, _IFREQ.pack(_in_bytes(name), address))
    return value[1]


def _control(request: int, argument: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, request, argument)


def _in_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
