"""SCTP as one who watches both ends sees it (nf_conntrack_proto_sctp.c): the states of an association (`Sctp`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dpif._typing import Final, NamedTuple
from dpif.conntrack.constants import SctpState
from dpif.packet.checksum import Buffer
from dpif.packet.layout import Layout
from dpif.userspace.engine.conntrack.connection import Connection, Verdict

HEADER_SIZE: Final = 12
_CHUNK_SIZE: Final = 4
_INIT_SIZE: Final = 20
"""Bytes of an INIT chunk's own header, of which the tag comes first."""

DATA, INIT, INIT_ACK, HEARTBEAT, HEARTBEAT_ACK, ABORT, SHUTDOWN, SHUTDOWN_ACK = 0, 1, 2, 4, 5, 6, 7, 8
ERROR, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE = 9, 10, 11, 14
_TAG_REFLECTED: Final = 0x01
"""The flag T of ABORT and SHUTDOWN COMPLETE: the tag is the peer's."""

_ALONE: Final = frozenset({INIT, INIT_ACK, SHUTDOWN_COMPLETE})
_FIRST: Final = frozenset({COOKIE_ACK, COOKIE_ECHO})
_BEGINS_NOTHING: Final = frozenset({ABORT, SHUTDOWN_COMPLETE, COOKIE_ACK})
_TAGGED_IN_THEIR_WAY: Final = frozenset(
    {INIT, SHUTDOWN_COMPLETE, COOKIE_ECHO, ABORT, SHUTDOWN_ACK, HEARTBEAT, HEARTBEAT_ACK}
)

INVALID: Final = 10
"""What the tables below say instead of a state."""
_CODES: Final[Mapping[str, int]] = {
    "CL": SctpState.CLOSED,
    "CW": SctpState.COOKIE_WAIT,
    "CE": SctpState.COOKIE_ECHOED,
    "ES": SctpState.ESTABLISHED,
    "SS": SctpState.SHUTDOWN_SENT,
    "SR": SctpState.SHUTDOWN_RECD,
    "SA": SctpState.SHUTDOWN_ACK_SENT,
    "HS": SctpState.HEARTBEAT_SENT,
    "IV": INVALID,
}


def _row(codes: str) -> Sequence[int]:
    return [_CODES[code] for code in codes.split()]


# By chunk: the next state for each present one, in the order of `SctpState`. Other chunks change nothing.
_ORIGINAL: Final = {
    INIT: _row("CL CL CW CE ES CL CL SA CW"),
    INIT_ACK: _row("CL CL CW CE ES SS SR SA CL"),
    ABORT: _row("CL CL CL CL CL CL CL CL CL"),
    SHUTDOWN: _row("CL CL CW CE SS SS SR SA CL"),
    SHUTDOWN_ACK: _row("SA CL CW CE ES SA SA SA SA"),
    ERROR: _row("CL CL CW CE ES SS SR SA CL"),
    COOKIE_ECHO: _row("CL CL CE CE ES SS SR SA CL"),
    COOKIE_ACK: _row("CL CL CW ES ES SS SR SA CL"),
    SHUTDOWN_COMPLETE: _row("CL CL CW CE ES SS SR CL CL"),
    HEARTBEAT: _row("HS CL CW CE ES SS SR SA HS"),
    HEARTBEAT_ACK: _row("CL CL CW CE ES SS SR SA HS"),
}
_REPLY: Final = {
    INIT: _row("IV CL CW CE ES SS SR SA IV"),
    INIT_ACK: _row("IV CW CW CE ES SS SR SA IV"),
    ABORT: _row("IV CL CL CL CL CL CL CL IV"),
    SHUTDOWN: _row("IV CL CW CE SR SS SR SA IV"),
    SHUTDOWN_ACK: _row("IV CL CW CE ES SA SA SA IV"),
    ERROR: _row("IV CL CW CL ES SS SR SA IV"),
    COOKIE_ECHO: _row("IV CL CE CE ES SS SR SA IV"),
    COOKIE_ACK: _row("IV CL CW ES ES SS SR SA IV"),
    SHUTDOWN_COMPLETE: _row("IV CL CW CE ES SS SR CL IV"),
    HEARTBEAT: _row("IV CL CW CE ES SS SR SA HS"),
    HEARTBEAT_ACK: _row("IV CL CW CE ES SS SR SA ES"),
}


class Chunk(NamedTuple):
    """A chunk: what it is, its flags, and of INIT and INIT ACK the tag that they bring (None: cut short)."""

    kind: int
    flags: int
    init_tag: int | None


class Packet(NamedTuple):
    """A packet: its verification tag, and its chunks."""

    tag: int
    chunks: tuple[Chunk, ...]

    @property
    def kinds(self) -> frozenset[int]:
        """What chunks there are."""
        return frozenset(chunk.kind for chunk in self.chunks)


def read_packet(packet: Buffer, layout: Layout) -> Packet | None:
    """Read a packet; None when it has no chunk, or chunks together that may not be."""
    segment = bytes(packet[layout.l4 : layout.end])
    chunks = tuple(_read_chunks(segment))
    kinds = [chunk.kind for chunk in chunks]
    if not chunks or not _FIRST.isdisjoint(kinds[1:]) or (len(chunks) > 1 and not _ALONE.isdisjoint(kinds)):
        return None
    if -1 in kinds:
        return None
    return Packet(int.from_bytes(segment[4:8]), chunks)


def _read_chunks(segment: bytes) -> Iterator[Chunk]:
    """Yield the chunks; one without a length is of kind -1, and the last."""
    at = HEADER_SIZE
    while at + _CHUNK_SIZE <= len(segment):
        kind, flags, size = segment[at], segment[at + 1], int.from_bytes(segment[at + 2 : at + 4])
        if not size:
            yield Chunk(-1, 0, None)
            return
        content = segment[at + _CHUNK_SIZE :]
        has_tag = kind in (INIT, INIT_ACK) and len(content) >= _INIT_SIZE - _CHUNK_SIZE
        yield Chunk(kind, flags, int.from_bytes(content[:4]) if has_tag else None)
        at += (size + 3) & ~3


class Sctp:
    """What is known of an association; ``tags`` are what packets of either direction must have, 0 unknown."""

    __slots__ = ("_failed_is_reply", "_has_failed", "_inits", "state", "tags")

    def __init__(self) -> None:
        self.state: int = SctpState.NONE
        self.tags = [0, 0]
        self._inits = [False, False]
        self._has_failed = self._failed_is_reply = False

    @classmethod
    def begin(cls, packet: Packet) -> Sctp | None:
        """Return what a packet begins; None when it begins nothing (sctp_new)."""
        if not _BEGINS_NOTHING.isdisjoint(packet.kinds):
            return None
        self = cls()
        for chunk in packet.chunks:
            if chunk.kind not in _ORIGINAL:
                return None
            if chunk.kind == INIT:
                if packet.tag or chunk.init_tag is None:
                    return None
                self.tags[True] = chunk.init_tag
            elif chunk.kind == HEARTBEAT:
                self.tags[False] = packet.tag
            elif chunk.kind == SHUTDOWN_ACK:
                self.tags[True] = packet.tag
        return self

    def take(self, connection: Connection, packet: Packet, *, is_reply: bool, now: float) -> Verdict:
        """Take note of a packet (nf_conntrack_sctp_packet)."""
        if _TAGGED_IN_THEIR_WAY.isdisjoint(packet.kinds) and packet.tag != self.tags[is_reply]:
            return Verdict.INVALID
        is_renewed = True
        for chunk in packet.chunks:
            heartbeat = self._judge_tag(chunk, packet, is_reply)
            if heartbeat is None:
                return Verdict.INVALID
            if not heartbeat:
                is_renewed = False
                continue
            old, new = self.state, self._next(chunk.kind, is_reply)
            if new == INVALID or not self._note_tag(chunk, old, is_reply):
                return Verdict.INVALID
            if chunk.kind == INIT and old == new == SctpState.CLOSED and connection.is_confirmed:
                is_renewed = False  # who tries again and again must not keep it alive for ever
            self.state = new
            connection.is_assured |= old != new == SctpState.ESTABLISHED
        if is_renewed:
            connection.live_until(now + connection.lifetimes[self.state])
        return Verdict.ACCEPT

    def _next(self, kind: int, is_reply: bool) -> int:
        row = (_REPLY if is_reply else _ORIGINAL).get(kind)
        return self.state if row is None else row[self.state]

    def _judge_tag(self, chunk: Chunk, packet: Packet, is_reply: bool) -> bool | None:
        """Tell whether a chunk may come with the packet's tag (RFC 9260, 8.5.1).

        None: it may not; False: it may, and is passed over.
        """
        own, other = self.tags[is_reply], self.tags[not is_reply]
        if chunk.kind == INIT:
            return True if packet.tag == 0 else None
        if chunk.kind in (ABORT, SHUTDOWN_COMPLETE):
            return True if packet.tag == (other if chunk.flags & _TAG_REFLECTED else own) else None
        if chunk.kind == COOKIE_ECHO:
            return True if packet.tag == own else None
        if chunk.kind == COOKIE_ACK:
            self._inits = [False, False]
        elif chunk.kind in (HEARTBEAT, HEARTBEAT_ACK):
            return self._judge_heartbeat(chunk, packet, is_reply)
        return True

    def _judge_heartbeat(self, chunk: Chunk, packet: Packet, is_reply: bool) -> bool | None:
        """A heartbeat may bring the tag of an end that was begun anew; its answer from the other end confirms it."""
        if not self.tags[is_reply]:
            self.tags[is_reply] = packet.tag
        elif packet.tag == self.tags[is_reply]:
            self._has_failed = False
        elif DATA in packet.kinds:
            return None
        elif chunk.kind == HEARTBEAT:
            self._has_failed, self._failed_is_reply = True, is_reply
            return False
        elif not self._has_failed or self._failed_is_reply == is_reply:
            return None
        else:
            self._has_failed = False
            self.tags[is_reply], self.tags[not is_reply] = packet.tag, 0
        return True

    def _note_tag(self, chunk: Chunk, old: int, is_reply: bool) -> bool:
        """Take note of the tag that an INIT or INIT ACK brings; False when it may not bring that one."""
        if chunk.kind not in (INIT, INIT_ACK):
            return True
        if chunk.init_tag is None:
            return False
        expected = self.tags[not is_reply]
        if chunk.kind == INIT and (old == SctpState.NONE or expected != chunk.init_tag):
            if all(self._inits):
                self._inits[not is_reply] = False
            self._inits[is_reply] = True
        elif chunk.kind == INIT_ACK and chunk.init_tag != expected:
            is_fixed = not self._inits[not is_reply] and expected
            if is_fixed or all(self._inits):
                return False
        self.tags[not is_reply] = chunk.init_tag
        return True
