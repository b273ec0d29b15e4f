"""Changes of a datapath's ports, as events that lose nothing."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from dpif._typing import TYPE_CHECKING, TypeAlias
from dpif.client.port import Port
from dpif.client.waiting import Listener
from dpif.errors import DecodeError, NoSuchObject
from dpif.netlink.exchange import Subscription
from dpif.odp.constants import (
    DP_MAX_PORTS,
    OVS_DATAPATH_FAMILY,
    OVS_DATAPATH_MCGROUP,
    OVS_VPORT_FAMILY,
    OVS_VPORT_MCGROUP,
    OVSP_LOCAL,
    DatapathCmd,
    VportCmd,
)
from dpif.odp.messages.datapath import DatapathRecord
from dpif.odp.messages.vport import VportRecord

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath

__all__ = ["PortAdded", "PortChanged", "PortEvent", "PortRemoved", "PortWatch"]

OVS_VPORT_MCGROUP_FALLBACK_ID = 33
"""The group's number on kernels that do not tell group names (Linux before 2.6.37)."""


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
    """A port was detached, or its device went away; the local port goes with its datapath alone."""

    port: Port


PortEvent: TypeAlias = PortAdded | PortChanged | PortRemoved


class PortWatch(Listener[PortEvent]):
    """Changes of a datapath's ports as events, none of them lost.

    When notifications are lost (ENOBUFS) the watch lists the ports anew and reports the differences. ``ports``
    maps numbers to ports as of the last event; ``overruns`` counts the losses. When the datapath is deleted all
    ports are removed, the local one (0) last, and with that event iteration ends; one made anew under the same name
    is another, and not watched.
    """

    def __init__(self, datapath: Datapath) -> None:
        connection = datapath.connection
        groups = (
            connection.group(OVS_VPORT_FAMILY, OVS_VPORT_MCGROUP, OVS_VPORT_MCGROUP_FALLBACK_ID),
            connection.group(OVS_DATAPATH_FAMILY, OVS_DATAPATH_MCGROUP),
        )
        self._of_ports = Subscription(connection.family(OVS_VPORT_FAMILY).id, VportRecord.from_payload)
        self._of_datapaths = Subscription(connection.family(OVS_DATAPATH_FAMILY).id, DatapathRecord.from_payload)
        transport = connection.dial()
        super().__init__(transport)
        self._dp = datapath
        self.overruns = 0
        try:
            for group in groups:
                transport.join_group(group)
            self.ports: dict[int, Port] = {port.number: port for port in datapath.ports}
        except BaseException:
            self.close()
            raise

    @property
    def is_gone(self) -> bool:
        """Whether the datapath was deleted; nothing more will happen then."""
        return OVSP_LOCAL not in self.ports

    def _decode(self, datagram: bytes) -> list[PortEvent]:
        events: list[PortEvent] = []
        try:
            for record in self._of_ports.feed(datagram):
                if isinstance(record, VportRecord) and record.dp_ifindex == self._dp.ifindex:
                    events.extend(self._port_changed(record))
            for change in self._of_datapaths.feed(datagram):
                if isinstance(change, DatapathRecord) and change.dp_ifindex == self._dp.ifindex:
                    events.extend(self._all_removed() if change.command == DatapathCmd.DEL else ())
        except DecodeError:
            events.extend(self._lost())  # something changed, nobody knows what
        return events

    def _port_changed(self, record: VportRecord) -> list[PortEvent]:
        if record.port_no is None or record.port_no >= DP_MAX_PORTS or record.name is None or record.type is None:
            raise DecodeError("a notification without the attributes of a port", "VPORT")
        if record.command == VportCmd.DEL:
            return self._removed(record.port_no)
        return self._present(Port.of_record(record))

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

    def _all_removed(self) -> list[PortEvent]:
        return [event for number in sorted(self.ports, reverse=True) for event in self._removed(number)]

    def _lost(self) -> list[PortEvent]:
        self.overruns += 1
        self._forget_waiting()
        try:
            now = {port.number: port for port in self._dp.ports}
        except NoSuchObject:
            return self._all_removed()
        events: list[PortEvent] = []
        for number in self.ports.keys() - now.keys():
            events.extend(self._removed(number))
        for port in now.values():
            events.extend(self._present(port))
        return events

    def _forget_waiting(self) -> None:
        """Throw away the notifications from before the loss: told after the list they would undo what it says."""
        while True:
            try:
                self._transport.recv(0.0)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
