"""The answering side: what the kernel is to its sockets, for any generic netlink family.

A `Service` is given families, each a table from command to handlers, and datagrams from peers. It finds the
handler, and sends what the kernel would send (``net/netlink/af_netlink.c``, ``genetlink.c``):

* Messages of a datagram are carried out in order, whether earlier ones fail or not. What follows a message of
  impossible length is passed over.
* A command that reads has its reply sent to the requester. A command that changes something (`Command.group`)
  has its record sent to the members of that multicast group, and to the requester only when it asked for an
  ``ECHO``; then the requester gets no second copy as a member.
* An acknowledgement comes after the reply, when asked for; a refusal always comes. It carries the header of
  the request and an extended ack, as for a socket that set ``NETLINK_CAP_ACK`` and ``NETLINK_EXT_ACK``.
* Refused before any handler: a family that does not exist (ENOENT), a message shorter than its headers
  (EINVAL), a command without a handler of the kind that is asked for (EOPNOTSUPP).
* A dump is made as the peer reads it, up to 32 KiB at a time, and ends with ``NLMSG_DONE``. A `Refusal` by the
  call itself is an ``NLMSG_ERROR``; one raised while the rows are made becomes the code in ``NLMSG_DONE``.

The family ``nlctrl``, which describes the others, is always there. There are no privileges: who may reach the
service may do all. This file knows no other family, and no sockets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from errno import EINVAL, ENOENT, EOPNOTSUPP
from typing import Any, Final, NamedTuple, Protocol

from dpif.errors import DecodeError
from dpif.netlink import constants as c
from dpif.netlink.ack import Ack, pack_done, pack_error
from dpif.netlink.attributes import Buffer
from dpif.netlink.generic import CTRL, GENL_HDRLEN, CtrlAttr, Family, encode_family, unpack_header
from dpif.netlink.message import Message, pack_message, split

__all__ = ["Call", "Command", "Peer", "Refusal", "Service"]

PART_BYTES: Final = 0x8000
"""The most bytes in one datagram of a dump, unless its only message is longer."""


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

    def stream(self, datagrams: Iterator[bytes]) -> None:
        """Put datagrams in the peer's queue that are made only when it reads them."""
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


class _Served(NamedTuple):
    family: Family
    commands: Mapping[int, Command]
    max_attribute: int

    def describe(self) -> bytes:
        operations = {
            number: (c.GENL_CMD_CAP_DO if command.do else 0) | (c.GENL_CMD_CAP_DUMP if command.dump else 0)
            for number, command in self.commands.items()
        }
        return encode_family(self.family, operations, self.max_attribute)


class Service:
    """Serves generic netlink families to peers.

    ``lock`` (reentrant) is held while a handler runs and while the rows of a dump are made. Whoever changes
    what the handlers work on must hold it too; so that two locks cannot wait for each other, give the one that
    guards those things.
    """

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        self.lock: AbstractContextManager[Any] = threading.RLock() if lock is None else lock
        self._served: dict[int, _Served] = {}
        self._ids: dict[str, int] = {}
        self._peers: dict[int, Peer] = {}
        self._members: dict[int, dict[int, Peer]] = {}  # by group, then by port id
        self._last_port_id = 0
        nlctrl = Command(do=self._get_family, dump=self._dump_families)
        self.add_family(c.CTRL_FAMILY, {c.CTRL_CMD_GETFAMILY: nlctrl}, version=c.CTRL_VERSION)

    def add_family(
        self,
        name: str,
        commands: Mapping[int, Command],
        *,
        version: int = 1,
        header_size: int = 0,
        groups: Sequence[str] = (),
        max_attribute: int = 0,
    ) -> Family:
        """Offer a family; its id and those of its multicast groups are chosen here."""
        with self.lock:
            numbers = range(len(self._members) + 1, len(self._members) + 1 + len(groups))
            id_ = c.GENL_ID_CTRL + len(self._served)
            family = Family(name, id_, version, header_size, dict(zip(groups, numbers, strict=True)))
            self._members.update((number, {}) for number in numbers)
            self._served[id_] = _Served(family, commands, max_attribute)
            self._ids[name] = id_
        return family

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

    # Messages on the service's own account.

    def unicast(self, port_id: int, family: str, payload: bytes) -> bool:
        """Send a message to one peer; False when there is none or its queue is full."""
        with self.lock:
            peer = self._peers.get(port_id)
            return peer is not None and peer.deliver(pack_message(self._ids[family], 0, 0, 0, payload))

    def notify(self, family: str, group: str, payload: bytes, cause: Call | None = None) -> None:
        """Send a message to the members of a group, with the numbers of the request that caused it, if any.

        A requester that asked for an echo is left out: it has its own copy.
        """
        with self.lock:
            served = self._served[self._ids[family]].family
            seq, port_id = (0, 0) if cause is None else (cause.seq, cause.peer.port_id)
            left_out = port_id if cause is not None and cause.flags & c.NLM_F_ECHO else None
            datagram = pack_message(served.id, 0, seq, port_id, payload)
            for peer in tuple(self._members[served.groups[group]].values()):
                if peer.port_id != left_out:
                    peer.deliver(datagram)

    # Requests.

    def handle(self, datagram: Buffer, peer: Peer) -> None:
        """Carry out the requests in a datagram from `peer` and deliver the answers to it.

        What a handler raises besides `Refusal` and `DecodeError` is a bug, and passes through.
        """
        with self.lock:
            for message in _whole_messages(datagram):
                self._answer(message, peer)

    def _answer(self, message: Message, peer: Peer) -> None:
        ack: Ack | None = Ack(0) if message.flags & c.NLM_F_ACK else None
        try:
            if message.flags & c.NLM_F_REQUEST and message.type >= c.NLMSG_MIN_TYPE:
                is_dump = self._carry_out(message, peer)
                ack = None if is_dump else ack
        except (Refusal, DecodeError) as error:
            ack = _ack_of(error)
        if ack is not None:
            flags, payload = pack_error(ack, message)
            peer.deliver(pack_message(c.NLMSG_ERROR, flags, message.seq, peer.port_id, payload))

    def _carry_out(self, message: Message, peer: Peer) -> bool:
        """Call the handler and send what it returns; tell whether that is a dump, which has its own end."""
        served = self._served.get(message.type)
        if served is None:
            raise Refusal(ENOENT)
        family = served.family
        if len(message.payload) < GENL_HDRLEN + family.header_size:
            raise Refusal(EINVAL)
        number, version = unpack_header(message.payload)
        command = served.commands.get(number, Command())
        wanted = (
            command.group is None
            or bool(message.flags & c.NLM_F_ECHO)
            or bool(self._members[family.groups[command.group]])
        )
        call = Call(number, version, message.flags, message.seq, peer, message.payload, wanted)
        if message.flags & c.NLM_F_DUMP == c.NLM_F_DUMP:
            if command.dump is None:
                raise Refusal(EOPNOTSUPP)
            peer.stream(self._datagrams(family.id, call, command.dump(call)))
            return True
        if command.do is None:
            raise Refusal(EOPNOTSUPP)
        payload = command.do(call)
        if payload is not None:
            self._reply(family, command, call, payload)
        return False

    def _reply(self, family: Family, command: Command, call: Call, payload: bytes) -> None:
        if command.group is not None:
            self.notify(family.name, command.group, payload, call)
        if command.group is None or call.flags & c.NLM_F_ECHO:
            port_id = call.peer.port_id
            call.peer.deliver(pack_message(family.id, 0, call.seq, port_id, payload))

    def _datagrams(self, type_id: int, call: Call, rows: Iterable[bytes]) -> Iterator[bytes]:
        """Make the datagrams of a dump, holding the lock only while one is made."""
        messages = _dump_messages(type_id, call, rows)
        waiting = b""
        while True:
            with self.lock:
                part = [waiting]
                size = len(waiting)
                waiting = b""
                for message in messages:
                    if size and size + len(message) > PART_BYTES:
                        waiting = message
                        break
                    part.append(message)
                    size += len(message)
            if not size:
                return
            yield b"".join(part)

    # nlctrl.

    def _get_family(self, call: Call) -> bytes:
        values = CTRL.decode(call.payload, GENL_HDRLEN).values
        if CtrlAttr.FAMILY_NAME in values:
            id_ = self._ids.get(values[CtrlAttr.FAMILY_NAME])
        elif CtrlAttr.FAMILY_ID in values:
            id_ = values[CtrlAttr.FAMILY_ID]
        else:
            raise Refusal(EINVAL, "neither the id nor the name of a family")
        if id_ not in self._served:
            raise Refusal(ENOENT)
        return self._served[id_].describe()

    def _dump_families(self, call: Call) -> list[bytes]:
        return [served.describe() for served in self._served.values()]


def _whole_messages(datagram: Buffer) -> list[Message]:
    messages: list[Message] = []
    try:
        for message in split(datagram):
            messages.append(message)
    except DecodeError:
        pass  # the kernel, too, drops the rest without a word: there is no header to answer to
    return messages


def _ack_of(error: Refusal | DecodeError) -> Ack:
    if isinstance(error, Refusal):
        return Ack(error.errno, error.explanation, error.bad_offset)
    return Ack(EINVAL, str(error), c.NLMSG_HDRLEN + error.offset)


def _dump_messages(type_id: int, call: Call, rows: Iterable[bytes]) -> Iterator[bytes]:
    ack = Ack(0)
    try:
        for payload in rows:
            yield pack_message(type_id, c.NLM_F_MULTI, call.seq, call.peer.port_id, payload)
    except (Refusal, DecodeError) as error:
        ack = _ack_of(error)
    flags, payload = pack_done(ack)
    yield pack_message(c.NLMSG_DONE, flags, call.seq, call.peer.port_id, payload)
