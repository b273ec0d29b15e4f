"""The device of a tunnel port (`TunnelDevice`), whose packets travel on an underlay.

It is Linux's device in *collect metadata* mode: one for all tunnels of a type and UDP port. A packet goes where the
tunnel key says that an action ``set(tunnel(…))`` gave it, one without such a key is dropped; a packet that comes in
brings a tunnel key along.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EINVAL
from functools import partial

from dpif._typing import Any, Final
from dpif.errors import DecodeError
from dpif.odp.constants import TunnelAttr, VportType, VxlanExt
from dpif.odp.kernel.swkey import AF_INET, AF_INET6, bits, build, get
from dpif.packet.offload import finished
from dpif.userspace.devices.encapsulation import ENCAPSULATIONS, VXLAN_GBP, Encapsulation, outer_fields
from dpif.userspace.engine.device import TURN, Device
from dpif.userspace.engine.namespace import DeviceFactory, Namespace, Options
from dpif.userspace.engine.refusal import refusal
from dpif.userspace.engine.underlay import Datagram, Place

_ENDS: Final = bits("tun.ipv6.src", "tun.ipv6.dst", "tun.tp_src", "tun.tp_dst")
_VXLAN_PORT: Final = 8472
"""What Linux takes for a UDP port of 0."""
_VERSIONS: Final = {AF_INET: (0, 4), AF_INET6: (0, 6)}
"""The versions of places that a tunnel key may lead to, by its family of addresses."""
_OUTER_PORTS: Final = ("tun.tp_src", "tun.tp_dst")


class TunnelDevice(Device):
    """A tunnel device; `udp_port` is 0 for GRE, ``place`` where it is in the underlay, which no two devices share.

    The errors are those of `Underlay.open`, and EEXIST or EBUSY, as the type has it, where there is such a device.
    """

    def __init__(
        self, namespace: Namespace, name: str, encapsulation: Encapsulation, udp_port: int, options: Options
    ) -> None:
        super().__init__(namespace, name)
        self.options = options
        self.encapsulation = encapsulation
        self.place = Place(encapsulation.protocol, udp_port, encapsulation.version)
        for other in namespace.devices.values():
            if isinstance(other, TunnelDevice) and other.place == self.place:
                raise refusal(encapsulation.taken, f"{other.name} is the device of this tunnel already")
        self._endpoint = namespace.underlay.open(self.place, self._receive)

    def filenos(self) -> Sequence[int]:
        """Return those of the endpoint."""
        return self._endpoint.filenos()

    def poll(self, budget: int) -> int:
        """Receive up to `budget` packets, or as many as a turn's time suffices for."""
        clock = self.namespace.clock
        until, count = clock() + TURN, 0
        while count < budget and self._endpoint.poll(1):
            count += 1
            if clock() >= until:
                break
        return count

    def transmit(self, packet: bytes, tunnel: int = 0) -> bool:
        """Send the packet where its tunnel key says."""
        return self._can_send(tunnel) and self._endpoint.send(self._datagram(packet, tunnel))

    def _can_send(self, tunnel: int) -> bool:
        """Tell whether there is a key, and with addresses of the right kind."""
        return self.place.version in _VERSIONS.get(get(tunnel, "tun_proto"), ())

    def _datagram(self, packet: bytes, tunnel: int) -> Datagram:
        return self.encapsulation.datagram(packet, tunnel, self.place.port)

    def egress_tunnel(self, packet: bytes, tunnel: int) -> int:
        """Return `tunnel` with the source address and the ports that it would leave with; 0 without a way."""
        routed = self._endpoint.route(self._datagram(packet, tunnel)) if self._can_send(tunnel) else None
        if routed is None:
            return 0
        fields = outer_fields(routed)
        ends = {
            name: value for name, value in fields.items() if name.endswith((".src", ".dst")) or name in _OUTER_PORTS
        }
        return tunnel & ~_ENDS | build(ends)

    def _receive(self, datagram: Datagram) -> None:
        with self.namespace.lock:
            try:
                packet, tunnel = self.encapsulation.key(datagram)
                packets = finished(packet)
            except DecodeError:
                if self.port is not None:
                    self.port.rx_errors += 1
                return
            for each in packets:
                self.received(each, tunnel)

    def release(self) -> None:
        """Leave the underlay."""
        self._endpoint.close()


def _udp_port(options: Options) -> int:
    port = options.get(TunnelAttr.DST_PORT)
    if port is None:
        raise refusal(EINVAL, "a tunnel over UDP needs the option DST_PORT")
    return int(port)


def _make_vxlan(namespace: Namespace, name: str, options: Options) -> TunnelDevice:
    port = _udp_port(options) or _VXLAN_PORT
    told: dict[int, Any] = {TunnelAttr.DST_PORT: port}
    extension = options.get(TunnelAttr.EXTENSION)
    if extension is None or not extension.values.get(VxlanExt.GBP):
        return TunnelDevice(namespace, name, ENCAPSULATIONS[VportType.VXLAN], port, told)
    told[TunnelAttr.EXTENSION] = {VxlanExt.GBP: True}
    return TunnelDevice(namespace, name, VXLAN_GBP, port, told)


def _make_geneve(namespace: Namespace, name: str, options: Options) -> TunnelDevice:
    port = _udp_port(options)
    return TunnelDevice(namespace, name, ENCAPSULATIONS[VportType.GENEVE], port, {TunnelAttr.DST_PORT: port})


def _make_gre(type_: VportType, namespace: Namespace, name: str, options: Options) -> TunnelDevice:
    return TunnelDevice(namespace, name, ENCAPSULATIONS[type_], 0, {})


TUNNEL_FACTORIES: Final[dict[int, DeviceFactory]] = {
    VportType.VXLAN: _make_vxlan,
    VportType.GENEVE: _make_geneve,
    VportType.GRE: partial(_make_gre, VportType.GRE),
    VportType.IP6GRE: partial(_make_gre, VportType.IP6GRE),
}
"""What makes the devices, by type of port."""
