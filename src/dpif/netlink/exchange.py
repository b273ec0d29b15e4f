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

__all__ = ["Batch", "Dump", "Overrun", "Request", "RequestKind", "Subscription", "Transaction"]

T = TypeVar("T")

BATCH_MESSAGES: Final = 128
"""The most messages in one datagram of a batch, if each has an answer; of silent ones there may be twice as many."""
BATCH_BYTES: Final = 0x20000
"""The most bytes in one datagram of a batch, unless its only message is longer."""

_PIECES: Final = 3
"""Of which a message of a batch is put together."""
_LENGTH_SIZE: Final = 4
_LENGTH_AND_REST = struct.Struct(f"=I{c.NLMSG_HDRLEN - _LENGTH_SIZE}s")
"""A message's header, of which only the length is looked into."""

_LOST = Ack(ENOBUFS, "the answer was lost; the request may have been carried out")


class RequestKind(NamedTuple, Generic[T]):
    """What requests of one kind have in common; a batch of many looks at it once.

    ``family`` is the name of a generic netlink family, whose number is looked up, or the message type itself
    in a protocol whose types are fixed. ``decode`` takes what stands behind the ``nlmsghdr`` of a reply.
    ``operation`` says in words what is asked (``add port v0 to dp0``), for errors. ``flags`` are ``NLM_F_*``
    besides ``REQUEST``, ``ACK`` and ``DUMP``, which the exchange adds. ``reply_type`` is the type of the answers
    where it is not that of the request: generic netlink answers in the family's one type, nfnetlink answers a GET
    with a NEW. ``head`` is what every payload begins with. Kinds whose success has no answer but an acknowledgement
    may say that they are ``silent``: more of them go together.
    """

    family: str | int
    decode: Callable[[Buffer], T]
    operation: str = ""
    flags: int = 0
    reply_type: int | None = None
    head: bytes = b""
    silent: bool = False

    def answer_type(self, type_id: int) -> int:
        """Return the type of the answers to such a request when it is sent with type `type_id`."""
        return type_id if self.reply_type is None else self.reply_type


class Request(Generic[T]):
    """What to ask of a peer, and how to read an answer.

    ``body`` is what follows the head of its kind: with it, everything after the ``nlmsghdr``, the headers of the
    protocol and attributes.
    """

    __slots__ = ("body", "kind")

    def __init__(self, kind: RequestKind[T], body: bytes) -> None:
        self.kind = kind
        self.body = body

    @property
    def payload(self) -> bytes:
        """All that stands behind the ``nlmsghdr``."""
        return self.kind.head + self.body


class _Slot(Generic[T]):
    """One transaction's place in an exchange: what has come for it so far."""

    __slots__ = ("_type", "answered", "error", "reply", "request")

    def __init__(self, request: Request[T], type_id: int) -> None:
        self.request = request
        self.reply: T | None = None
        self.error: DpifError | None = None
        self.answered = False
        self._type = request.kind.answer_type(type_id)

    def take(self, message: Message) -> None:
        """Note what `message`, which answers this request, says."""
        try:
            if message.type == c.NLMSG_ERROR:
                self.answered = True
                self.error = unpack_error(message).error(self.request.kind.operation) or self.error
            elif message.type == self._type:
                if self.reply is None:
                    self.reply = self.request.kind.decode(message.payload)
            elif message.type >= c.NLMSG_MIN_TYPE:
                raise DecodeError(f"a reply of type {message.type} where {self._type} belongs")
        except DecodeError as error:
            self.error = error

    def lose(self) -> None:
        """Note that the answer, unless it is here, will not come."""
        if not self.answered:
            self.answered = True
            self.error = _LOST.error(self.request.kind.operation)


class Transaction(Generic[T]):
    """One request and its answer."""

    def __init__(self, request: Request[T], type_id: int, seq: int, port_id: int = 0) -> None:
        self._slot = _Slot(request, type_id)
        self._seq = seq
        self._port_id = port_id
        flags = c.NLM_F_REQUEST | c.NLM_F_ACK | request.kind.flags
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

    The sequence numbers run from `seq` on, one for each request. Send one of the `datagrams`, feed what arrives until
    it is ``answered``, then take the next: the answers to one fit a receive buffer, those to all may not.
    """

    def __init__(
        self, requests: Sequence[Request[Any]], type_ids: Mapping[str | int, int], seq: int, port_id: int = 0
    ) -> None:
        self._requests = requests
        self._type_ids = type_ids
        self._slots: dict[int, _Slot[Any]] = {}  # of those requests, by their index, for which something has come
        self._seq = seq
        self._port_id = port_id
        self._under_way = range(0)  # indexes of the requests in the last datagram

    def datagrams(self) -> Iterator[bytes]:
        """Yield the datagrams, each as long as it may be, and made when it is its turn."""
        pieces: list[bytes] = []  # of each message its header, the head of its payload, the rest of it with padding
        size, answers, weight = 0, 0.0, 1.0
        kind: RequestKind[Any] | None = None
        type_id = flags = fixed = 0
        head = b""
        port_id, pack = self._port_id, HEADER.pack
        for seq, request in enumerate(self._requests, self._seq):
            if request.kind is not kind:
                kind = request.kind
                type_id, flags, head = self._type_ids[kind.family], c.NLM_F_REQUEST | kind.flags, kind.head
                fixed, weight = c.NLMSG_HDRLEN + len(head), 0.5 if kind.silent else 1.0
            body = request.body
            length = fixed + len(body)
            if pieces and (size + length > BATCH_BYTES or answers + weight > BATCH_MESSAGES):
                yield self._datagram(pieces)
                pieces.clear()
                size, answers = 0, 0.0
            size += length
            answers += weight
            padded = body + bytes(-length & 3) if length & 3 else body
            pieces += pack(length, type_id, flags, seq, port_id), head, padded
        if pieces:
            yield self._datagram(pieces)

    def _datagram(self, pieces: list[bytes]) -> bytes:
        """Return the next datagram, whose last message asks for an acknowledgement."""
        start = self._under_way.stop
        self._under_way = range(start, start + len(pieces) // _PIECES)
        length, type_id, flags, seq, port_id = HEADER.unpack(pieces[-_PIECES])
        pieces[-_PIECES] = HEADER.pack(length, type_id, flags | c.NLM_F_ACK, seq, port_id)
        return b"".join(pieces)

    @property
    def answered(self) -> bool:
        """Tell whether the datagram under way is answered."""
        return not self._under_way or self._slot(self._under_way[-1]).answered

    @property
    def done(self) -> bool:
        """Tell whether every datagram is answered."""
        return self._under_way.stop == len(self._requests) and self.answered

    def feed(self, datagram: Buffer) -> None:
        """Take a datagram that arrived; raise `DecodeError` when it cannot be split into messages."""
        for message in split(datagram):
            index = message.seq - self._seq
            if 0 <= index < len(self._requests) and _is_ours(message, self._port_id):
                self._slot(index).take(message)

    def _slot(self, index: int) -> _Slot[Any]:
        slot = self._slots.get(index)
        if slot is None:
            request = self._requests[index]
            slot = self._slots[index] = _Slot(request, self._type_ids[request.kind.family])
        return slot

    def overrun(self) -> None:
        """Take note that the transport lost messages (ENOBUFS).

        Of the requests in the datagram under way those without an answer so far are lost, for their silence no
        longer means success.
        """
        if not self.answered:
            for index in self._under_way:
                self._slot(index).lose()

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
        self._type = request.kind.answer_type(type_id)
        self._seq = seq
        self._port_id = port_id
        self._end: Ack | None = None
        self.row_header = HEADER.pack(0, self._type, c.NLM_F_MULTI, seq, port_id)[_LENGTH_SIZE:]
        """What a row begins with, behind its length, unless it has something special to say."""
        flags = c.NLM_F_REQUEST | c.NLM_F_DUMP | request.kind.flags
        self.datagram = pack_message(type_id, flags, seq, port_id, request.payload)
        self.interrupted = False

    @property
    def done(self) -> bool:
        """Tell whether the end has come."""
        return self._end is not None

    def feed(self, datagram: bytes) -> list[T]:
        """Take a datagram that arrived and return the rows in it; raise `DecodeError`."""
        decode = self._request.kind.decode
        return [decode(payload) for payload in self.payloads(datagram)]

    def payloads(self, datagram: bytes) -> list[bytes]:
        """Take a datagram that arrived, decode nothing, and return the payloads of its rows."""
        payloads: list[bytes] = []
        offset = self._take_plain_rows(datagram, payloads)
        payloads += [bytes(message.payload) for message in split(datagram, offset) if self._is_row(message)]
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

    def _take_plain_rows(self, datagram: bytes, payloads: list[bytes]) -> int:
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
        error = self._end.error(self._request.kind.operation) if self._end else None
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
