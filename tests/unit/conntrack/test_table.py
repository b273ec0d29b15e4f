"""What the lab's kernel cannot show: rules of other kernels, and failures that need luck.

A kernel that answers as it is told stands in for one; what the real one does is tested on it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from dpif.conntrack.constants import CtAttr, CtMsg
from dpif.conntrack.entry import CONNTRACK, Entry
from dpif.conntrack.match import Masked, Match, TuplePattern
from dpif.conntrack.table import Conntrack
from dpif.conntrack.tuples import Tuple
from dpif.errors import NetlinkError, NoSuchObject
from dpif.netlink import constants as c
from dpif.netlink.ack import Ack, pack_done, pack_error
from dpif.netlink.connection import Connection
from dpif.netlink.message import Message, pack_message, split

GET, DELETE = 1 << 8 | CtMsg.GET, 1 << 8 | CtMsg.DELETE


def connection(number: int, *, zone: int = 0, mark: int = 0) -> Entry:
    orig = Tuple(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), 17, number, 53)
    return Entry(orig, Tuple(orig.dst, orig.src, 17, 53, number), id=number, zone=zone, mark=mark)


Answer = Callable[[Message], "list[bytes] | int"]


class ScriptedKernel:
    """A transport to a kernel that answers each message with rows, or an errno, as `answer` says; see `requests`."""

    port_id = 9

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._queue: list[bytes] = []
        self.requests: list[Message] = []

    def send(self, datagram: bytes) -> None:
        for message in split(datagram):
            self.requests.append(message)
            self._queue.append(b"".join(self._replies(message)))

    def _replies(self, message: Message) -> list[bytes]:
        answer = self._answer(message)
        code = answer if isinstance(answer, int) else 0
        rows = [] if isinstance(answer, int) else answer
        # A subsystem answers in its type NEW, which is 0.
        packed = [pack_message(message.type & 0xFF00, 0, message.seq, 9, row) for row in rows]
        if message.flags & c.NLM_F_DUMP == c.NLM_F_DUMP and message.type & 0xFF == 1:
            flags, payload = pack_done(Ack(code))
            packed.append(pack_message(c.NLMSG_DONE, flags, message.seq, 9, payload))
        elif code or message.flags & c.NLM_F_ACK:
            flags, payload = pack_error(Ack(code), message)
            packed.append(pack_message(c.NLMSG_ERROR, flags, message.seq, 9, payload))
        return packed

    def recv(self, timeout: float | None = None) -> bytes:
        return self._queue.pop(0)

    def fileno(self) -> int:
        raise NotImplementedError

    def join_group(self, group: int) -> None:
        raise NotImplementedError

    def leave_group(self, group: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


class Script:
    """A connection to a `ScriptedKernel`, and the requests that it got, as (type, flags, payload)."""

    def __init__(self, answer: Answer) -> None:
        self._kernels: list[ScriptedKernel] = []

        def dial() -> ScriptedKernel:
            self._kernels.append(ScriptedKernel(answer))
            return self._kernels[-1]

        self.connection = Connection(dial)

    @property
    def requests(self) -> list[Message]:
        return sorted((one for kernel in self._kernels for one in kernel.requests), key=lambda one: one.seq)


def told(message: Message) -> dict[int, object]:
    """Return the attributes of a request."""
    return CONNTRACK.decode(message.payload, 4).values


def table_of(*entries: Entry, refuse: dict[int, int] | None = None) -> Answer:
    """Answer as a kernel that has `entries`, and refuses to delete those whose id is in `refuse`."""

    def answer(message: Message) -> list[bytes] | int:
        if message.type == GET:
            return [entry.to_payload() for entry in entries]
        return (refuse or {}).get(told(message).get(CtAttr.ID, 0), 0)  # type: ignore[call-overload,no-any-return]

    return answer


THREE = [connection(1, zone=5), connection(2), connection(3, zone=5, mark=7)]


class TestFlush:
    def test_everything(self) -> None:
        script = Script(table_of(*THREE))
        Conntrack(script.connection, "6.1.0").flush()
        assert [(one.type, told(one)) for one in script.requests] == [(DELETE, {})]

    @pytest.mark.parametrize("release", ["6.8.0", "6.12.3-amd64", "7.0"])
    def test_a_zone_where_the_kernel_heeds_it(self, release: str) -> None:
        script = Script(table_of(*THREE))
        Conntrack(script.connection, release).flush(zone=5)
        assert [(one.type, told(one)) for one in script.requests] == [(DELETE, {CtAttr.ZONE: 5})]

    @pytest.mark.parametrize("release", ["6.7.9", "5.15", "4.19.0-1", "unheard-of"])
    def test_a_zone_where_the_kernel_would_flush_everything(self, release: str) -> None:
        script = Script(table_of(*THREE))
        Conntrack(script.connection, release).flush(zone=5)
        asked, *deleted = script.requests
        assert asked.type == GET
        assert [one.type for one in deleted] == [DELETE, DELETE]
        assert [(told(one)[CtAttr.ID], told(one)[CtAttr.ZONE]) for one in deleted] == [(1, 5), (3, 5)]
        assert all(CtAttr.TUPLE_ORIG in told(one) for one in deleted)

    def test_zone_0_is_never_named(self) -> None:
        script = Script(table_of(*THREE))
        Conntrack(script.connection, "6.8").flush(zone=0)
        asked, *deleted = script.requests
        assert told(asked) == {}
        assert [told(one)[CtAttr.ID] for one in deleted] == [2]
        assert CtAttr.ZONE not in told(deleted[0])

    def test_one_connection_is_deleted_without_a_look(self) -> None:
        script = Script(table_of(*THREE))
        orig = THREE[0].orig
        pattern = TuplePattern(orig.src, orig.dst, 1, 53)
        Conntrack(script.connection).flush(Match(17, pattern), zone=5)
        assert [(one.type, told(one)) for one in script.requests] == [
            (DELETE, {CtAttr.TUPLE_ORIG: orig, CtAttr.ZONE: 5})
        ]

    def test_entries_that_went_meanwhile_do_not_matter(self) -> None:
        script = Script(table_of(*THREE, refuse={1: errno.ENOENT}))
        Conntrack(script.connection).flush(Match(protocol=17))
        assert len(script.requests) == 4

    def test_other_refusals_do(self) -> None:
        script = Script(table_of(*THREE, refuse={1: errno.ENOENT, 2: errno.EOPNOTSUPP}))
        with pytest.raises(NetlinkError, match="deleting a connection: Operation not supported"):
            Conntrack(script.connection).flush(Match(protocol=17))


class TestDump:
    def test_the_kernel_is_told_and_not_trusted(self) -> None:
        script = Script(table_of(*THREE))
        match = Match(mark=Masked(0xF07, 0xFF), orig=TuplePattern(dst=IPv4Address("10.0.0.2")))
        assert list(Conntrack(script.connection).dump(match, zone=5)) == [THREE[2]]
        (asked,) = script.requests
        assert asked.flags == c.NLM_F_REQUEST | c.NLM_F_DUMP
        assert asked.payload[0] == 2
        assert told(asked) == {CtAttr.ZONE: 5, CtAttr.MARK: 7, CtAttr.MARK_MASK: 0xFF}

    def test_all(self) -> None:
        assert list(Conntrack(Script(table_of(*THREE)).connection)) == THREE


def test_statistics() -> None:
    tcp = connection(4)._replace(orig=THREE[0].orig._replace(protocol=6))
    table = Conntrack(Script(table_of(*THREE, tcp)).connection)
    found = table.statistics()
    assert (found.total, dict(found.protocols), dict(found.tcp_states)) == (4, {17: 3, 6: 1}, {"CLOSED": 1})
    assert table.statistics(zone=5).total == 2


def test_get() -> None:
    assert Conntrack(Script(table_of(THREE[0])).connection).get(THREE[0].orig, zone=5) == THREE[0]
    with pytest.raises(NoSuchObject, match="reading a connection"):
        Conntrack(Script(lambda message: errno.ENOENT).connection).get(THREE[0].orig)
    with pytest.raises(NetlinkError, match="acknowledged without a reply"):
        Conntrack(Script(lambda message: []).connection).get(THREE[0].orig)
