"""A connection to a service in this process: both real ends, no network."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dpif.errors import (
    AlreadyExists,
    DecodeError,
    DumpInterrupted,
    NetlinkError,
    NoSuchObject,
    Unavailable,
)
from dpif.netlink import constants as c
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request
from dpif.netlink.generic import Family, get_family, list_families
from dpif.netlink.loopback import LoopbackTransport
from dpif.netlink.message import pack_message, split


class Link(LoopbackTransport):
    """A loopback that a test can disturb: `edit` changes each datagram that arrives, or raises instead of it."""

    edit: Callable[[bytes], bytes] | None = None
    closed = False

    def recv(self, timeout: float | None = None) -> bytes:
        datagram = super().recv(timeout)
        return datagram if self.edit is None else self.edit(datagram)

    def close(self) -> None:
        self.closed = True
        super().close()


class Dialer:
    """Makes links and remembers them."""

    def __init__(self, toy: Any) -> None:
        self._service = toy.service
        self.links: list[Link] = []
        self.edit: Callable[[bytes], bytes] | None = None

    def __call__(self) -> Link:
        link = Link(self._service)
        link.edit = self.edit
        self.links.append(link)
        return link


@pytest.fixture
def dial(toy: Any) -> Dialer:
    return Dialer(toy)


@pytest.fixture
def connection(dial: Dialer) -> Any:
    with Connection(dial) as connection:
        yield connection


def lose(datagram: bytes) -> bytes:
    raise OSError(errno.ENOBUFS, "lost")


def test_transact(toy: Any, connection: Connection, dial: Dialer) -> None:
    assert connection.transact(toy.add(1)) is None
    assert connection.transact(toy.add(2, c.NLM_F_ECHO)) == 2
    assert connection.transact(toy.get(1)) == 1
    with pytest.raises(AlreadyExists, match="ask 1 of 2: File exists: the row is there") as caught:
        connection.transact(toy.add(2))
    assert caught.value.bad_offset == 20
    assert len(dial.links) == 1, "one transport serves one exchange after the other"


def test_every_exchange_has_its_own_sequence_number(toy: Any, connection: Connection) -> None:
    connection.batch([toy.add(number) for number in range(3)])
    connection.transact(toy.add(3))
    seqs = [call.seq for call in toy.calls]
    assert len(set(seqs)) == 4
    assert min(seqs) > 0


def test_sequence_numbers_stay_below_the_sign_bit(toy: Any, connection: Connection) -> None:
    connection.family("toy")
    connection._next_seq = 0x7FFFFFFD
    connection.batch([toy.add(number) for number in range(3)])
    assert [call.seq for call in toy.calls] == [1, 2, 3]


def test_families_are_looked_up_once(toy: Any, connection: Connection) -> None:
    assert connection.family("toy") == toy.family
    toy.service.handle = None  # any further question would fail
    assert connection.family("toy") == toy.family


def test_unknown_family(toy: Any, connection: Connection) -> None:
    with pytest.raises(Unavailable, match="there is no generic netlink family late"):
        connection.family("late")
    toy.service.add_family("late", {})
    assert connection.family("late").name == "late"


def test_a_fixed_message_type_is_not_looked_up(connection: Connection) -> None:
    all_, one = (
        Request(asked.kind._replace(family=c.GENL_ID_CTRL), asked.body)
        for asked in (list_families(), get_family("toy"))
    )
    assert [family.name for family in connection.dump(all_)] == ["nlctrl", "toy"]
    assert connection.transact(one) == connection.family("toy")


def test_groups(toy: Any, connection: Connection) -> None:
    assert connection.group("toy", "toys") == toy.family.groups["toys"]
    assert connection.group("toy", "none", fallback=33) == 33
    with pytest.raises(Unavailable, match="family toy has no multicast group none"):
        connection.group("toy", "none")


def test_batch(toy: Any, connection: Connection) -> None:
    toy.rows[7] = None
    requests = [toy.add(1), toy.add(7), toy.add(2, c.NLM_F_ECHO), get_family("toy"), toy.get(99)]
    first, second, third, fourth, fifth = connection.batch(requests)
    assert first is None
    assert isinstance(second, AlreadyExists)
    assert third == 2
    assert isinstance(fourth, Family)
    assert isinstance(fifth, NoSuchObject)
    assert list(toy.rows) == [7, 1, 2]


@pytest.mark.parametrize("count", [0, 1, 128, 129, 300])
def test_batches_of_any_size(toy: Any, connection: Connection, count: int) -> None:
    results = connection.batch([toy.add(number, c.NLM_F_ECHO) for number in range(count)])
    assert results == list(range(count))


def test_a_loss_in_a_batch_is_an_error_for_the_unanswered(toy: Any, connection: Connection, dial: Dialer) -> None:
    connection.family("toy")
    replies = iter([lambda datagram: datagram, lose])
    dial.links[0].edit = lambda datagram: next(replies, lambda rest: rest)(datagram)
    requests = [toy.add(1, c.NLM_F_ECHO), toy.add(2, c.NLM_F_ECHO)]
    results = connection.batch(requests)
    assert [result.errno for result in results] == [errno.ENOBUFS] * 2
    assert connection.transact(toy.get(2)) == 2, "late answers do no harm"


def test_dump(toy: Any, connection: Connection) -> None:
    toy.rows = dict.fromkeys(range(5000))
    assert list(connection.dump(toy.ask(toy.GET))) == list(range(5000))
    assert connection.dump_all(toy.ask(toy.GET)) == list(range(5000))
    assert [family.name for family in connection.dump(list_families())] == ["nlctrl", "toy"]


def test_a_dump_raises_after_its_rows(toy: Any, connection: Connection) -> None:
    rows = connection.dump(toy.ask(toy.LATE))
    assert next(rows) == 1
    with pytest.raises(NoSuchObject, match="it went away"):
        next(rows)
    with pytest.raises(NoSuchObject):
        list(connection.dump(toy.ask(toy.REFUSED)))
    with pytest.raises(NetlinkError, match="Operation not supported"):
        list(connection.dump(toy.ask(toy.ADD)))


def test_requests_while_a_dump_is_read(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(5000))
    for number in connection.dump(toy.ask(toy.GET)):
        if number % 1000 == 0:
            assert connection.transact(toy.get(number)) == number
            assert next(connection.dump(list_families())).name == "nlctrl"
    assert number == 4999


def test_an_abandoned_dump_leaves_the_connection_usable(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(5000))
    connection.family("toy")
    rows = connection.dump(toy.ask(toy.GET))
    assert next(rows) == 0
    rows.close()  # type: ignore[attr-defined]
    assert dial.links[0].closed
    assert connection.transact(toy.get(7)) == 7
    assert connection.dump_all(toy.ask(toy.GET)) == list(range(5000))


def interrupt(datagram: bytes) -> bytes:
    return b"".join(
        pack_message(m.type, m.flags | c.NLM_F_DUMP_INTR, m.seq, m.port_id, bytes(m.payload)) for m in split(datagram)
    )


def test_an_interrupted_dump_gives_its_rows_and_raises(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(3))
    connection.family("toy")
    dial.links[0].edit = interrupt
    rows = connection.dump(toy.ask(toy.GET))
    assert [next(rows), next(rows), next(rows)] == [0, 1, 2]
    with pytest.raises(DumpInterrupted):
        next(rows)


def test_an_interrupted_dump_is_tried_again(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(3))
    connection.family("toy")
    tries = []

    def twice(datagram: bytes) -> bytes:
        tries.append(datagram)
        return interrupt(datagram) if len(tries) <= 2 else datagram

    dial.edit = dial.links[0].edit = twice
    assert connection.dump_all(toy.ask(toy.GET)) == [0, 1, 2]
    assert len(tries) == 3


def test_a_dump_interrupted_at_every_try_carries_the_rows(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(3))
    connection.family("toy")
    dial.edit = dial.links[0].edit = interrupt
    with pytest.raises(DumpInterrupted) as caught:
        connection.dump_all(toy.ask(toy.GET), retries=1)
    assert caught.value.rows == [0, 1, 2]


def test_lost_rows_are_an_error_and_the_transport_is_given_up(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(5000))
    connection.family("toy")
    dial.links[0].edit = lose
    with pytest.raises(NetlinkError, match="rows were lost"):
        list(connection.dump(toy.ask(toy.GET)))
    assert dial.links[0].closed
    assert connection.dump_all(toy.ask(toy.GET)) == list(range(5000))


def test_a_lost_answer(toy: Any, connection: Connection, dial: Dialer) -> None:
    connection.family("toy")
    dial.links[0].edit = lose
    with pytest.raises(NetlinkError, match=r"ask 1 of 1: .* the answer was lost"):
        connection.transact(toy.add(1))
    dial.links[0].edit = None
    assert connection.transact(toy.get(1)) == 1


def test_answers_that_cannot_be_read(toy: Any, connection: Connection) -> None:
    with pytest.raises(DecodeError, match="6 bytes are not a row"):
        connection.transact(toy.ask(toy.BROKEN))
    with pytest.raises(DecodeError, match="6 bytes are not a row"):
        list(connection.dump(toy.ask(toy.BROKEN)))
    first, second = connection.batch([toy.ask(toy.BROKEN), toy.add(1)])
    assert isinstance(first, DecodeError)
    assert second is None


def test_a_datagram_that_is_no_message(toy: Any, connection: Connection, dial: Dialer) -> None:
    connection.family("toy")
    dial.links[0].edit = lambda datagram: b"garbage"
    with pytest.raises(DecodeError):
        connection.transact(toy.add(1))
    assert dial.links[0].closed
    assert connection.transact(toy.get(1)) == 1


def test_an_answer_that_does_not_come(toy: Any, dial: Dialer) -> None:
    with Connection(dial, timeout=0.01) as connection:
        connection.family("toy")
        toy.service.handle = lambda datagram, peer: None
        with pytest.raises(NetlinkError, match=r"ask 1 of 1: .* no answer within 0\.01 seconds") as caught:
            connection.transact(toy.add(1))
    assert caught.value.errno == errno.ETIMEDOUT
    assert dial.links[0].closed


def test_other_failures_of_the_transport_pass_through(toy: Any, connection: Connection, dial: Dialer) -> None:
    def fail(datagram: bytes) -> bytes:
        raise OSError(errno.ECONNRESET, "gone")

    dial.edit = fail
    with pytest.raises(OSError, match="gone"):
        connection.family("toy")


def test_close(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(5000))
    rows = connection.dump(toy.ask(toy.GET))
    assert next(rows) == 0
    connection.transact(toy.get(0))
    busy, idle = dial.links
    connection.close()
    assert (busy.closed, idle.closed) == (False, True)
    assert sum(1 for _ in rows) == 4999
    assert busy.closed
    with pytest.raises(Unavailable, match="the connection is closed"):
        connection.transact(toy.get(0))
    connection.close()


def test_the_pool_keeps_a_few(toy: Any, connection: Connection, dial: Dialer) -> None:
    toy.rows = dict.fromkeys(range(5000))
    dumps = [connection.dump(toy.ask(toy.GET)) for _ in range(8)]
    for rows in dumps:
        next(rows)
    for rows in dumps:
        assert sum(1 for _ in rows) == 4999
    assert len(dial.links) == 8
    assert sum(not link.closed for link in dial.links) == 4


def test_threads_do_not_get_each_others_answers(toy: Any, connection: Connection) -> None:
    toy.rows = dict.fromkeys(range(400))
    wrong: list[object] = []

    def work(start: int) -> None:
        for number in range(start, start + 100):
            answer = connection.transact(toy.get(number))
            if answer != number:
                wrong.append((number, answer))

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
