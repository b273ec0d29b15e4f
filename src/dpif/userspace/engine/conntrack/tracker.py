"""The connections of a namespace (`Tracker`): found, added, removed, limited.

The rules are those of nf_conntrack_in and nf_conntrack_confirm. A connection is in the table only once it was
confirmed, that is: committed. Connections end by the clock: one whose time is over is gone for whoever looks, and is
swept away soon. No packet waits for that, however many have ended: each new connection sweeps some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from dpif._typing import Final
from dpif.odp.kernel.rules import Features
from dpif.packet.checksum import Buffer
from dpif.packet.constants import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP
from dpif.packet.layout import Layout
from dpif.userspace.engine.conntrack.agenda import Agenda
from dpif.userspace.engine.conntrack.connection import Connection, Info, Tracked, Verdict
from dpif.userspace.engine.conntrack.index import Found, Index
from dpif.userspace.engine.conntrack.protocols import has_closed, is_dispensable, take_note
from dpif.userspace.engine.conntrack.timeouts import Policies, Policy
from dpif.userspace.engine.conntrack.tuples import Tuple, read_inner, read_tuple
from dpif.userspace.engine.conntrack.validity import is_icmp_error, is_sound
from dpif.userspace.engine.limits import Limits

_SWEEP: Final = 64
"""Connections that are looked at, whether they have ended, for each new one."""
_NEVER_TWICE: Final = frozenset({IPPROTO_SCTP, IPPROTO_TCP})
"""Protocols of which two packets cannot begin one connection at the same time (not ``allow_clash``)."""
_ICMP: Final = frozenset({IPPROTO_ICMP, IPPROTO_ICMPV6})
_HIDDEN_FOR: Final = 1.0
"""Seconds that a hidden connection lives, whatever comes."""


class TableFull(Exception):
    """There is no room for another connection."""


class Tracker:
    """All connections. ``rules`` say which kernel's ways these are.

    There may be ``bounds.connections`` of them (nf_conntrack_max). Where there are as many, another one takes the
    place of some that are not assured, and is dropped if there are none near by.

    ``limits`` has the most that a zone may have, ``default_limit`` is for the others, 0: any. ``policies`` say how
    long the connections live whose action names them. ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float], rules: Features, bounds: Limits) -> None:
        self.clock = clock
        self.most = bounds.connections
        self.rules = rules
        self._never_twice = _NEVER_TWICE if rules.icmp_clashes else _NEVER_TWICE | _ICMP
        self.index = Index(self.most)
        self._agenda = Agenda()
        self._counts: Counter[int] = Counter()  # by zone, of those that a limit counts
        self.limits: dict[int, int] = {}
        self.default_limit = 0
        self.policies = Policies(bounds.policies)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over the connections that there are now, but for hidden ones and those that end meanwhile."""
        for connection in self.index:
            if not connection.is_hidden and self.has(connection):
                yield connection

    def __len__(self) -> int:
        self.sweep()
        return len(self.index)

    # Finding, adding, removing.

    def has(self, connection: Connection) -> bool:
        """Tell whether a connection is in the table, and its time not over."""
        return connection in self.index and connection.expires > self.clock()

    def find(self, zone: int, names: Tuple) -> Found | None:
        """Return the connection that has `names` in one direction, and whether that is the reply's."""
        found = self.index.find(zone, names)
        if found is not None and found[0].expires <= self.clock():
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

    def confirm(self, connection: Connection) -> Connection | None:
        """Put a connection into the table; return the one that its packet has from now on, None to drop that.

        It is another one when that has a tuple of it already.
        """
        found = self.find(connection.zone, connection.original) or self.find(connection.zone, connection.reply)
        if found is not None:
            return self._resolve_clash(connection, found[0])
        self._add(connection)
        return connection

    def _resolve_clash(self, late: Connection, first: Connection) -> Connection | None:
        """Two packets that began one connection at the same time may both pass (nf_ct_resolve_clash).

        The second becomes one of the first connection; if that is translated otherwise, its own is hidden in the
        table for a moment, so that its answer is known.
        """
        if not self.may_clash(late):
            return None
        if self._is_one(first, late):
            return first
        if self.find(late.zone, late.reply) is not None:
            return None
        late.is_hidden = True
        late.expires = self.clock() + _HIDDEN_FOR
        self._add(late)
        return late

    def may_clash(self, connection: Connection) -> bool:
        """Tell whether its protocol is one of which several packets may begin one connection."""
        return connection.original.protocol not in self._never_twice

    def _is_one(self, first: Connection, late: Connection) -> bool:
        """Tell whether the later of two connections is the first one (nf_ct_can_merge)."""
        names = first.original, first.reply
        if self.rules.clashes_match:
            return names in ((late.original, late.reply), (late.reply, late.original))
        return names == (late.original, late.reply) or not (first.source_set or first.destination_set)

    def _add(self, connection: Connection) -> None:
        connection.is_confirmed = True
        self.index.add(connection)
        self._agenda.add(connection, self.clock())
        self._counts[connection.zone] += connection.is_counted

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was confirmed."""
        if self.index.remove(connection):
            self._agenda.discard(connection)
            self._uncount(connection)

    def clear(self) -> None:
        """Forget all connections."""
        self.index.clear()
        self._agenda.clear()
        self._counts.clear()

    def sweep(self, most: int = _SWEEP) -> None:
        """Look at `most` connections that should have ended, and remove those that have."""
        now = self.clock()
        for connection in self._agenda.take_due(now, most):
            if connection.expires <= now:
                self.remove(connection)
            else:
                self._agenda.add(connection, now)

    def _make_room(self, zone: int, names: Tuple) -> None:
        """Make room for a connection that begins with `names` (early_drop); raise `TableFull`."""
        if len(self.index) >= self.most:
            self.sweep()
        if len(self.index) < self.most or self._drop_near(zone, names, lambda one: not one.is_assured):
            return
        if not self._drop_near(zone, names, is_dispensable):
            raise TableFull

    def _drop_near(self, zone: int, names: Tuple, may_go: Callable[[Connection], bool]) -> bool:
        """Drop those of the first bucket near by that has any which may go."""
        now = self.clock()
        for bucket in self.index.near(zone, names):
            going = [one for one in bucket if one.expires <= now or may_go(one)]
            for connection in going:
                self.remove(connection)
            if going:
                return True
        return False

    # Limits.

    def limit(self, zone: int) -> int:
        """Return how many connections a zone may have, 0 for any number."""
        return self.limits.get(zone, self.default_limit)

    def count(self, zone: int) -> int:
        """Return how many connections of a zone were made while it had a limit, and are neither closed nor swept."""
        return self._counts[zone]

    def _uncount(self, connection: Connection) -> None:
        if connection.is_counted:
            connection.is_counted = False
            self._counts[connection.zone] -= 1

    def admits(self, connection: Connection) -> bool:
        """Tell whether the limit of its zone has room for another connection; it is counted if there is a limit.

        Some that have ended are swept away first.
        """
        limit = self.limit(connection.zone)
        connection.is_counted = bool(limit)
        self.sweep()
        return not limit or self.count(connection.zone) < limit

    # Packets.

    def track(self, zone: int, packet: Buffer, layout: Layout, policy: Policy | None = None) -> Tracked | None:
        """Return what a packet is to its connection, which may be a new one; None for an invalid packet.

        A new one has the timeout `policy`.
        """
        if not is_sound(packet, layout):
            return None
        if is_icmp_error(packet, layout):
            return self._track_error(zone, packet, layout)
        names = read_tuple(packet, layout)
        if names is None:
            return None
        found = self.find(zone, names) or self._begin(zone, names, policy)
        if found is None:
            return None
        connection, is_reply = found
        info = _info(connection, is_reply=is_reply)
        verdict = take_note(connection, is_reply, packet, layout, self.clock())
        if verdict == Verdict.INVALID:
            return None
        if verdict in (Verdict.REOPENED, Verdict.ENDED):
            self.remove(connection)
        elif connection.is_confirmed:
            self._agenda.hasten(connection, self.clock())
            if has_closed(connection):
                self._uncount(connection)
        if verdict == Verdict.REOPENED:
            return self.track(zone, packet, layout, policy)
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

    def _begin(self, zone: int, names: Tuple, policy: Policy | None) -> Found | None:
        reply = names.inverse()
        if reply is None:
            return None
        self._make_room(zone, names)
        connection = Connection(zone, names, reply, self.clock())
        connection.policy = policy
        return connection, False


def _info(connection: Connection, *, is_reply: bool) -> Info:
    if is_reply:
        return Info.ESTABLISHED_REPLY
    return Info.ESTABLISHED if connection.has_reply else Info.NEW
