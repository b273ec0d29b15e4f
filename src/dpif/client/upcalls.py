"""Upcalls: the packets that a datapath hands to user space, and how they come to be handed to us.

A packet that misses the flow table (*miss*) or meets a ``userspace`` action (*action*) is sent to a netlink
port id. `Upcalls` owns a transport with such an id. To get misses it must be named as their receiver, which
`dispatch.py` does, and undoes when it is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpif.client.dispatch import Dispatch, choose_dispatch
from dpif.client.ports import Port
from dpif.client.waiting import Listener
from dpif.errors import DecodeError
from dpif.netlink.exchange import Subscription
from dpif.netlink.transport import Transport
from dpif.odp.actions import Actions
from dpif.odp.constants import OVS_PACKET_FAMILY, PacketCmd
from dpif.odp.key import FlowKey
from dpif.odp.messages.packet import PacketRecord
from dpif.odp.tunnel import Tunnel

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath


class Upcall:
    """One packet that came up; everything but the packet is decoded when it is read.

    ``packet`` is the frame (cut to what a ``trunc`` left of it), ``record`` the message itself.
    """

    __slots__ = ("packet", "record")

    def __init__(self, record: PacketRecord) -> None:
        self.record = record
        self.packet = record.packet or b""

    @property
    def is_miss(self) -> bool:
        """Whether no flow matched; else a ``userspace`` action sent it."""
        return self.record.command == PacketCmd.MISS

    @property
    def key(self) -> FlowKey:
        """The flow key that the datapath extracted."""
        return FlowKey.from_bytes(self.record.key or b"")

    @property
    def userdata(self) -> bytes | None:
        """The cookie of the ``userspace`` action."""
        return self.record.userdata

    @property
    def actions(self) -> Actions | None:
        """The flow's actions, where the ``userspace`` action asked for them."""
        return None if self.record.actions is None else Actions.from_bytes(self.record.actions)

    @property
    def egress_tunnel(self) -> Tunnel | None:
        """The tunnel header that the packet would leave with, where the action named an egress port."""
        data = self.record.egress_tun_key
        return None if data is None else Tunnel.from_bytes(data)

    @property
    def length(self) -> int:
        """The packet's length in bytes before any truncation."""
        return self.record.len or len(self.packet)

    @property
    def mru(self) -> int | None:
        """The largest fragment's length where the kernel put the packet together."""
        return self.record.mru

    @property
    def hash(self) -> int | None:
        """The packet's hash; bit 32 says computed in software, bit 33 over ports."""
        return self.record.hash

    def __repr__(self) -> str:
        kind = "miss" if self.is_miss else "action"
        return f"<Upcall {kind} {len(self.packet)} bytes, {self.key}>"


class Upcalls(Listener[Upcall]):
    """The upcalls of one datapath: an iterator, an async iterator, a `fileno()`; a context manager.

    ``overruns`` counts the times that the transport lost upcalls because nobody read them in time; the
    datapath counts the packets themselves as lost.
    """

    def __init__(self, datapath: Datapath, *, miss: bool = True, action: bool = True) -> None:
        family = datapath.connection.family(OVS_PACKET_FAMILY)
        super().__init__(datapath.connection.dial())
        self._dp = datapath
        self._wanted = {PacketCmd.MISS} if miss else set()
        if action:
            self._wanted.add(PacketCmd.ACTION)
        self._subscription = Subscription(family.id, PacketRecord.from_reply)
        self._dispatch: Dispatch | None = None
        self.overruns = 0
        self.malformed = 0
        if miss:
            try:
                self._dispatch = choose_dispatch(datapath, self.port_id)
            except BaseException:
                super().close()
                raise

    @property
    def dispatch(self) -> str:
        """How misses are dispatched: ``per-cpu``, ``per-vport``, or ``none`` when they were not asked for."""
        return self._dispatch.name if self._dispatch else "none"

    @property
    def transport(self) -> Transport:
        """The transport that upcalls arrive on."""
        return self._transport

    def _decode(self, datagram: bytes) -> list[Upcall]:
        upcalls = []
        try:
            for record in self._subscription.feed(datagram):
                if not isinstance(record, PacketRecord) or record.dp_ifindex != self._dp.ifindex:
                    continue
                if record.command in self._wanted:
                    upcalls.append(Upcall(record))
        except DecodeError:
            self.malformed += 1  # one bad message must not end a loop that serves everybody
        return upcalls

    def _lost(self) -> list[Upcall]:
        self.overruns += 1
        return []

    def adopt(self, port: Port | int) -> None:
        """Direct the misses of a port that somebody else attached here too.

        Needed where dispatch is per vport alone; ports attached through this datapath's handle are adopted.
        """
        if self._dispatch:
            self._dispatch.adopt(port)

    def purge(self) -> int:
        """Throw away the upcalls that are waiting; return how many there were."""
        count = 0
        while upcalls := self.poll(0.0):
            count += len(upcalls)
        return count

    def close(self) -> None:
        """Stop listening and hand the dispatch of upcalls back as it was."""
        if self._dispatch:
            dispatch, self._dispatch = self._dispatch, None
            dispatch.restore()
        super().close()
