"""The ports of a datapath: attach, detach, look up, list, and watch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dpif.client.waiting import Listener
from dpif.errors import EncodeError, NetlinkError, netlink_error
from dpif.netlink.constants import NLM_F_ECHO
from dpif.netlink.exchange import Subscription
from dpif.netlink.policy import Decoded
from dpif.netlink.transport import Transport
from dpif.odp.constants import (
    DP_MAX_PORTS,
    OVS_VPORT_FAMILY,
    OVS_VPORT_MCGROUP,
    TunnelAttr,
    VportCmd,
    VportType,
    VportUpcallAttr,
    VxlanExt,
)
from dpif.odp.messages.vport import VportRecord, VportStats

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath

OVS_VPORT_MCGROUP_FALLBACK_ID = 33
"""The group's number on kernels that do not tell group names (Linux before 2.6.37)."""

_TYPE_NAMES = {VportType.NETDEV: "system", **{t: t.name.lower() for t in VportType if t > VportType.NETDEV}}
_TYPE_NUMBERS = {name: number for number, name in _TYPE_NAMES.items()}


def type_name(number: int) -> str:
    """Return the name of a vport type as users write it: ``system`` for NETDEV, else the uapi name."""
    return _TYPE_NAMES.get(VportType(number), "unknown") if number in set(VportType) else "unknown"


def type_number(name: str) -> VportType:
    """Return the vport type of a name; raise `EncodeError` for one that is not known."""
    if name not in _TYPE_NUMBERS:
        raise EncodeError(f"unknown port type {name!r}; one of: {', '.join(sorted(_TYPE_NUMBERS))}")
    return _TYPE_NUMBERS[name]


@dataclass(slots=True, frozen=True)
class UpcallStats:
    """Upcalls of one port that were delivered and that could not be (``enum ovs_vport_upcall_attr``)."""

    success: int
    fail: int


@dataclass(slots=True, frozen=True)
class Port:
    """A port as the datapath described it.

    ``number`` is its port number, ``type`` as in ``ovs-dpctl`` (``system``, ``internal``, ``vxlan``, …),
    ``options`` those of a tunnel (``dst_port``, ``gbp``), ``stats`` seen from the datapath, ``upcall_stats``
    None before Linux 6.2, ``ifindex`` and ``netnsid`` None where the datapath does not tell.
    """

    number: int
    name: str
    type: str
    stats: VportStats | None = None
    options: Mapping[str, int] | None = None
    upcall_pids: tuple[int, ...] = ()
    upcall_stats: UpcallStats | None = None
    ifindex: int | None = None
    netnsid: int | None = None

    @classmethod
    def of_record(cls, record: VportRecord) -> Port:
        """Make one of a reply."""
        assert record.port_no is not None
        assert record.name is not None
        assert record.type is not None
        counts = record.upcall_stats.values if record.upcall_stats else None
        return cls(
            number=record.port_no,
            name=record.name,
            type=type_name(record.type),
            stats=record.stats,
            options=_options(record.options),
            upcall_pids=record.upcall_pid or (),
            upcall_stats=None
            if counts is None
            else UpcallStats(counts.get(VportUpcallAttr.SUCCESS, 0), counts.get(VportUpcallAttr.FAIL, 0)),
            ifindex=record.ifindex,
            netnsid=record.netnsid,
        )

    def same_place(self, other: Port) -> bool:
        """Tell whether `other` is this port, counters aside."""
        return (self.number, self.name, self.type, self.options, self.upcall_pids) == (
            other.number,
            other.name,
            other.type,
            other.options,
            other.upcall_pids,
        )


def _options(options: Decoded | None) -> Mapping[str, int] | None:
    if options is None:
        return None
    shown: dict[str, int] = {}
    if TunnelAttr.DST_PORT in options.values:
        shown["dst_port"] = options.values[TunnelAttr.DST_PORT]
    extension = options.values.get(TunnelAttr.EXTENSION)
    if extension is not None and VxlanExt.GBP in extension.values:
        shown["gbp"] = 1
    return shown


def _encode_options(options: Mapping[str, object] | None) -> Decoded | None:
    if not options:
        return None
    values: dict[int, object] = {}
    for name, value in options.items():
        if name == "dst_port":
            values[TunnelAttr.DST_PORT] = value
        elif name == "gbp":
            values[TunnelAttr.EXTENSION] = {VxlanExt.GBP: bool(value)}
        else:
            raise EncodeError(f"unknown port option {name!r}; one of: dst_port, gbp")
    return Decoded(values)


class Ports:
    """The ports of one datapath; iterate for all of them, ordered by number."""

    def __init__(self, datapath: Datapath) -> None:
        self._dp = datapath

    def add(
        self,
        name: str,
        *,
        type: str = "system",
        number: int | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Port:
        """Attach a port: the network device `name` (``system``), or a new device of another type.

        Without `number` the datapath gives the lowest free one. Raises `AlreadyExists` (attached already, or
        the name is taken), `NoSuchObject` (no such device), `NetlinkError` with EBUSY (the number is taken, or
        another datapath or bridge has the device), EFBIG (the number is 65535 or more).
        """
        record = VportRecord(
            command=VportCmd.NEW,
            dp_ifindex=self._dp.ifindex,
            name=name,
            type=type_number(type),
            port_no=number,
            options=_encode_options(options),
            upcall_pid=(self._dp.upcall_pid,),
        )
        return self._one(record, f"adding {name} to {self._dp.name}", NLM_F_ECHO)

    def delete(self, port: Port | int | str) -> None:
        """Detach a port given by its number, its name or itself; raise `NoSuchObject`, EINVAL for port 0."""
        number = self._number(port)
        record = VportRecord(command=VportCmd.DEL, dp_ifindex=self._dp.ifindex, port_no=number)
        self._dp.connection.transact(record.request(f"deleting port {number} from {self._dp.name}"))

    def get(self, port: int | str) -> Port:
        """Return the port of a number or a name; raise `NoSuchObject`."""
        record = VportRecord(command=VportCmd.GET, dp_ifindex=self._dp.ifindex)
        if isinstance(port, int):
            record.port_no = port
        else:
            record.name = port
        return self._one(record, f"querying port {port} in {self._dp.name}")

    def set_upcall_pids(self, port: Port | int, pids: tuple[int, ...]) -> None:
        """Say which netlink port ids a port's upcalls go to; 0 for none (``OVS_VPORT_ATTR_UPCALL_PID``)."""
        number = self._number(port)
        record = VportRecord(command=VportCmd.SET, dp_ifindex=self._dp.ifindex, port_no=number, upcall_pid=pids)
        self._dp.connection.transact(record.request(f"setting upcall pids of port {number}"))

    def __iter__(self) -> Iterator[Port]:
        record = VportRecord(command=VportCmd.GET, dp_ifindex=self._dp.ifindex)
        rows = self._dp.connection.dump_all(record.request(f"listing the ports of {self._dp.name}"))
        return iter(sorted((Port.of_record(row) for row in rows), key=lambda port: port.number))

    def names(self) -> dict[int, str]:
        """Return the name of each port number, as `format_key` and `Actions.format` take it."""
        return {port.number: port.name for port in self}

    def watch(self) -> PortWatch:
        """Return a listener for changes of ports; it knows the present ports at once."""
        group = self._dp.connection.group(OVS_VPORT_FAMILY, OVS_VPORT_MCGROUP, OVS_VPORT_MCGROUP_FALLBACK_ID)
        type_id = self._dp.connection.family(OVS_VPORT_FAMILY).id
        transport = self._dp.connection.dial()
        try:
            transport.join_group(group)
            return PortWatch(self._dp, transport, Subscription(type_id, VportRecord.from_payload))
        except BaseException:
            transport.close()
            raise

    def _number(self, port: Port | int | str) -> int:
        if isinstance(port, str):
            return self.get(port).number
        return port if isinstance(port, int) else port.number

    def _one(self, record: VportRecord, operation: str, flags: int = 0) -> Port:
        reply = self._dp.connection.transact(record.request(operation, flags))
        if reply is None:
            raise NetlinkError(0, operation, "the datapath acknowledged without a reply")
        if reply.dp_ifindex != self._dp.ifindex:
            raise netlink_error(19, operation, "the device belongs to another datapath")
        return Port.of_record(reply)


@dataclass(slots=True, frozen=True)
class PortAdded:
    """A port was attached."""

    port: Port


@dataclass(slots=True, frozen=True)
class PortChanged:
    """A port's settings changed."""

    port: Port


@dataclass(slots=True, frozen=True)
class PortRemoved:
    """A port was detached, or its device went away."""

    port: Port


PortEvent: TypeAlias = PortAdded | PortChanged | PortRemoved


class PortWatch(Listener[PortEvent]):
    """Changes of a datapath's ports as events, none of them lost.

    When notifications are lost (ENOBUFS) the watch lists the ports anew and reports the differences. ``ports``
    maps numbers to ports as of the last event.
    """

    def __init__(self, datapath: Datapath, transport: Transport, subscription: Subscription[VportRecord]) -> None:
        super().__init__(transport)
        self._dp = datapath
        self._subscription = subscription
        self.ports: dict[int, Port] = {port.number: port for port in datapath.ports}

    def _decode(self, datagram: bytes) -> list[PortEvent]:
        events: list[PortEvent] = []
        for record in self._subscription.feed(datagram):
            if not isinstance(record, VportRecord) or record.dp_ifindex != self._dp.ifindex:
                continue
            if record.port_no is None or record.port_no >= DP_MAX_PORTS or record.name is None:
                continue
            if record.command == VportCmd.DEL:
                events.extend(self._removed(record.port_no))
            else:
                events.extend(self._present(Port.of_record(record)))
        return events

    def _present(self, port: Port) -> list[PortEvent]:
        known = self.ports.get(port.number)
        self.ports[port.number] = port
        if known is None:
            return [PortAdded(port)]
        if known.name != port.name:
            return [PortRemoved(known), PortAdded(port)]
        return [] if known.same_place(port) else [PortChanged(port)]

    def _removed(self, number: int) -> list[PortEvent]:
        known = self.ports.pop(number, None)
        return [] if known is None else [PortRemoved(known)]

    def _lost(self) -> list[PortEvent]:
        now = {port.number: port for port in self._dp.ports}
        events: list[PortEvent] = []
        for number in self.ports.keys() - now.keys():
            events.extend(self._removed(number))
        for port in now.values():
            events.extend(self._present(port))
        return events
