"""The two things that the command line wants of Linux network devices themselves: bring one up, read its counters.

Both concern the devices of the kernel's datapath; those of a datapath in user space belong to its server.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from dpif._typing import Final

# <linux/sockios.h> and <linux/if.h>; struct ifreq is 16 bytes of name and, for flags, a short in a union of 24.
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_IFREQ: Final = struct.Struct("16sh22x")


def bring_up(name: str) -> None:
    """Set a network device up; raise `OSError`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        device = name.encode("utf-8", "surrogateescape")  # of any bytes, as they came
        request = _IFREQ.pack(device, 0)
        _, flags = _IFREQ.unpack(fcntl.ioctl(control, _SIOCGIFFLAGS, request))
        if not flags & _IFF_UP:
            fcntl.ioctl(control, _SIOCSIFFLAGS, _IFREQ.pack(device, flags | _IFF_UP))


def counter(device: str, name: str) -> int | None:
    """Return one of the counters of ``struct rtnl_link_stats64``; None where there is no such device here."""
    try:
        with open(f"/sys/class/net/{device}/statistics/{name}") as file:
            return int(file.read())
    except OSError:
        return None
