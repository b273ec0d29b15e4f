"""The family ``ovs_vport``: attach, find, change and detach ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EFBIG, EINVAL, ENODEV, EOPNOTSUPP, ERANGE

from dpif.netlink.answering import Call, Command, Refusal
from dpif.netlink.policy import Decoded
from dpif.netlink.service import Service
from dpif.odp.constants import (
    DP_MAX_PORTS,
    OVS_VPORT_MCGROUP,
    DatapathFeature,
    VportAttr,
    VportCmd,
    VportType,
    VportUpcallAttr,
)
from dpif.odp.messages import VportRecord, VportStats
from dpif.userspace.engine.namespace import Namespace, PortRequest, check_upcall_port_ids
from dpif.userspace.engine.port import Port
from dpif.userspace.service.base import Family


class VportFamily(Family):
    """``ovs_vport``."""

    RECORD = VportRecord
    GROUP = OVS_VPORT_MCGROUP

    def __init__(self, service: Service, namespace: Namespace) -> None:
        super().__init__(service, namespace)
        namespace.on_port_gone = self._tell_of_gone

    def commands(self) -> Mapping[int, Command]:
        """Return the family's commands."""
        return {
            VportCmd.NEW: Command(do=self._new, group=self.GROUP),
            VportCmd.DEL: Command(do=self._del, group=self.GROUP),
            VportCmd.GET: Command(do=self._get, dump=self._dump),
            VportCmd.SET: Command(do=self._set, group=self.GROUP),
        }

    def max_attribute(self) -> int:
        """Older kernels do not know of upcall statistics."""
        return VportAttr.UPCALL_STATS if self.rules.upcall_stats else VportAttr.NETNSID

    def _tell_of_gone(self, port: Port) -> None:
        self.service.notify(VportRecord.FAMILY, self.GROUP, _payload(port, VportCmd.DEL))

    def _new(self, call: Call) -> bytes:
        request = VportRecord.from_payload(call.payload)
        if request.name is None or request.type is None or request.upcall_pid is None:
            raise Refusal(EINVAL, "a new port needs NAME, TYPE and UPCALL_PID")
        if request.ifindex is not None and request.type != VportType.INTERNAL:
            raise Refusal(EOPNOTSUPP, "only the interface index of an internal port can be chosen")
        if (request.ifindex or 0) > 0x7FFFFFFF:
            raise Refusal(ERANGE, "an interface index has 31 bits")
        if (request.port_no or 0) >= DP_MAX_PORTS:
            raise Refusal(EFBIG, f"port numbers are below {DP_MAX_PORTS}")
        wanted = PortRequest(
            request.name,
            request.type,
            request.upcall_pid,
            request.port_no or 0,
            request.ifindex or 0,
            {} if request.options is None else request.options.values,
        )
        port = self.namespace.add_port(self.namespace.find_datapath(request.dp_ifindex), wanted)
        return _payload(port, VportCmd.NEW)

    def _find(self, request: VportRecord) -> Port:
        """Return the port that a request is about (lookup_vport)."""
        if request.ifindex is not None:
            raise Refusal(EOPNOTSUPP, "ports are not found by interface index")
        if request.name is not None:
            port = self.namespace.find_port_by_name(request.name)
            if port is None or request.dp_ifindex not in (0, port.datapath.ifindex):
                raise Refusal(ENODEV, "there is no such port")
            return port
        if request.port_no is None:
            raise Refusal(EINVAL, "neither NAME nor PORT_NO")
        if request.port_no >= DP_MAX_PORTS:
            raise Refusal(EFBIG, f"port numbers are below {DP_MAX_PORTS}")
        port = self.namespace.find_datapath(request.dp_ifindex).ports.get(request.port_no)
        if port is None:
            raise Refusal(ENODEV, "there is no such port")
        return port

    def _del(self, call: Call) -> bytes:
        port = self._find(VportRecord.from_payload(call.payload))
        payload = _payload(port, VportCmd.DEL)
        self.namespace.remove_port(port)
        return payload

    def _get(self, call: Call) -> bytes:
        return _payload(self._find(VportRecord.from_payload(call.payload)), VportCmd.GET)

    def _set(self, call: Call) -> bytes:
        request = VportRecord.from_payload(call.payload)
        port = self._find(request)
        if request.type is not None and request.type != port.type:
            raise Refusal(EINVAL, "the type of a port cannot be changed")
        if request.options is not None:
            raise Refusal(EOPNOTSUPP, "ports of this type have no options to be changed")
        if request.upcall_pid is not None:
            check_upcall_port_ids(request.upcall_pid)
            port.upcall_port_ids = request.upcall_pid
            self.namespace.on_listeners_changed()
        return _payload(port, VportCmd.SET)

    def _dump(self, call: Call) -> Iterator[bytes]:
        datapath = self.namespace.find_datapath(VportRecord.from_payload(call.payload).dp_ifindex)
        for port in tuple(datapath.ports.values()):
            if datapath.ports.get(port.number) is port:
                yield _payload(port, VportCmd.GET)


def _payload(port: Port, command: int) -> bytes:
    several = port.datapath.features & DatapathFeature.VPORT_PIDS
    upcalls: dict[int, int] = {
        VportUpcallAttr.SUCCESS: port.upcalls_taken,
        VportUpcallAttr.FAIL: port.upcalls_failed,
    }
    tells_upcalls = port.datapath.rules.upcall_stats
    record = VportRecord(
        command=command,
        dp_ifindex=port.datapath.ifindex,
        port_no=port.number,
        type=port.type,
        name=port.name,
        options=Decoded(dict(port.device.options)) if port.device.options else None,
        upcall_pid=port.upcall_port_ids if several else port.upcall_port_ids[:1],
        stats=_stats(port),
        ifindex=port.device.ifindex,
        upcall_stats=Decoded(upcalls) if tells_upcalls else None,
    )
    return record.to_payload()


def _stats(port: Port) -> VportStats:
    """Return the counters of a port's device: what the datapath receives an internal device transmits."""
    received = (port.received_packets, port.received_bytes)
    sent = (port.sent_packets, port.sent_bytes)
    rx, tx = (sent, received) if port.type == VportType.INTERNAL else (received, sent)
    return VportStats(
        rx_packets=rx[0],
        tx_packets=tx[0],
        rx_bytes=rx[1],
        tx_bytes=tx[1],
        rx_errors=port.rx_errors,
        tx_dropped=port.tx_dropped,
    )
