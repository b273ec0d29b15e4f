"""The connections of a namespace (`Tracker`), and what a packet is to its connection (`Tracked`).

The rules are those of nf_conntrack_in and nf_conntrack_confirm. A connection is in the table, under the tuples of
both its directions, only once it was confirmed, that is: committed. Connections end by the clock: one whose time
is over is gone for whoever looks, and is swept away now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

from dpif.packet.checksum import Buffer
from dpif.packet.constants import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP
from dpif.packet.layout import Layout
from dpif.userspace.engine.conntrack import tcp
from dpif.userspace.engine.conntrack.tcp import TcpState
from dpif.userspace.engine.conntrack.tuples import QUERY_TYPES, Tuple, read_inner, read_tuple
from dpif.userspace.engine.conntrack.validity import TCP_FLAGS_OFFSET, is_icmp_error, is_sound

MAX_CONNECTIONS: Final = 65536
"""How many there may be; beyond, packets that begin another are dropped (nf_conntrack_max)."""
_SWEEP_AFTER: Final = 256
"""Connections that are made between two sweeps."""
_UDP_TIMEOUT: Final = 30.0
_UDP_STREAM_TIMEOUT: Final = 120.0
_UDP_STREAM_AFTER: Final = 2.0
_ICMP_TIMEOUT: Final = 30.0
_OTHER_TIMEOUT: Final = 600.0


class Info(IntEnum):
    """``enum ip_conntrack_info``: what a packet is to its connection."""

    ESTABLISHED = 0
    RELATED = 1
    NEW = 2
    ESTABLISHED_REPLY = 3
    RELATED_REPLY = 4

    @property
    def is_reply(self) -> bool:
        """Whether the packet goes against the direction of the first one."""
        return self >= Info.ESTABLISHED_REPLY


class Connection:
    """A connection. ``original`` and ``reply`` name its directions, translated addresses included.

    ``source_set`` and ``destination_set`` say that a translation was decided on, ``source_translated`` and
    ``destination_translated`` that it changes something. ``is_counted`` says that a limit counts it.
    """

    __slots__ = (
        "destination_set",
        "destination_translated",
        "expires",
        "has_reply",
        "is_confirmed",
        "is_counted",
        "labels",
        "mark",
        "original",
        "reply",
        "source_set",
        "source_translated",
        "started",
        "tcp_state",
        "zone",
    )

    def __init__(self, zone: int, original: Tuple, reply: Tuple, now: float) -> None:
        self.zone = zone
        self.original = original
        self.reply = reply
        self.started = self.expires = now
        self.mark = self.labels = 0
        self.is_confirmed = self.has_reply = self.is_counted = False
        self.source_set = self.destination_set = False
        self.source_translated = self.destination_translated = False
        self.tcp_state = TcpState.NONE

    def names(self, *, is_reply: bool) -> Tuple:
        """Return the tuple of one direction."""
        return self.reply if is_reply else self.original


class Tracked(NamedTuple):
    """A packet's connection, and what it is to it (``skb->_nfct``)."""

    connection: Connection
    info: Info


class TableFull(Exception):
    """There is no room for another connection."""


class Tracker:
    """All connections; ``limits`` has the most that a zone may have, ``default_limit`` is for the others, 0: any."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._directions: dict[tuple[int, Tuple], tuple[Connection, bool]] = {}
        self._made = 0
        self.limits: dict[int, int] = {}
        self.default_limit = 0

    def __len__(self) -> int:
        self._sweep()
        return len(self._directions) // 2

    # Finding, adding, removing.

    def find(self, zone: int, names: Tuple) -> tuple[Connection, bool] | None:
        """Return the connection that has `names` in one direction, and whether that is the reply's."""
        found = self._directions.get((zone, names))
        if found is not None and found[0].expires <= self._clock():
            self.remove(found[0])
            return None
        return found

    def find_existing(self, zone: int, packet: Buffer, layout: Layout, *, is_translated: bool) -> Tracked | None:
        """Return what a packet that was tracked before is to its connection, without counting it again."""
        names = read_tuple(packet, layout)
        if names is not None and is_translated:
            names = names.inverse()
        found = None if names is None else self.find(zone, names)
        if found is None:
            return None
        connection, is_reply = found
        return Tracked(connection, _info(connection, is_reply=is_reply != is_translated))

    def confirm(self, connection: Connection) -> bool:
        """Put a connection into the table; False when another one has a tuple of it."""
        keys = [(connection.zone, connection.original), (connection.zone, connection.reply)]
        if any(self.find(*key) for key in keys):
            return False
        for key, is_reply in zip(keys, (False, True), strict=True):
            self._directions[key] = (connection, is_reply)
        connection.is_confirmed = True
        self._made += 1
        if self._made % _SWEEP_AFTER == 0:
            self._sweep()
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was confirmed."""
        for names in (connection.original, connection.reply):
            self._directions.pop((connection.zone, names), None)

    def _sweep(self) -> None:
        now = self._clock()
        ended = [one for one, is_reply in self._directions.values() if not is_reply and one.expires <= now]
        for connection in ended:
            self.remove(connection)

    # Limits.

    def limit(self, zone: int) -> int:
        """Return how many connections a zone may have, 0 for any number."""
        return self.limits.get(zone, self.default_limit)

    def count(self, zone: int) -> int:
        """Return how many connections of a zone were made while it had a limit, and still are."""
        self._sweep()
        connections = self._directions.values()
        return sum(one.is_counted and one.zone == zone for one, is_reply in connections if not is_reply)

    def admits(self, connection: Connection) -> bool:
        """Tell whether the limit of its zone has room for another connection; it is counted if there is a limit."""
        limit = self.limit(connection.zone)
        connection.is_counted = bool(limit)
        return not limit or self.count(connection.zone) < limit

    # Packets.

    def track(self, zone: int, packet: Buffer, layout: Layout) -> Tracked | None:
        """Return what a packet is to its connection, which may be a new one; None for an invalid packet."""
        if not is_sound(packet, layout):
            return None
        if is_icmp_error(packet, layout):
            return self._track_error(zone, packet, layout)
        names = read_tuple(packet, layout)
        if names is None:
            return None
        found = self.find(zone, names) or self._begin(zone, names)
        if found is None:
            return None
        connection, is_reply = found
        info = _info(connection, is_reply=is_reply)
        if not self._take_note(connection, is_reply, packet, layout):
            return None
        if connection.is_confirmed and self._is_reopened(connection):
            self.remove(connection)
            return self.track(zone, packet, layout)
        connection.has_reply |= is_reply
        return Tracked(connection, info)

    def _track_error(self, zone: int, packet: Buffer, layout: Layout) -> Tracked | None:
        """An ICMP error belongs to the connection of the packet that it quotes, if it goes to who sent that."""
        inner = read_inner(packet, layout)
        names = None if inner is None else inner.names.inverse()
        found = None if names is None else self.find(zone, names)
        if found is None:
            return None
        connection, is_reply = found
        outer = read_tuple(packet, layout)
        if outer is None or outer.dst != connection.names(is_reply=is_reply).dst:
            return None
        return Tracked(connection, Info.RELATED_REPLY if is_reply else Info.RELATED)

    def _begin(self, zone: int, names: Tuple) -> tuple[Connection, bool] | None:
        reply = names.inverse()
        if reply is None:
            return None
        if len(self._directions) >= 2 * MAX_CONNECTIONS:
            self._sweep()
            if len(self._directions) >= 2 * MAX_CONNECTIONS:
                raise TableFull
        return Connection(zone, names, reply, self._clock()), False

    def _is_reopened(self, connection: Connection) -> bool:
        """A SYN on a connection that was closed is the first of another one."""
        return connection.tcp_state == TcpState.NONE and connection.original.protocol == IPPROTO_TCP

    def _take_note(self, connection: Connection, is_reply: bool, packet: Buffer, layout: Layout) -> bool:
        """Give a connection the state and life time that a packet brings; False for an invalid packet."""
        now = self._clock()
        protocol = layout.protocol
        if protocol == IPPROTO_TCP:
            return self._take_note_of_tcp(connection, is_reply, packet[layout.l4 + TCP_FLAGS_OFFSET], now)
        if protocol in (IPPROTO_ICMP, IPPROTO_ICMPV6):
            connection.expires = now + _ICMP_TIMEOUT
            return connection.is_confirmed or packet[layout.l4] in QUERY_TYPES[protocol]
        if protocol == IPPROTO_UDP:
            is_stream = connection.has_reply and now > connection.started + _UDP_STREAM_AFTER
            connection.expires = now + (_UDP_STREAM_TIMEOUT if is_stream else _UDP_TIMEOUT)
        else:
            connection.expires = now + _OTHER_TIMEOUT
        return True

    def _take_note_of_tcp(self, connection: Connection, is_reply: bool, flags: int, now: float) -> bool:
        old = connection.tcp_state
        new = tcp.next_state(old, flags, is_reply=is_reply)
        if new == TcpState.INVALID:
            return False
        if new == TcpState.IGNORE:
            return True
        if new == TcpState.SYN_SENT and old >= TcpState.TIME_WAIT:
            connection.tcp_state = TcpState.NONE
            return True
        connection.tcp_state = new
        timeout = tcp.TIMEOUTS[new]
        if not connection.has_reply:
            if flags & tcp.RST:
                self.remove(connection)
            if new == TcpState.ESTABLISHED:
                timeout = tcp.UNACKNOWLEDGED_TIMEOUT
        connection.expires = now + timeout
        return True


def _info(connection: Connection, *, is_reply: bool) -> Info:
    if is_reply:
        return Info.ESTABLISHED_REPLY
    return Info.ESTABLISHED if connection.has_reply else Info.NEW
