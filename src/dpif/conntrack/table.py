"""The table of connections: list, look up, delete, count."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from dpif._typing import Final, NamedTuple
from dpif.conntrack.constants import CtAttr, CtMsg, Subsystem
from dpif.conntrack.entry import CONNTRACK, Entry
from dpif.conntrack.match import Match
from dpif.conntrack.nfnetlink import pack_header, request
from dpif.conntrack.text import tcp_state_name
from dpif.conntrack.timeouts import TimeoutPolicies
from dpif.conntrack.totals import Totals
from dpif.conntrack.tuples import IPPROTO_TCP, Tuple
from dpif.errors import DpifError, NetlinkError, NoSuchObject
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request

_FLUSHES_BY_ZONE: Final = (6, 8)
"""The first Linux that heeds a zone in a request to delete everything. Earlier ones delete everything indeed."""


class Statistics(NamedTuple):
    """How many entries there are: all, by IP protocol, and those of TCP by the name of their state."""

    total: int
    protocols: Counter[int]
    tcp_states: Counter[str]


def count(entries: Iterable[Entry]) -> Statistics:
    """Count entries."""
    protocols: Counter[int] = Counter()
    states: Counter[str] = Counter()
    for entry in entries:
        protocols[entry.orig.protocol] += 1
        if entry.orig.protocol == IPPROTO_TCP:
            states[tcp_state_name(entry)] += 1
    return Statistics(protocols.total(), protocols, states)


class Conntrack:
    """The connections of a network namespace, over an nfnetlink connection.

    ``timeouts`` are its timeout policies. `release` is the kernel's (``uname -r``), by default this host's.
    """

    def __init__(self, connection: Connection, release: str | None = None) -> None:
        self._connection = connection
        self._release = os.uname().release if release is None else release
        self.timeouts = TimeoutPolicies(connection)

    def dump(self, match: Match | None = None, *, zone: int | None = None) -> Iterator[Entry]:
        """Iterate over the entries that `match` means, in a zone or (None) in all, as they come.

        The kernel is told what it can filter by; what it sends all the same is left out here.
        """
        wanted = match or Match()
        mark = wanted.mark
        payload = pack_header(_family(wanted)) + CONNTRACK.encode(
            {
                CtAttr.ZONE: zone or None,  # kernels without zones refuse to hear of any
                CtAttr.MARK: mark and mark.value & mark.mask,  # the kernel masks the entry's alone
                CtAttr.MARK_MASK: mark and mark.mask,
            }
        )
        with _empty_without_zones(zone):
            for entry in self._connection.dump(_request(CtMsg.GET, payload, "listing connections")):
                if zone in (None, entry.zone) and wanted.fits(entry):
                    yield entry

    def __iter__(self) -> Iterator[Entry]:
        return self.dump()

    def get(self, orig: Tuple, *, zone: int = 0) -> Entry:
        """Return the entry of a connection; raise `NoSuchObject`."""
        asked = _request(CtMsg.GET, _identity(orig, zone), "reading a connection")
        entry = self._connection.transact(asked)
        if entry is None:
            raise NetlinkError(errno.EPROTO, asked.kind.operation, "the kernel acknowledged without a reply")
        return entry

    def delete(self, what: Entry | Tuple, *, zone: int = 0) -> None:
        """Delete a connection given by its original tuple, or by its entry; raise `NoSuchObject`.

        An entry (which has a zone of its own) stands for itself alone, not for a later one with the same tuple.
        """
        self._connection.transact(_deletion(what, zone))

    def flush(self, match: Match | None = None, *, zone: int | None = None) -> None:
        """Delete the entries that `match` means, in a zone or (None) in all; expectations go with them.

        A match that names one connection deletes that, in zone 0 unless told, and raises `NoSuchObject` when it
        is not there. For any other the entries are listed and deleted one by one; those that go by themselves
        meanwhile do not matter.
        """
        wanted = match or Match()
        if wanted.is_all and (zone is None or self._flushes_by_zone(zone)):
            payload = pack_header(0) + CONNTRACK.encode({CtAttr.ZONE: zone})
            with _empty_without_zones(zone):
                self._connection.transact(_request(CtMsg.DELETE, payload, "deleting connections"))
        elif wanted.connection is not None:
            self.delete(wanted.connection, zone=zone or 0)
        else:
            self._delete_all([_deletion(entry, 0) for entry in self.dump(wanted, zone=zone)])

    def statistics(self, *, zone: int | None = None) -> Statistics:
        """Count the entries, in a zone or (None) in all."""
        return count(self.dump(zone=zone))

    def totals(self) -> Totals:
        """Return how many entries there are in all zones together, and may be, without listing them."""
        operation = "counting connections"
        asked = request(
            Subsystem.CTNETLINK,
            CtMsg.GET_STATS,
            pack_header(0),
            Totals.from_payload,
            operation,
            answer=CtMsg.GET_STATS,
        )
        totals = self._connection.transact(asked)
        if totals is None:
            raise NetlinkError(errno.EPROTO, operation, "the kernel acknowledged without a reply")
        return totals

    def close(self) -> None:
        """Close the connection to the kernel."""
        self._connection.close()

    def _flushes_by_zone(self, zone: int) -> bool:
        """Tell whether the kernel deletes by zone; zone 0 is left out of requests, so it is not named there."""
        version = re.match(r"(\d++)\.(\d++)", self._release)
        return bool(zone) and version is not None and (int(version[1]), int(version[2])) >= _FLUSHES_BY_ZONE

    def _delete_all(self, deletions: list[Request[Entry]]) -> None:
        for result in self._connection.batch(deletions):
            if isinstance(result, DpifError) and not isinstance(result, NoSuchObject):
                raise result


@contextlib.contextmanager
def _empty_without_zones(zone: int | None) -> Iterator[None]:
    """Let a zone other than 0 be empty where the kernel is built without zones.

    Newer kernels of that kind refuse to hear of one (EOPNOTSUPP); older ones did not care for what they were told.
    """
    try:
        yield
    except NetlinkError as error:
        if not zone or error.errno != errno.EOPNOTSUPP:
            raise


def _family(match: Match) -> int:
    """Return the address family that `match` is restricted to, 0 for none."""
    addresses = (*match.orig[:2], *match.reply[:2])
    for address in addresses:
        if address is not None:
            return Tuple(address, address, 0).family
    return 0


def _deletion(what: Entry | Tuple, zone: int) -> Request[Entry]:
    if isinstance(what, Entry):
        payload = _identity(what.orig, what.zone, what.id)
    else:
        payload = _identity(what, zone)
    return _request(CtMsg.DELETE, payload, "deleting a connection")


def _identity(orig: Tuple, zone: int, id: int = 0) -> bytes:
    """Return what names one connection; kernels without zones refuse to hear of any, 0 included."""
    return pack_header(orig.family) + CONNTRACK.encode(
        {CtAttr.TUPLE_ORIG: orig, CtAttr.ZONE: zone or None, CtAttr.ID: id or None}
    )


def _request(command: CtMsg, payload: bytes, operation: str) -> Request[Entry]:
    return request(Subsystem.CTNETLINK, command, payload, Entry.from_payload, operation)
