"""Datapaths and devices that know each other by name: what a network namespace is to the kernel.

Here datapaths come and go, and devices are attached to them as ports and detached. Refusals are `OSError` with
the kernel's errno (net/openvswitch/datapath.c, vport.c, vport-netdev.c, vport-internal_dev.c). Which kinds of
device there are is not known here: the namespace is given a factory for each type of port.

Everything in the engine is done with ``lock`` held, which is reentrant; devices take it themselves where a
program hands them packets.
"""

from __future__ import annotations

import contextlib
import random as _random
import threading
from collections.abc import Callable, Mapping
from errno import EAFNOSUPPORT, EBUSY, EEXIST, EFBIG, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP

from dpif._typing import Any, Final, NamedTuple, TypeAlias
from dpif.odp.constants import DP_MAX_PORTS, IFNAMSIZ, OVSP_LOCAL, VportType
from dpif.odp.kernel.rules import NEWEST, Features
from dpif.userspace.engine.conntrack.fragments import Fragments
from dpif.userspace.engine.conntrack.nat import Translator
from dpif.userspace.engine.conntrack.tracker import Tracker
from dpif.userspace.engine.datapath import NR_CPU_IDS, Datapath
from dpif.userspace.engine.device import Device
from dpif.userspace.engine.limits import Limits
from dpif.userspace.engine.port import Port
from dpif.userspace.engine.processor import Processor
from dpif.userspace.engine.psample import SampleSink
from dpif.userspace.engine.refusal import refusal
from dpif.userspace.engine.underlay import Underlay
from dpif.userspace.engine.upcall import UpcallSink

FIRST_IFINDEX: Final = 2
"""In a new network namespace of Linux the loopback device has 1."""

Options: TypeAlias = Mapping[int, Any]
DeviceFactory: TypeAlias = "Callable[[Namespace, str, Options], Device]"
"""Makes the device of a new port from its name and the port's options; raises `OSError`."""


class PortRequest(NamedTuple):
    """What a new port shall be; ``number`` 0 asks for the lowest free one, ``ifindex`` 0 for any."""

    name: str
    type: int
    upcall_port_ids: tuple[int, ...]
    number: int = 0
    ifindex: int = 0
    options: Options = {}


class Namespace:
    """Datapaths by number (the ifindex of their local port's device) and devices by name.

    ``clock`` gives seconds that never run backwards; ``random`` is asked by the actions ``sample`` and ``ct``, and
    for identifications of fragments; ``tracker`` has the connections and ``fragments`` what waits for its packet
    before it is tracked, which all datapaths share; ``underlay`` is what tunnels travel on; ``limits`` bound it all;
    ``upcall_sink`` takes packets that go up, ``sample_sink`` those that are sampled; ``on_port_gone`` is told of a
    port whose device went away, just before the port does; ``on_devices_changed`` is told when a device has come or
    gone, ``on_listeners_changed`` when somebody else may get the misses of a port. ``rules`` say which kernel's ways
    these are.
    """

    def __init__(
        self,
        factories: Mapping[int, DeviceFactory],
        clock: Callable[[], float],
        random: _random.Random,
        underlay: Underlay,
        limits: Limits = Limits(),  # noqa: B008 (it cannot be changed)
        rules: Features = NEWEST,
    ) -> None:
        self.lock = threading.RLock()
        self.factories = factories
        self.clock = clock
        self.random = random
        self.underlay = underlay
        self.limits = limits
        self.rules = rules
        self.processor = Processor(limits.actions)
        self.tracker = Tracker(clock, rules, limits)
        self.translator = Translator(self.tracker, random)
        self.fragments = Fragments(clock)
        self.datapaths: dict[int, Datapath] = {}
        self.devices: dict[str, Device] = {}
        self.upcall_sink: UpcallSink = lambda upcall: False
        self.sample_sink: SampleSink = lambda sampled: None
        self.on_port_gone: Callable[[Port], None] = lambda port: None
        self.on_devices_changed: Callable[[], None] = lambda: None
        self.on_listeners_changed: Callable[[], None] = lambda: None
        self._last_ifindex = FIRST_IFINDEX - 1

    @property
    def milliseconds(self) -> int:
        """The clock's reading in whole milliseconds."""
        return int(self.clock() * 1000)

    # Datapaths.

    def add_datapath(self, datapath: Datapath, name: str, upcall_port_id: int, ifindex: int = 0) -> None:
        """Bring a datapath to life: make its local port, named `name`. EEXIST when the name is taken."""
        request = PortRequest(name, VportType.INTERNAL, (upcall_port_id,), OVSP_LOCAL, ifindex)
        try:
            datapath.local = self._attach(datapath, request, OVSP_LOCAL)
        except OSError as error:
            if error.errno == EBUSY:
                raise refusal(EEXIST, str(error.strerror)) from None
            raise
        self.datapaths[datapath.ifindex] = datapath

    def remove_datapath(self, datapath: Datapath) -> None:
        """End a datapath and all its ports."""
        del self.datapaths[datapath.ifindex]
        for port in sorted(datapath.ports.values(), key=lambda port: -port.number):
            self._detach(port)
        datapath.table.flush()

    def find_datapath(self, ifindex: int, name: str | None = None) -> Datapath:
        """Return the datapath with this name, or without one this number; ENODEV when there is none."""
        if name is None:
            datapath = self.datapaths.get(ifindex)
        else:
            port = self.find_port_by_name(name)
            datapath = port.datapath if port is not None and port.number == OVSP_LOCAL else None
        if datapath is None:
            raise refusal(ENODEV, "there is no such datapath")
        return datapath

    # Ports.

    def find_port_by_name(self, name: str) -> Port | None:
        """Return the port of this name, whatever its datapath."""
        device = self.devices.get(name)
        return device.port if device is not None else None

    def add_port(self, datapath: Datapath, request: PortRequest) -> Port:
        """Attach a device to `datapath`, making one where the type of port has its own; return the port."""
        number = request.number or datapath.free_port_number()
        if number >= DP_MAX_PORTS:
            raise refusal(EFBIG, f"port numbers are below {DP_MAX_PORTS}")
        if number in datapath.ports:
            raise refusal(EBUSY, f"port number {number} is taken")
        return self._attach(datapath, request, number)

    def remove_port(self, port: Port) -> None:
        """Detach a port's device, which goes away when it was made for the port; EINVAL for the local port."""
        if port.number == OVSP_LOCAL:
            raise refusal(EINVAL, "the local port goes with its datapath only")
        self._detach(port)

    def _attach(self, datapath: Datapath, request: PortRequest, number: int) -> Port:
        if request.type not in self.factories:
            raise refusal(EAFNOSUPPORT, f"this datapath has no ports of type {request.type}")
        check_upcall_port_ids(request.upcall_port_ids)
        device = self.devices.get(request.name)
        if device is not None:
            _check_free(device, datapath, request.type)
        else:
            device = self._make_device(request)
        port = Port(datapath, number, request.type, device, request.upcall_port_ids)
        device.port = datapath.ports[number] = port
        return port

    def _make_device(self, request: PortRequest) -> Device:
        check_device_name(request.name)
        device = self.factories[request.type](self, request.name, request.options)
        device.vanishes = True
        try:
            self.add_device(device, request.ifindex)
        except OSError:
            device.release()
            raise
        return device

    def _detach(self, port: Port) -> None:
        self._unlink(port)
        if port.device.vanishes:
            self._forget(port.device)

    def _unlink(self, port: Port) -> None:
        port.device.port = None
        del port.datapath.ports[port.number]

    # Timeout policies.

    def remove_policy(self, name: str) -> None:
        """Take away a timeout policy of connections; errors as of `Policies.remove`."""
        self._forget_recent()
        self.tracker.policies.remove(name)

    def remove_policies(self) -> None:
        """Take away all timeout policies that no flow uses."""
        self._forget_recent()
        for policy in self.tracker.policies:
            with contextlib.suppress(OSError):
                self.tracker.policies.remove(policy.name)

    def _forget_recent(self) -> None:
        """Ports may remember flows that are gone, whose actions use a policy."""
        for datapath in self.datapaths.values():
            for port in datapath.ports.values():
                port.recent.clear()

    # Devices.

    def add_device(self, device: Device, ifindex: int = 0) -> None:
        """Make a device known under its name: EEXIST when that is taken, EBUSY when `ifindex` is."""
        check_device_name(device.name)
        if device.name in self.devices:
            raise refusal(EEXIST, f"there is a device {device.name} already")
        if len(self.devices) >= self.limits.devices:
            raise refusal(ENOMEM, f"there is room for {self.limits.devices} devices")
        if ifindex and any(other.ifindex == ifindex for other in self.devices.values()):
            raise refusal(EBUSY, f"the interface index {ifindex} is taken")
        device.ifindex = ifindex or self._next_ifindex()
        self.devices[device.name] = device
        self.on_devices_changed()

    def remove_device(self, device: Device) -> None:
        """Take a device away, and its port with it; EOPNOTSUPP for an internal one, which goes with its port only."""
        with self.lock:
            if self.devices.get(device.name) is not device:
                return
            if device.is_internal:
                raise refusal(EOPNOTSUPP, f"{device.name} is an internal device of a datapath; delete its port")
            if device.port is not None:
                self.on_port_gone(device.port)
                self._unlink(device.port)
            self._forget(device)

    def _forget(self, device: Device) -> None:
        del self.devices[device.name]
        device.release()
        self.on_devices_changed()

    def _next_ifindex(self) -> int:
        taken = {device.ifindex for device in self.devices.values()}
        self._last_ifindex += 1
        while self._last_ifindex in taken:
            self._last_ifindex += 1
        return self._last_ifindex

    def close(self) -> None:
        """End every datapath and device."""
        with self.lock:
            for datapath in tuple(self.datapaths.values()):
                self.remove_datapath(datapath)
            for device in tuple(self.devices.values()):
                self._forget(device)


def _check_free(device: Device, datapath: Datapath, type_: int) -> None:
    """Refuse to attach a device that is there already as a port of `type_` to `datapath`."""
    if type_ != VportType.NETDEV:
        raise refusal(EEXIST, f"there is a device {device.name} already")
    if device.is_internal:
        raise refusal(EINVAL, f"{device.name} is an internal device of a datapath")
    if device.port is not None:
        code = EEXIST if device.port.datapath is datapath else EBUSY
        raise refusal(code, f"{device.name} is a port of {device.port.datapath.name} already")


def check_device_name(name: str) -> None:
    """Refuse what the kernel does not take for the name of a device (dev_valid_name)."""
    encoded = name.encode("utf-8", "surrogateescape")
    if not 0 < len(encoded) < IFNAMSIZ or name in (".", "..") or any(c in "/:" or c.isspace() for c in name):
        raise refusal(EINVAL, f"{name!r} is not a name for a device")


def check_upcall_port_ids(port_ids: tuple[int, ...]) -> None:
    """Refuse a port's list of upcall port ids that is empty or longer than there are processors."""
    if not 0 < len(port_ids) <= NR_CPU_IDS:
        raise refusal(EINVAL, f"{len(port_ids)} upcall port ids where there are 1 to {NR_CPU_IDS}")
