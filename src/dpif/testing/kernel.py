"""The kernel's datapath as a `Harness` of the conformance suite: veth pairs for hosts, in the current namespace.

Needs a kernel with openvswitch, CAP_NET_ADMIN, and iproute2; made for the lab, where nothing else is running.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import subprocess
from itertools import count
from pathlib import Path

from dpif._open import datapaths, open
from dpif._typing import Self
from dpif.client import Datapath
from dpif.errors import DpifError
from dpif.odp.kernel.rules import KERNELS
from dpif.packet import build
from dpif.packet.constants import ETH_P_IP
from dpif.testing import netns
from dpif.testing.conformance.harness import HERE, THERE, capabilities_of
from dpif.testing.waiting import PATIENCE

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_AUXDATA = 8
_AUXDATA = struct.Struct("=IIIHHHH")
"""``struct tpacket_auxdata``: status, length, captured length, offsets, VLAN TCI, VLAN TPID."""
_TP_STATUS_VLAN_VALID = 0x10
_HERE_MAC, _THERE_MAC = "02:00:00:00:ff:01", "02:00:00:00:ff:02"


def load_module(name: str) -> bool:
    """Load a module of the lab's kernel, if it has it; tell whether it has."""
    modprobe = Path("/proc/sys/kernel/modprobe").read_text().strip()
    return subprocess.run([modprobe, name], capture_output=True, check=False).returncode == 0


class VethHost:
    """A host at one end of a veth pair; the other end, `name`, may be attached to a datapath."""

    def __init__(self, name: str) -> None:
        self.name = name
        peer = f"{name}h"
        netns.ip_batch(f"link add {name} type veth peer name {peer}", f"link set {name} up", f"link set {peer} up")
        for end in (name, peer):
            netns.await_running(end)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        self._socket.bind((peer, _ETH_P_ALL))

    def send(self, frame: bytes) -> None:
        """Send a frame towards the datapath; it is processed before this returns."""
        self._socket.send(frame)

    def recv(self, timeout: float = PATIENCE) -> bytes | None:
        """Return the next frame that came from the datapath."""
        self._socket.settimeout(timeout)
        while True:
            try:
                frame, ancillary, _, (_, _, packet_type, _, _) = self._socket.recvmsg(0x10000, 256)
            except (TimeoutError, BlockingIOError):
                return None
            if packet_type != socket.PACKET_OUTGOING:
                return _with_tag(frame, ancillary)

    def remove(self) -> None:
        """Delete the pair."""
        self.close()
        netns.delete_link(self.name)

    def close(self) -> None:
        """Close the socket; the pair stays."""
        self._socket.close()


class VethWire:
    """A network of two machines, the kernel and `THERE`, on a veth pair whose packets `THERE` reads and writes."""

    def __init__(self, host: VethHost) -> None:
        self._host = host
        netns.ip_batch(
            f"link set {host.name} address {_HERE_MAC}",
            f"address add {HERE}/24 dev {host.name}",
            f"neighbour add {THERE} lladdr {_THERE_MAC} dev {host.name} nud permanent",
        )

    def send(self, packet: bytes) -> None:
        """Send a packet to the kernel."""
        self._host.send(build.ethernet(_THERE_MAC, _HERE_MAC, packet, ETH_P_IP))

    def recv(self, timeout: float = PATIENCE) -> bytes | None:
        """Return the next IPv4 packet from the kernel."""
        frame = self._host.recv(timeout)
        while frame is not None and frame[12:14] != ETH_P_IP.to_bytes(2):
            frame = self._host.recv(timeout)
        return None if frame is None else frame[14:]


def _with_tag(frame: bytes, ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """Return `frame` with the VLAN tag that the kernel took out of it put back."""
    for level, kind, data in ancillary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = _AUXDATA.unpack(data)
            if status & _TP_STATUS_VLAN_VALID:
                return frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
    return frame


def release() -> tuple[int, ...]:
    """Return the first two numbers of the kernel's release: (6, 1)."""
    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def ways() -> str:
    """Return the name of the kernel in `KERNELS` whose ways the running one has."""
    running = release()
    if running < (6, 12):
        return "6.1"
    return "6.12" if running < (6, 19) else "newest"


class KernelHarness:
    """Makes datapaths and veth hosts, and removes what it made."""

    capabilities = capabilities_of(KERNELS[ways()]) | {
        "kernel",
        *(("timeouts_are_counted",) if release() < (6, 12) else ()),
    }
    _numbers = count(1)

    def __init__(self) -> None:
        self._handles: list[Datapath] = []
        self._made: list[str] = []
        self._hosts: list[VethHost] = []

    def __enter__(self) -> Self:
        for which in ("all", "default"):  # devices must send nothing of their own accord
            with contextlib.suppress(FileNotFoundError):
                Path(f"/proc/sys/net/ipv6/conf/{which}/disable_ipv6").write_text("1")
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.close()
        for name in self._made:
            with contextlib.suppress(DpifError), open(name) as dp:
                dp.destroy()
        for host in self._hosts:
            host.close()
        present = {name for _, name in socket.if_nameindex()}
        netns.ip_batch(*(f"link delete {host.name}" for host in self._hosts if host.name in present))

    def open(self, name: str, *, create: bool = False, features: int = 0, ifindex: int | None = None) -> Datapath:
        """Open or make a datapath."""
        dp = open(name, create=create, features=features, ifindex=ifindex)
        self._handles.append(dp)
        if create:
            self._made.append(name)
        return dp

    def datapaths(self) -> list[str]:
        """Return the names of the kernel's datapaths."""
        return [name.partition("@")[2] for name in datapaths("system")]

    def host(self, name: str | None = None) -> VethHost:
        """Make a veth pair."""
        host = VethHost(name or f"cv{next(self._numbers)}")
        self._hosts.append(host)
        return host

    def wire(self) -> VethWire:
        """Make a veth pair with the kernel at its end."""
        return VethWire(self.host())
