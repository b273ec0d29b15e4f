"""What of dispatch needs no datapath: counts, priorities, turns."""

from __future__ import annotations

import errno
import socket

import pytest

from dpif.client import queue_to_priority
from dpif.client.channels import Channels
from dpif.client.dispatch import cpu_count, recommended_handlers
from dpif.errors import EncodeError


@pytest.mark.parametrize(
    ("active", "total", "handlers"),
    [(1, 1, 1), (0, 1, 1), (2, 2, 2), (1, 2, 1), (4, 8, 5), (5, 8, 7), (7, 8, 8), (8, 8, 8), (10, 64, 11), (1, 4, 2)],
)
def test_handlers_are_a_prime_number_above_the_processors(active: int, total: int, handlers: int) -> None:
    assert recommended_handlers(active, total) == handlers


def test_there_is_a_processor() -> None:
    assert cpu_count() >= 1


def test_a_queue_has_a_priority() -> None:
    assert queue_to_priority(0) == 0x10001
    assert queue_to_priority(0xEFFF) == 0x1F000


@pytest.mark.parametrize("queue", [-1, 0xF000])
def test_other_queues_have_none(queue: int) -> None:
    with pytest.raises(EncodeError, match="is not a queue with a priority"):
        queue_to_priority(queue)


class Pipe:
    """A transport that others write to."""

    made = 0

    def __init__(self) -> None:
        Pipe.made += 1
        self.port_id = Pipe.made
        self.lose = False
        self.writer, self._reader = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reader.setblocking(False)

    def send(self, datagram: bytes) -> None:
        raise AssertionError

    def recv(self, timeout: float | None = None) -> bytes:
        if self.lose:
            self.lose = False
            raise OSError(errno.ENOBUFS, "lost")
        self._reader.settimeout(timeout)
        try:
            return self._reader.recv(100)
        except TimeoutError:
            raise BlockingIOError from None

    def fileno(self) -> int:
        return self._reader.fileno()

    def join_group(self, group: int) -> None:
        raise AssertionError

    def leave_group(self, group: int) -> None:
        raise AssertionError

    def close(self) -> None:
        self.writer.close()
        self._reader.close()


class TestChannels:
    def make(self, count: int) -> tuple[Channels, list[Pipe]]:
        pipes: list[Pipe] = []

        def dial() -> Pipe:
            pipes.append(Pipe())
            return pipes[-1]

        channels = Channels(dial)
        channels.widen(count)
        return channels, pipes

    def test_each_has_its_turn(self) -> None:
        channels, pipes = self.make(3)
        for number in range(4):
            pipes[0].writer.send(b"a%d" % number)
        pipes[1].writer.send(b"b0")
        pipes[2].writer.send(b"c0")
        pipes[2].writer.send(b"c1")
        assert [channels.recv(0) for _ in range(7)] == [b"a0", b"b0", b"c0", b"a1", b"c1", b"a2", b"a3"]
        with pytest.raises(BlockingIOError):
            channels.recv(0)
        channels.close()

    def test_one_that_wakes_for_nothing_does_not_end_the_wait(self) -> None:
        channels, pipes = self.make(2)
        pipes[0].writer.send(b"a")
        pipes[1].writer.send(b"b")
        assert channels.recv(0) == b"a"
        assert pipes[1].recv(0) == b"b"  # somebody else took what it was ready for
        with pytest.raises(BlockingIOError):
            channels.recv(0.01)
        channels.close()

    def test_a_loss_is_told_and_the_others_still_have_their_turn(self) -> None:
        channels, pipes = self.make(2)
        pipes[0].writer.send(b"a")
        pipes[1].writer.send(b"b")
        pipes[0].lose = True
        with pytest.raises(OSError, match="lost"):
            channels.recv(0)
        assert channels.recv(0) == b"b"
        assert channels.recv(0) == b"a"
        channels.close()

    def test_alone_it_is_the_transport_itself(self) -> None:
        channels, pipes = self.make(1)
        assert (channels.port_id, channels.fileno()) == (pipes[0].port_id, pipes[0].fileno())
        assert list(channels.port_ids) == [pipes[0].port_id]
        pipes[0].writer.send(b"a")
        assert channels.recv(1) == b"a"
        channels.close()
