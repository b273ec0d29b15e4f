"""Upcalls: the packets that a datapath hands to user space, and how they come to be handed to us.

A packet that misses the flow table (*miss*) or meets a ``userspace`` action (*action*) is sent to a netlink
port id. `Upcalls` owns transports with such ids (`channels.py`). To get misses they must be named as their
receivers, which `dispatch.py` does, and undoes in the end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import TracebackType

from dpif._typing import TYPE_CHECKING, Self, overload
from dpif.client.channels import Channels
from dpif.client.dispatch import choose_dispatch
from dpif.client.waiting import Listener
from dpif.errors import DecodeError, EncodeError, NoSuchObject, brief
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Subscription
from dpif.odp.actions import Actions
from dpif.odp.constants import (
    OVS_DATAPATH_FAMILY,
    OVS_DATAPATH_MCGROUP,
    OVS_PACKET_FAMILY,
    DatapathCmd,
    PacketCmd,
)
from dpif.odp.messages.datapath import DatapathRecord
from dpif.odp.messages.packet import PacketRecord, decode_packet
from dpif.odp.model.key import FlowKey
from dpif.odp.model.tunnel import Tunnel

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath
    from dpif.client.port import Port


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
    """Upcalls of one datapath: an iterator, an async iterator, a `fileno()`; a context manager, an async one too.

    The only handler, or one of several (`UpcallHandlers`). Its queues are bounded: what comes while they are full
    is lost, and the datapath counts it. ``overruns`` counts the times that this handler was told so,
    ``malformed`` the messages that could not be decoded. When the datapath is deleted, iteration ends behind the
    upcalls that are there.
    """

    def __init__(self, datapath: Datapath, *, miss: bool = True, action: bool = True) -> None:
        connection = datapath.connection
        packets, datapaths = connection.family(OVS_PACKET_FAMILY), connection.family(OVS_DATAPATH_FAMILY)
        group = connection.group(OVS_DATAPATH_FAMILY, OVS_DATAPATH_MCGROUP)
        self.channels = Channels(connection.dial)
        super().__init__(self.channels)
        self._dp = datapath
        self._wanted = {PacketCmd.MISS} if miss else set()
        if action:
            self._wanted.add(PacketCmd.ACTION)
        self._subscription = Subscription(packets.id, decode_packet)
        self._of_datapaths = Subscription(datapaths.id, DatapathRecord.from_payload)
        self._place: Place | None = None
        self._is_gone = False
        self.overruns = 0
        self.malformed = 0
        try:
            self.channels.join_group(group)  # the queue of upcalls takes the word of their end as well
        except BaseException:
            self.close()
            raise

    @classmethod
    def start(
        cls,
        datapath: Datapath,
        *,
        miss: bool,
        action: bool,
        dispatch: str | None,
        ports: Collection[int] | None = None,
    ) -> Self:
        """Listen as the only handler; see `Datapath.upcalls`."""
        upcalls = cls(datapath, miss=miss, action=action)
        if miss:
            try:
                upcalls._place = Place(datapath, [upcalls.channels], dispatch, ports)
            except BaseException:
                upcalls.close()
                raise
        return upcalls

    @property
    def is_gone(self) -> bool:
        """Whether the datapath was deleted; no more upcalls will come then."""
        return self._is_gone

    @property
    def dispatch(self) -> str:
        """How misses are dispatched: ``per-cpu``, ``per-vport``, or ``none`` when they do not come here alone."""
        return self._place.dispatch.name if self._place else "none"

    def pid_of(self, port: Port | int) -> int:
        """Return the port id to name in a ``userspace`` action of a flow from `port`."""
        return self._place.pid_of(port) if self._place else self.port_id

    def adopt(self, port: Port | int) -> None:
        """Direct the misses of a port that somebody else attached here too.

        Needed where dispatch is per vport alone; ports attached through this datapath's handle are adopted.
        """
        if self._place:
            self._place.dispatch.adopt(port)

    def purge(self) -> int:
        """Throw away the upcalls that are waiting; return how many there were."""
        count = 0
        while upcalls := self.poll(0.0):
            count += len(upcalls)
        return count

    def close(self) -> None:
        """Stop listening and hand the dispatch of upcalls back as it was."""
        try:
            if self._place:
                place, self._place = self._place, None
                place.give_back()
        finally:
            super().close()

    def _decode(self, datagram: bytes) -> list[Upcall]:
        upcalls = []
        try:
            for record in self._subscription.feed(datagram):
                if not isinstance(record, PacketRecord) or record.dp_ifindex != self._dp.ifindex:
                    continue
                if record.command in self._wanted:
                    upcalls.append(Upcall(record))
            if not upcalls:
                self._hear_of_datapaths(datagram)
        except DecodeError:
            self.malformed += 1  # one bad message must not end a loop that serves everybody
        return upcalls

    def _hear_of_datapaths(self, datagram: bytes) -> None:
        for change in self._of_datapaths.feed(datagram):
            if isinstance(change, DatapathRecord) and change.dp_ifindex == self._dp.ifindex:
                self._is_gone |= change.command == DatapathCmd.DEL

    def _lost(self) -> list[Upcall]:
        self.overruns += 1
        self._in_doubt = True
        return []

    def _make_sure(self) -> None:
        """See whether the datapath is still there, over a connection that forked processes do not share."""
        question = DatapathRecord(command=DatapathCmd.GET, dp_ifindex=self._dp.ifindex)
        with Connection(self._dp.connection.dial) as connection:
            try:
                connection.transact(question.request(f"looking for datapath {self._dp.name}"))
            except NoSuchObject:
                self._is_gone = True


class Place:
    """The place as receiver of a datapath's misses, taken by handlers and given back."""

    def __init__(
        self,
        datapath: Datapath,
        handlers: Sequence[Channels],
        dispatch: str | None,
        ports: Collection[int] | None = None,
    ) -> None:
        self._dp = datapath
        self._before = datapath.dispatch
        self.dispatch = choose_dispatch(datapath, handlers, dispatch, ports)
        datapath.dispatch = self.dispatch

    def pid_of(self, port: Port | int) -> int:
        """Return the port id for a ``userspace`` action of a flow from `port`."""
        return self.dispatch.pid_of(port if isinstance(port, int) else port.number)

    def give_back(self) -> None:
        """Hand the dispatch of upcalls back as it was."""
        if self._dp.dispatch is self.dispatch:
            self._dp.dispatch = self._before
        self.dispatch.restore()


class UpcallHandlers(Sequence[Upcalls]):
    """Several handlers that share a datapath's upcalls, each with sockets and queues of its own.

    A sequence of `Upcalls`, one for each thread, or for each process made by fork: closing one closes its sockets
    and no more. A context manager; `close` hands the dispatch of upcalls back and closes all.
    """

    def __init__(
        self, datapath: Datapath, count: int, *, miss: bool = True, action: bool = True, dispatch: str | None = None
    ) -> None:
        if count < 1:
            raise EncodeError(f"{brief(count)} handlers are too few")
        self._handlers: list[Upcalls] = []
        self._place: Place | None = None
        try:
            for _ in range(count):
                self._handlers.append(Upcalls(datapath, miss=miss, action=action))
            if miss:
                self._place = Place(datapath, [handler.channels for handler in self._handlers], dispatch)
        except BaseException:
            self.close()
            raise

    @overload
    def __getitem__(self, index: int) -> Upcalls: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Upcalls]: ...

    def __getitem__(self, index: int | slice) -> Upcalls | Sequence[Upcalls]:
        return self._handlers[index]

    def __len__(self) -> int:
        return len(self._handlers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def dispatch(self) -> str:
        """How misses are dispatched: ``per-cpu``, ``per-vport``, or ``none``."""
        return self._place.dispatch.name if self._place else "none"

    @property
    def overruns(self) -> int:
        """The times that handlers of this process were told of losses; each counts its own."""
        return sum(handler.overruns for handler in self._handlers)

    def pid_of(self, port: Port | int) -> int:
        """Return the port id to name in a ``userspace`` action of a flow from `port`."""
        return self._place.pid_of(port) if self._place else self._handlers[0].port_id

    def adopt(self, port: Port | int) -> None:
        """Direct the misses of a port that somebody else attached here too; see `Upcalls.adopt`."""
        if self._place:
            self._place.dispatch.adopt(port)

    def close(self) -> None:
        """Hand the dispatch of upcalls back as it was and close all handlers."""
        try:
            if self._place:
                place, self._place = self._place, None
                place.give_back()
        finally:
            for handler in self._handlers:
                handler.close()
