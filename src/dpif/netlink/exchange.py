"""The four kinds of exchange, as values that do no input or output.

An exchange is made from a `Request`; it offers datagrams to send and is fed the datagrams that arrive, until it
is ``done``; then it gives its result or raises. Whoever owns a transport moves the bytes: see `Connection`.

``Transaction``
    One request, one answer. It asks for an acknowledgement, which the peer sends after any reply, so the
    acknowledgement is always the end.
``Batch``
    Many transactions in few datagrams, each with its own result. Only the last message of a datagram asks for
    an acknowledgement: a peer reports a failure whether asked to or not, and answers in order, so the end of
    the last request is the end of all, and silence about an earlier one means success.
``Dump``
    One request, many answers in datagrams of their own, ended by ``NLMSG_DONE``. The peer's table may change
    meanwhile; a peer that notices says so (``interrupted``).
``Subscription``
    No request: messages that come on their own account, to the members of a multicast group or (upcalls) to
    one port id. When the receiver is too slow the peer drops some, and the receiver learns that, not which:
    the place of the loss is marked by an `Overrun`.

A message belongs to an exchange when both its sequence number and its port id are the request's; all others are
passed over, among them late answers to an exchange that was given up. Both are needed: a notification carries
the numbers of the request that caused it, which may be another process's. The port id 0, for a sender that
does not know its own, is not compared.

Whatever a peer sends ends in a value or a `DecodeError`. This file knows nothing of families; it is given
their ids.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from errno import ENOBUFS

from dpif._typing import Any, Final, Generic, NamedTuple, TypeVar
from dpif.errors import DecodeError, DpifError
from dpif.netlink import constants as c
from dpif.netlink.ack import Ack, unpack_done, unpack_error
from dpif.netlink.attributes import Buffer
from dpif.netlink.message import HEADER, Message, pack_message, split

__all__ = ["Batch", "Dump", "Overrun", "Request", "Subscription", "Transaction"]

T = TypeVar("T")

BATCH_MESSAGES: Final = 128
"""The most messages in one datagram of a batch; more gain nothing."""
BATCH_BYTES: Final = 0x10000
"""The most bytes in one datagram of a batch, unless its only message is longer."""

_LENGTH_SIZE: Final = 4
_LENGTH_AND_REST = struct.Struct(f"=I{c.NLMSG_HDRLEN - _LENGTH_SIZE}s")
"""A message's header, of which only the length is looked into."""

_LOST = Ack(ENOBUFS, "the answer was lost; the request may have been carried out")


class Request(NamedTuple, Generic[T]):
    """What to ask of a peer, and how to read an answer.

    ``family`` is the name of a generic netlink family, whose number is looked up, or the message type itself
    in a protocol whose types are fixed. ``payload`` is everything after the ``nlmsghdr``: the headers of the
    protocol, attributes. ``decode`` takes the same part of a reply. ``flags`` are ``NLM_F_*`` besides
    ``REQUEST``, ``ACK`` and ``DUMP``, which the exchange adds. ``operation`` says in words what is asked
    (``add port v0 to dp0``), for errors. ``reply_type`` is the type of the answers where it is not that of the
    request: generic netlink answers in the family's one type, nfnetlink answers a GET with a NEW.
    """

    family: str | int
    payload: bytes
    decode: Callable[[Buffer], T]
    flags: int = 0
    operation: str = ""
    reply_type: int | None = None

    def answer_type(self, type_id: int) -> int:
        """Return the type of the answers to this request when it is sent with type `type_id`."""
        return type_id if self.reply_type is None else self.reply_type


class _Slot(Generic[T]):
    """One transaction's place in an exchange: what has come for it so far."""

    __slots__ = ("_type", "answered", "error", "reply", "request")

    def __init__(self, request: Request[T], type_id: int) -> None:
        self.request = request
        self.reply: T | None = None
        self.error: DpifError | None = None
        self.answered = False
        self._type = request.answer_type(type_id)

    def take(self, message: Message) -> None:
        """Note what `message`, which answers this request, says."""
        try:
            if message.type == c.NLMSG_ERROR:
                self.answered = True
                self.error = unpack_error(message).error(self.request.operation) or self.error
            elif message.type == self._type:
                if self.reply is None:
                    self.reply = self.request.decode(message.payload)
            elif message.type >= c.NLMSG_MIN_TYPE:
                raise DecodeError(f"a reply of type {message.type} where {self._type} belongs")
        except DecodeError as error:
            self.error = error

    def lose(self) -> None:
        """Note that the answer, unless it is here, will not come."""
        if not self.answered:
            self.answered = True
            self.error = _LOST.error(self.request.operation)


class Transaction(Generic[T]):
    """One request and its answer."""

    def __init__(self, request: Request[T], type_id: int, seq: int, port_id: int = 0) -> None:
        self._slot = _Slot(request, type_id)
        self._seq = seq
        self._port_id = port_id
        flags = c.NLM_F_REQUEST | c.NLM_F_ACK | request.flags
        self.datagram = pack_message(type_id, flags, seq, port_id, request.payload)

    @property
    def done(self) -> bool:
        """Tell whether the acknowledgement has come."""
        return self._slot.answered

    def feed(self, datagram: Buffer) -> None:
        """Take a datagram that arrived; raise `DecodeError` when it cannot be split into messages."""
        for message in split(datagram):
            if message.seq == self._seq and _is_ours(message, self._port_id):
                self._slot.take(message)

    def overrun(self) -> None:
        """Take note that the transport lost messages (ENOBUFS): the answer will not come."""
        self._slot.lose()

    def result(self) -> T | None:
        """Return the first reply, None when there was none but the acknowledgement; raise what went wrong."""
        if self._slot.error is not None:
            raise self._slot.error
        return self._slot.reply


class Batch:
    """Many requests in few datagrams. `type_ids` maps each ``family`` of the requests to its message type.

    The sequence numbers run from `seq` on, one for each request. Send the datagrams one at a time, and feed
    what arrives until ``answered`` has counted the one that was sent: the answers to one datagram fit a
    receive buffer, those to all may not.
    """

    def __init__(
        self, requests: Sequence[Request[Any]], type_ids: Mapping[str | int, int], seq: int, port_id: int = 0
    ) -> None:
        self._requests = requests
        self._type_ids = type_ids
        self._slots: dict[int, _Slot[Any]] = {}  # of those requests, by their index, for which something has come
        self._seq = seq
        self._port_id = port_id
        self._ends: list[int] = []  # for each datagram, the index after its last request
        self.datagrams: tuple[bytes, ...] = tuple(self._pack(requests, type_ids))
        self.answered = 0

    def _pack(self, requests: Sequence[Request[Any]], type_ids: Mapping[str | int, int]) -> Iterator[bytes]:
        """Yield the datagrams, each as long as it may be."""
        messages: list[bytes] = []
        size = 0
        header_size, request_flag, port_id, pack = c.NLMSG_HDRLEN, c.NLM_F_REQUEST, self._port_id, HEADER.pack
        for index, (family, payload, _, flags, _, _) in enumerate(requests):
            length = header_size + len(payload)
            if messages and (len(messages) == BATCH_MESSAGES or size + length > BATCH_BYTES):
                yield self._datagram(messages, index)
                messages, size = [], 0
            size += length
            header = pack(length, type_ids[family], request_flag | flags, self._seq + index, port_id)
            messages.append(header + payload + bytes(-length & 3) if length & 3 else header + payload)
        if messages:
            yield self._datagram(messages, len(requests))

    def _datagram(self, messages: list[bytes], end: int) -> bytes:
        """Return a datagram whose last message, the request before index `end`, asks for an acknowledgement."""
        self._ends.append(end)
        last = self._requests[end - 1]
        flags = c.NLM_F_REQUEST | c.NLM_F_ACK | last.flags
        type_id = self._type_ids[last.family]
        messages[-1] = pack_message(type_id, flags, self._seq + end - 1, self._port_id, last.payload)
        return b"".join(messages)

    @property
    def done(self) -> bool:
        """Tell whether every datagram is answered."""
        return self.answered == len(self.datagrams)

    def feed(self, datagram: Buffer) -> None:
        """Take a datagram that arrived; raise `DecodeError` when it cannot be split into messages."""
        for message in split(datagram):
            index = message.seq - self._seq
            if 0 <= index < len(self._requests) and _is_ours(message, self._port_id):
                self._slot(index).take(message)
        while not self.done and self._slot(self._ends[self.answered] - 1).answered:
            self.answered += 1

    def _slot(self, index: int) -> _Slot[Any]:
        slot = self._slots.get(index)
        if slot is None:
            request = self._requests[index]
            slot = self._slots[index] = _Slot(request, self._type_ids[request.family])
        return slot

    def overrun(self) -> None:
        """Take note that the transport lost messages (ENOBUFS).

        Of the requests in the datagram under way those without an answer so far are lost, for their silence no
        longer means success.
        """
        if self.done:
            return
        start = self._ends[self.answered - 1] if self.answered else 0
        for index in range(start, self._ends[self.answered]):
            self._slot(index).lose()
        self.answered += 1

    def results(self) -> list[Any]:
        """Return for each request, in order, its first reply, None, or the `DpifError` that befell it."""
        results: list[Any] = [None] * len(self._requests)
        for index, slot in self._slots.items():
            results[index] = slot.reply if slot.error is None else slot.error
        return results


class Dump(Generic[T]):
    """One request and its many answers, the rows."""

    def __init__(self, request: Request[T], type_id: int, seq: int, port_id: int = 0) -> None:
        self._request = request
        self._type = request.answer_type(type_id)
        self._seq = seq
        self._port_id = port_id
        self._end: Ack | None = None
        self.row_header = HEADER.pack(0, self._type, c.NLM_F_MULTI, seq, port_id)[_LENGTH_SIZE:]
        """What a row begins with, behind its length, unless it has something special to say."""
        flags = c.NLM_F_REQUEST | c.NLM_F_DUMP | request.flags
        self.datagram = pack_message(type_id, flags, seq, port_id, request.payload)
        self.interrupted = False

    @property
    def done(self) -> bool:
        """Tell whether the end has come."""
        return self._end is not None

    def feed(self, datagram: Buffer) -> list[T]:
        """Take a datagram that arrived and return the rows in it; raise `DecodeError`."""
        decode = self._request.decode
        return [decode(payload) for payload in self.payloads(datagram)]

    def payloads(self, datagram: Buffer) -> list[Buffer]:
        """Take a datagram that arrived, decode nothing, and return the payloads of its rows."""
        payloads: list[Buffer] = []
        offset = self._take_plain_rows(datagram, payloads)
        payloads += [message.payload for message in split(datagram, offset) if self._is_row(message)]
        return payloads

    def _is_row(self, message: Message) -> bool:
        """Tell whether a message is a row, and note what it says of the dump; raise `DecodeError`."""
        if message.seq != self._seq or not _is_ours(message, self._port_id):
            return False
        if message.flags & c.NLM_F_DUMP_INTR:
            self.interrupted = True
        if message.type == self._type:
            return True
        if message.type == c.NLMSG_DONE:
            self._end = unpack_done(message)
        elif message.type == c.NLMSG_ERROR:
            self._end = unpack_error(message)
        elif message.type >= c.NLMSG_MIN_TYPE:
            raise DecodeError(f"a row of type {message.type} where {self._type} belongs")
        return False

    def _take_plain_rows(self, datagram: Buffer, payloads: list[Buffer]) -> int:
        """Add the payloads of the rows that a datagram begins with, as almost all do; return where these end.

        The fast way: a row's header but for its length is known. Whatever else there is, `payloads` looks at.
        """
        expected, header_size = self.row_header, c.NLMSG_HDRLEN
        unpack = _LENGTH_AND_REST.unpack_from
        offset, end = 0, len(datagram)
        while end - offset >= header_size:
            length, rest = unpack(datagram, offset)
            if rest != expected or not header_size <= length <= end - offset:
                break
            payloads.append(datagram[offset + header_size : offset + length])
            offset += length + 3 & -4
        return offset

    def overrun(self) -> None:
        """Take note that the transport lost messages (ENOBUFS): the rows are not complete."""
        self._end = Ack(ENOBUFS, "rows were lost")

    def result(self) -> None:
        """Raise the `NetlinkError` that the dump ended with, if any; the rows before it have come all the same."""
        error = self._end.error(self._request.operation) if self._end else None
        if error is not None:
            raise error


class Overrun:
    """Stands among the messages of a subscription where some were lost, nobody knows how many.

    Lost notifications mean: read the state anew. Lost upcalls are lost packets.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Overrun)

    def __hash__(self) -> int:
        return hash(Overrun)

    def __repr__(self) -> str:
        return "Overrun()"


class Subscription(Generic[T]):
    """Messages of one family that come on their own account."""

    def __init__(self, type_id: int, decode: Callable[[Buffer], T]) -> None:
        self._type = type_id
        self._decode = decode

    def feed(self, datagram: Buffer) -> list[T | Overrun]:
        """Take a datagram that arrived and return what it reports; raise `DecodeError`."""
        return [self._decode(message.payload) for message in split(datagram) if message.type == self._type]

    def overrun(self) -> Overrun:
        """Return the mark for messages that the transport lost (ENOBUFS)."""
        return Overrun()


def _is_ours(message: Message, port_id: int) -> bool:
    return not port_id or message.port_id == port_id
