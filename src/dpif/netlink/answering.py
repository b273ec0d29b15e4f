"""The answering side of any netlink protocol: what ``net/netlink/af_netlink.c`` is to the kernel's sockets.

An `Answering` is given datagrams from peers. A subclass says what carries out a message and where its answers go
(`dpif.netlink.service` for generic netlink); here is what all protocols have in common:

* Messages of a datagram are carried out in order, whether earlier ones fail or not. What follows a message of
  impossible length is passed over.
* An acknowledgement comes after the reply, when asked for; a refusal always comes. It carries the header of
  the request and an extended ack, as for a socket that set ``NETLINK_CAP_ACK`` and ``NETLINK_EXT_ACK``.
* A dump is made as the peer reads it, up to 32 KiB at a time, and ends with ``NLMSG_DONE``. A `Refusal` by the
  call itself is an ``NLMSG_ERROR``; one raised while the rows are made becomes the code in ``NLMSG_DONE``.
  A second one before the first has been read is refused with EBUSY, where the peer says so.
* An answer that is too long for its attributes is EMSGSIZE, and where memory runs out it is ENOMEM.
* Multicast groups have members.

There are no privileges: who may reach the service may do all. This file knows no sockets.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from errno import EBUSY, EINVAL, EMSGSIZE, ENOENT, ENOMEM

from dpif._typing import Any, Final, NamedTuple, Protocol
from dpif.errors import DecodeError, EncodeError
from dpif.netlink import constants as c
from dpif.netlink.ack import Ack, pack_done, pack_error
from dpif.netlink.attributes import Buffer
from dpif.netlink.message import Message, pack_message, split

__all__ = ["Answering", "Call", "Command", "Peer", "Refusal"]

PART_BYTES: Final = 0x8000
"""The most bytes in one datagram of a dump, unless its only message is longer."""
PART_MESSAGES: Final = 64
"""The most messages in one datagram of a dump: while it is made others wait."""


class Refusal(Exception):
    """Raised by a handler to answer no: an errno (positive), and for the extended ack a text and an offset.

    ``bad_offset`` counts from the start of the request's ``nlmsghdr``.
    """

    def __init__(self, errno: int, explanation: str = "", bad_offset: int | None = None) -> None:
        self.errno = errno
        self.explanation = explanation
        self.bad_offset = bad_offset
        super().__init__(errno, explanation)


class Peer(Protocol):
    """One socket's worth of a client, as the service sees it. Neither method may call back into the service."""

    @property
    def port_id(self) -> int:
        """The number that `Service.new_port_id` gave it."""
        ...

    def deliver(self, datagram: bytes) -> bool:
        """Put a datagram in the peer's queue; False when that is full and the datagram lost."""
        ...

    def stream(self, datagrams: Iterator[bytes]) -> bool:
        """Put datagrams in the peer's queue that are made only when it reads them; False while such wait."""
        ...


class Call(NamedTuple):
    """A request as its handler sees it.

    ``payload`` starts with the generic header; a handler that decodes it as it is, not a part of it, has the
    offsets of its `DecodeError` point into the request. ``flags`` are the message's. ``wanted`` is False when
    nobody would get the reply, which then need not be made.
    """

    command: int
    version: int
    flags: int
    seq: int
    peer: Peer
    payload: memoryview
    wanted: bool


class Command(NamedTuple):
    """How a family carries out one command.

    ``do`` returns the payload of the reply, from the generic header on, or None for none; ``dump`` returns
    those of all rows. A command that changes something names the multicast ``group`` that is told.
    """

    do: Callable[[Call], bytes | None] | None = None
    dump: Callable[[Call], Iterable[bytes]] | None = None
    group: str | None = None


class Answering(ABC):
    """Answers the peers of one netlink protocol.

    ``lock`` (reentrant) is held while a handler runs and while the rows of a dump are made. Whoever changes
    what the handlers work on must hold it too; so that two locks cannot wait for each other, give the one that
    guards those things.
    """

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        self.lock: AbstractContextManager[Any] = threading.RLock() if lock is None else lock
        self._peers: dict[int, Peer] = {}
        self._members: dict[int, dict[int, Peer]] = {}  # by group, then by port id
        self._last_port_id = 0

    @abstractmethod
    def carry_out(self, message: Message, peer: Peer) -> bool:
        """Carry out a request and send its answers; tell whether those are a dump, which has its own end.

        Raises `Refusal` and `DecodeError` to answer no. What it raises besides is a bug, and passes through.
        """

    # Peers.

    def new_port_id(self) -> int:
        """Return a port id that no peer has had."""
        with self.lock:
            self._last_port_id += 1
            return self._last_port_id

    def connect(self, peer: Peer) -> None:
        """Make `peer` known, so that `unicast` can reach it."""
        with self.lock:
            self._peers[peer.port_id] = peer

    def drop(self, peer: Peer) -> None:
        """Forget `peer` and its memberships; nothing is sent to it any more."""
        with self.lock:
            self._peers.pop(peer.port_id, None)
            for members in self._members.values():
                members.pop(peer.port_id, None)

    def join(self, peer: Peer, group: int) -> None:
        """Make `peer` a member of a multicast group; raise `Refusal` (ENOENT) when there is none."""
        with self.lock:
            if group not in self._members:
                raise Refusal(ENOENT, f"there is no multicast group {group}")
            self._members[group][peer.port_id] = peer

    def leave(self, peer: Peer, group: int) -> None:
        """End a membership, if there is one."""
        with self.lock:
            self._members.get(group, {}).pop(peer.port_id, None)

    # Requests.

    def handle(self, datagram: Buffer, peer: Peer) -> None:
        """Carry out the requests in a datagram from `peer` and deliver the answers to it."""
        with self.lock:
            for _ in self.steps(datagram, peer):
                pass

    def steps(self, datagram: Buffer, peer: Peer) -> Iterator[None]:
        """Carry out one of the requests in a datagram at each step, so that others may have their turn in between."""
        for message in _whole_messages(datagram):
            with self.lock:
                self._answer(message, peer)
            yield

    def _answer(self, message: Message, peer: Peer) -> None:
        ack: Ack | None = Ack(0) if message.flags & c.NLM_F_ACK else None
        try:
            is_request = message.flags & c.NLM_F_REQUEST and message.type >= c.NLMSG_MIN_TYPE
            if is_request and self.carry_out(message, peer):
                ack = None
        except _NO as error:
            ack = _ack_of(error)
        if ack is not None:
            flags, payload = pack_error(ack, message)
            peer.deliver(pack_message(c.NLMSG_ERROR, flags, message.seq, peer.port_id, payload))

    def dump(self, type_id: int, call: Call, rows: Iterable[bytes]) -> None:
        """Send the payloads `rows` as messages of a type, made as the peer reads them."""
        if not call.peer.stream(self._datagrams(type_id, call, rows)):
            raise Refusal(EBUSY, "another dump is under way")

    def _datagrams(self, type_id: int, call: Call, rows: Iterable[bytes]) -> Iterator[bytes]:
        """Make the datagrams of a dump, holding the lock only while one is made."""
        messages = _dump_messages(type_id, call, rows)
        waiting = b""
        while True:
            with self.lock:
                part = [waiting] if waiting else []
                size = len(waiting)
                waiting = b""
                for message in messages:
                    if size and (size + len(message) > PART_BYTES or len(part) >= PART_MESSAGES):
                        waiting = message
                        break
                    part.append(message)
                    size += len(message)
            if not size:
                return
            yield b"".join(part)


def _whole_messages(datagram: Buffer) -> Iterator[Message]:
    messages = split(datagram)
    while True:
        try:
            message = next(messages, None)
        except DecodeError:
            return  # the kernel, too, drops the rest without a word: there is no header to answer to
        if message is None:
            return
        yield message


_NO: Final = (Refusal, DecodeError, EncodeError, MemoryError)
"""What a handler may raise that is an answer."""


def _ack_of(error: Exception) -> Ack:
    """Return the answer that one of `_NO` is."""
    if isinstance(error, Refusal):
        return Ack(error.errno, error.explanation, error.bad_offset)
    if isinstance(error, DecodeError):
        return Ack(EINVAL, str(error), c.NLMSG_HDRLEN + error.offset)
    return Ack(ENOMEM) if isinstance(error, MemoryError) else Ack(EMSGSIZE, f"the answer is too long: {error}")


def _dump_messages(type_id: int, call: Call, rows: Iterable[bytes]) -> Iterator[bytes]:
    ack = Ack(0)
    try:
        for payload in rows:
            yield pack_message(type_id, c.NLM_F_MULTI, call.seq, call.peer.port_id, payload)
    except _NO as error:
        ack = _ack_of(error)
    flags, payload = pack_done(ack)
    yield pack_message(c.NLMSG_DONE, flags, call.seq, call.peer.port_id, payload)
