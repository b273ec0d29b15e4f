from __future__ import annotations

import errno
import select
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dpif.errors import NoSuchObject
from dpif.netlink import constants as c
from dpif.netlink.loopback import LoopbackTransport
from dpif.netlink.message import pack_message, split


@pytest.fixture
def transport(toy: Any) -> Iterator[LoopbackTransport]:
    transport = LoopbackTransport(toy.service)
    yield transport
    transport.close()


def is_readable(transport: LoopbackTransport) -> bool:
    return bool(select.select([transport.fileno()], [], [], 0)[0])


def test_the_answer_is_there_when_send_returns(toy: Any, transport: LoopbackTransport) -> None:
    transport.send(pack_message(toy.family.id, c.NLM_F_REQUEST | c.NLM_F_ACK, 9, 0, toy.record(1, toy.ADD)))
    (ack,) = split(transport.recv(0))
    assert (ack.type, ack.seq, ack.port_id) == (c.NLMSG_ERROR, 9, transport.port_id)


def test_no_datagram_in_time(transport: LoopbackTransport) -> None:
    for timeout in (0, 0.01):
        with pytest.raises(BlockingIOError):
            transport.recv(timeout)


def test_two_ends_have_their_own_numbers_and_queues(toy: Any, transport: LoopbackTransport) -> None:
    other = LoopbackTransport(toy.service)
    assert other.port_id != transport.port_id
    toy.service.unicast(other.port_id, "toy", toy.record(1))
    assert other.recv(0)
    with pytest.raises(BlockingIOError):
        transport.recv(0)


def test_recv_waits_for_a_message(toy: Any, transport: LoopbackTransport) -> None:
    received: list[bytes] = []
    waiter = threading.Thread(target=lambda: received.append(transport.recv(60)))
    waiter.start()
    toy.service.unicast(transport.port_id, "toy", toy.record(1))
    waiter.join()
    assert len(received) == 1


def test_fileno_is_readable_as_long_as_there_is_something(toy: Any, transport: LoopbackTransport) -> None:
    toy.service.unicast(transport.port_id, "toy", toy.record(1))
    assert is_readable(transport), "also what came before the first look"
    toy.service.unicast(transport.port_id, "toy", toy.record(2))
    transport.recv(0)
    assert is_readable(transport)
    transport.recv(0)
    assert not is_readable(transport)
    transport.deliver(b"x")
    assert is_readable(transport)


def test_membership(toy: Any, transport: LoopbackTransport) -> None:
    group = toy.family.groups["toys"]
    transport.join_group(group)
    toy.service.notify("toy", "toys", toy.record(1))
    transport.leave_group(group)
    toy.service.notify("toy", "toys", toy.record(2))
    (event,) = split(transport.recv(0))
    assert toy.decode(event.payload) == 1
    with pytest.raises(BlockingIOError):
        transport.recv(0)
    with pytest.raises(NoSuchObject, match=r"join multicast group 999: .* there is no multicast group 999"):
        transport.join_group(999)


def test_a_full_queue_is_enobufs_once_ahead_of_what_is_left(toy: Any) -> None:
    transport = LoopbackTransport(toy.service, capacity=10)
    assert transport.deliver(b"first")
    assert transport.deliver(b"second")  # as in the kernel the limit may be passed once
    assert not transport.deliver(b"lost")
    assert is_readable(transport)
    with pytest.raises(OSError, match="buffer space") as caught:
        transport.recv(0)
    assert caught.value.errno == errno.ENOBUFS
    assert transport.recv(0) == b"first"
    assert not transport.deliver(b"lost"), "takes nothing until it is empty"
    assert transport.recv(0) == b"second"
    assert not is_readable(transport)
    assert transport.deliver(b"third")
    assert transport.recv(0) == b"third", "the second loss belongs to the same congestion"
    transport.close()


def test_datagrams_of_a_stream_are_made_when_they_are_read(transport: LoopbackTransport) -> None:
    made = []

    def datagrams() -> Any:
        for name in (b"a", b"b"):
            made.append(name)
            yield name

    transport.deliver(b"before")
    transport.stream(datagrams())
    transport.deliver(b"after")
    assert made == []
    assert [transport.recv(0) for _ in range(2)] == [b"before", b"a"]
    assert made == [b"a"]
    assert is_readable(transport)
    assert [transport.recv(0) for _ in range(2)] == [b"b", b"after"]
    assert not is_readable(transport)


def test_a_stream_at_its_end_is_nothing(transport: LoopbackTransport) -> None:
    transport.stream(iter([b"only"]))
    transport.recv(0)
    with pytest.raises(BlockingIOError):
        transport.recv(0)
    assert not is_readable(transport)


def test_close(toy: Any, transport: LoopbackTransport) -> None:
    transport.fileno()
    transport.join_group(toy.family.groups["toys"])
    transport.close()
    transport.close()
    assert not transport.deliver(b"late")
    transport.stream(iter([b"late"]))
    assert not toy.service.unicast(transport.port_id, "toy", toy.record(1))
    for call in (lambda: transport.recv(0), lambda: transport.send(b""), transport.fileno):
        with pytest.raises(OSError, match="closed") as caught:
            call()
        assert caught.value.errno == errno.EBADF


def test_close_wakes_who_waits(transport: LoopbackTransport) -> None:
    errors: list[OSError] = []

    def wait() -> None:
        try:
            transport.recv(60)
        except OSError as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    transport.close()
    waiter.join()
    assert [error.errno for error in errors] == [errno.EBADF]
