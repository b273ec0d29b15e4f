"""The family ``ovs_packet``: packets that user space sends (EXECUTE), and those that go up to it."""

from __future__ import annotations

from collections.abc import Mapping
from errno import EINVAL, ERANGE

from dpif._typing import Final
from dpif.errors import EncodeError
from dpif.netlink.answering import Call, Command, Refusal
from dpif.netlink.service import Service
from dpif.odp.actions import Actions
from dpif.odp.constants import OVS_PACKET_FAMILY, OVS_PACKET_VERSION, PacketAttr, PacketCmd
from dpif.odp.extraction import extract_for
from dpif.odp.kernel.check import check_actions
from dpif.odp.kernel.emit import to_key, to_tunnel
from dpif.odp.kernel.swkey import get
from dpif.odp.messages import PacketRecord
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.packet import PACKET
from dpif.odp.model.key import FlowKey
from dpif.userspace.engine.frame import Frame
from dpif.userspace.engine.namespace import Namespace
from dpif.userspace.engine.upcall import Upcall
from dpif.userspace.service.base import Family, actions_to_tell

ETH_HLEN: Final = 14


class PacketFamily(Family):
    """``ovs_packet``."""

    RECORD = PacketRecord

    def __init__(self, service: Service, namespace: Namespace) -> None:
        super().__init__(service, namespace)
        namespace.upcall_sink = self._send_up

    def commands(self) -> Mapping[int, Command]:
        """Return the one command that user space may send."""
        return {PacketCmd.EXECUTE: Command(do=self._execute)}

    def max_attribute(self) -> int:
        """Older kernels do not know who gets the upcalls of a packet that is sent."""
        return PacketAttr.UPCALL_PID if self.rules.upcall_pid else PacketAttr.HASH

    def _send_up(self, upcall: Upcall) -> bool:
        """Send an upcall to its receiver, its attributes in the kernel's order (queue_userspace_packet)."""
        attributes: dict[int, object] = {
            PacketAttr.KEY: to_key(upcall.key, self.rules).to_bytes(),
            PacketAttr.USERDATA: upcall.userdata,
            PacketAttr.EGRESS_TUN_KEY: to_tunnel(upcall.egress_tunnel).to_bytes() if upcall.egress_tunnel else None,
            PacketAttr.ACTIONS: None if upcall.actions is None else actions_to_tell(upcall.actions),
            PacketAttr.MRU: upcall.mru or None,
            PacketAttr.LEN: upcall.length,
            PacketAttr.HASH: upcall.hash,
            PacketAttr.PACKET: upcall.packet,
        }
        headers = pack_headers(upcall.command, OVS_PACKET_VERSION, upcall.datapath.ifindex)
        try:
            payload = headers + PACKET.encode(attributes)
        except EncodeError:
            return False  # EMSGSIZE in the kernel, which counts the packet as lost
        return self.service.unicast(upcall.port_id, OVS_PACKET_FAMILY, payload)

    def _execute(self, call: Call) -> None:
        request = PacketRecord.from_payload(call.payload)
        if request.packet is not None and len(request.packet) < ETH_HLEN:
            raise Refusal(ERANGE, f"a packet has at least {ETH_HLEN} bytes")
        if request.packet is None or request.key is None or request.actions is None:
            raise Refusal(EINVAL, "EXECUTE needs PACKET, KEY and ACTIONS")
        key = extract_for(request.packet, FlowKey.from_bytes(request.key), self.rules)
        actions = Actions.from_bytes(request.actions)
        check_actions(actions, key, self.rules)
        datapath = self.namespace.find_datapath(request.dp_ifindex)
        port = datapath.ports.get(get(key, "phy.in_port"), datapath.local)
        frame = Frame.from_user(request.packet, key, port, request.mru or 0, request.hash or 0)
        if self.rules.upcall_pid:
            frame.upcall_pid = request.upcall_pid or 0
        datapath.execute(frame, datapath.compile(actions))
