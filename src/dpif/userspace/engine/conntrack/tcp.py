"""TCP as one who watches both ends sees it (nf_conntrack_proto_tcp.c): the states of a connection (`Tcp`).

What each end may send is the business of `tcp_window`. Segments are judged as the kernel does with its defaults:
connections are picked up in their midst (``tcp_loose``), windows are heeded (not ``tcp_be_liberal``) until somebody
asks for more liberal judgement, which the action ``ct`` does for a connection that is established.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from dpif._typing import Final
from dpif.conntrack.constants import TcpFlag, TcpState, TcpTimeout
from dpif.userspace.engine.conntrack.connection import Connection, Verdict
from dpif.userspace.engine.conntrack.segment import ACK, FIN, RST, SYN, URG, Segment
from dpif.userspace.engine.conntrack.tcp_window import End, Judgement, before, judge

_VALID: Final = frozenset(
    {SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG},
)
_COUNTED: Final = FIN | SYN | RST | ACK | URG
_MAX_RETRANSMISSIONS: Final = 3
_CLOSING: Final = frozenset(
    {TcpState.FIN_WAIT, TcpState.LAST_ACK, TcpState.TIME_WAIT, TcpState.CLOSE, TcpState.CLOSE_WAIT}
)

INVALID: Final = 10
IGNORE: Final = 11
"""What the tables below say instead of a state."""
_CODES: Final[Mapping[str, int]] = {
    "SS": TcpState.SYN_SENT,
    "SR": TcpState.SYN_RECV,
    "ES": TcpState.ESTABLISHED,
    "FW": TcpState.FIN_WAIT,
    "CW": TcpState.CLOSE_WAIT,
    "LA": TcpState.LAST_ACK,
    "TW": TcpState.TIME_WAIT,
    "CL": TcpState.CLOSE,
    "S2": TcpState.SYN_SENT2,
    "IV": INVALID,
    "IG": IGNORE,
}


def _row(codes: str) -> Sequence[int]:
    return [_CODES[code] for code in codes.split()]


# By what the segment is: the next state for each present one, in the order of `TcpState`.
_ORIGINAL: Final = {
    SYN: _row("SS SS IG IG IG IG IG SS SS S2"),
    SYN | ACK: _row("IV IV SR IV IV IV IV IV IV SR"),
    FIN: _row("IV IV FW FW LA LA LA TW CL IV"),
    ACK: _row("ES IV ES ES CW CW TW TW CL IV"),
    RST: _row("IV CL CL CL CL CL CL CL CL CL"),
}
_REPLY: Final = {
    SYN: _row("IV S2 IV IV IV IV IV SS IV S2"),
    SYN | ACK: _row("IV SR IG IG IG IG IG IG IG SR"),
    FIN: _row("IV IV FW FW LA LA LA TW CL IV"),
    ACK: _row("IV IG SR ES CW CW TW TW CL IG"),
    RST: _row("IV CL CL CL CL CL CL CL CL CL"),
}


def are_valid(flags: int) -> bool:
    """Tell whether a segment may have these flags together."""
    return flags & _COUNTED in _VALID


def _kind(flags: int) -> int:
    """Return the flags that say what a segment is."""
    if flags & RST:
        return RST
    if flags & SYN:
        return flags & (SYN | ACK)
    return FIN if flags & FIN else ACK


class _Reset(Enum):
    """What is to be done about a segment that resets."""

    CHECK = auto()
    """It closes the connection if it is in the window."""
    ACCEPT = auto()
    """It closes the connection."""
    KEEP = auto()
    """It may be forged: the state stays as it is."""
    REFUSE = auto()


class Tcp:
    """What is known of a connection of TCP; ``ends`` are who opened it and who answered."""

    __slots__ = (
        "_expects_challenge",
        "_ignored_flags",
        "_ignored_scale",
        "_is_simultaneous",
        "_last",
        "_last_ack",
        "_last_end",
        "_last_is_reply",
        "_last_kind",
        "_last_seen",
        "_last_window",
        "_retransmissions",
        "ends",
        "state",
    )

    def __init__(self, segment: Segment) -> None:
        self.state: int = TcpState.NONE
        self.ends = (End(), End())
        self._last_kind = 0
        self._last_is_reply = False
        self._last_ack = 0
        self._last_end = self._last_window = 0
        self._last_seen: tuple[object, ...] = ()
        self._retransmissions = 0
        self._ignored_flags = self._ignored_scale = 0
        self._is_simultaneous = self._expects_challenge = False
        if segment.flags & SYN:
            self.ends[0].open(segment)
        else:  # in the midst of a connection, whose window scales nobody told
            self.ends[0].pick_up(segment)
            for end in self.ends:
                end.flags = TcpFlag.SACK_PERM | TcpFlag.BE_LIBERAL

    def take(self, connection: Connection, segment: Segment, *, is_reply: bool, now: float) -> Verdict:
        """Take note of a segment (nf_conntrack_tcp_packet)."""
        kind = _kind(segment.flags)
        old, new = self.state, (_REPLY if is_reply else _ORIGINAL)[kind][self.state]
        if new == INVALID:
            return Verdict.INVALID
        if new == TcpState.SYN_SENT and old >= TcpState.TIME_WAIT:
            if self._is_reopened(is_reply):
                return Verdict.REOPENED
            new = IGNORE
        if new == IGNORE and self._is_in_step_again(segment, kind, is_reply):
            old, new = TcpState.SYN_SENT, TcpState.SYN_RECV
        if new == IGNORE:
            self._ignore(segment, kind, is_reply)
            return Verdict.ACCEPT
        if new == TcpState.TIME_WAIT and self._is_challenge(kind, is_reply):
            self._expects_challenge = False
            return Verdict.ACCEPT
        new = self._open_from_both_ends(new, kind, is_reply)
        judgement, new = self._judge(connection, segment, kind, is_reply, new)
        if judgement in (Judgement.ACCEPT, Judgement.TOLERATE):
            self._enter(new, kind, is_reply)
            return self._renew(connection, old, kind, now)
        return Verdict.ACCEPT if judgement == Judgement.IGNORE else Verdict.INVALID

    def be_liberal(self) -> None:
        """From now on heed no window."""
        for end in self.ends:
            end.flags |= TcpFlag.BE_LIBERAL

    def _open_from_both_ends(self, new: int, kind: int, is_reply: bool) -> int:
        """Both ends may send a SYN; then an ACK of the one that answered establishes the connection."""
        if new == TcpState.SYN_SENT2:
            self._is_simultaneous = True
        is_answered = new == TcpState.SYN_RECV and is_reply and kind == ACK and self._is_simultaneous
        return TcpState.ESTABLISHED if is_answered else new

    def _judge(
        self, connection: Connection, segment: Segment, kind: int, is_reply: bool, new: int
    ) -> tuple[Judgement, int]:
        """Tell whether a segment is to be believed, and what state it then brings."""
        reset = self._judge_reset(connection, segment, is_reply) if kind == RST else _Reset.CHECK
        if reset == _Reset.ACCEPT:
            return Judgement.ACCEPT, new
        if reset == _Reset.REFUSE:
            return Judgement.INVALID, new
        sender, receiver = self.ends[is_reply], self.ends[not is_reply]
        judgement = judge(sender, receiver, segment, is_reply=is_reply, state=self.state)
        if judgement == Judgement.ACCEPT:
            self._count_retransmissions(segment, kind, is_reply)
        return judgement, self.state if reset == _Reset.KEEP else new

    # Segments that are let through without being believed.

    def _is_reopened(self, is_reply: bool) -> bool:
        """Tell whether a SYN, on a connection that is over, begins another one."""
        if (self.ends[0].flags | self.ends[1].flags) & TcpFlag.CLOSE_INIT:
            return True
        return (self._last_is_reply, self._last_kind) == (is_reply, RST)

    def _is_in_step_again(self, segment: Segment, kind: int, is_reply: bool) -> bool:
        """A SYN-ACK to a SYN that was let through says that the ends have agreed on what was not believed."""
        if kind != SYN | ACK or self._last_kind != SYN or self._last_is_reply == is_reply:
            return False
        if segment.ack != self._last_end:
            return False
        opener = self.ends[self._last_is_reply]
        opener.end = opener.max_end = self._last_end
        opener.max_window = self._last_window or 1
        opener.scale, opener.flags = self._ignored_scale, self._ignored_flags
        self._expects_challenge = False
        self.ends[is_reply].reset()
        return True

    def _ignore(self, segment: Segment, kind: int, is_reply: bool) -> None:
        """Let a segment through that may tell the ends' true state, and note what it says."""
        self._last_kind, self._last_is_reply = kind, is_reply
        self._last_seen = ()
        self._last_end, self._last_window = segment.end, segment.window
        if kind == SYN and not is_reply:
            seen = End()
            seen.read_options(segment)
            self._ignored_flags, self._ignored_scale = seen.flags, seen.scale
            self._expects_challenge = self.state == TcpState.LAST_ACK
        if self.state == TcpState.SYN_SENT and kind == ACK and is_reply:
            self._last_ack = segment.ack

    def _is_challenge(self, kind: int, is_reply: bool) -> bool:
        """Tell whether an ACK answers a SYN that came too late (RFC 5961), not the last FIN."""
        is_answer = self._last_is_reply != is_reply and self._last_kind == SYN
        return self.state == TcpState.LAST_ACK and kind == ACK and is_answer and self._expects_challenge

    def _judge_reset(self, connection: Connection, segment: Segment, is_reply: bool) -> _Reset:
        if self.state in _CLOSING:
            return _Reset.ACCEPT
        peer = self.ends[not is_reply]
        found = _Reset.CHECK
        if peer.flags & TcpFlag.MAXACK_SET and self._last_kind != SYN:
            is_established = self.state == TcpState.ESTABLISHED and connection.is_assured
            if segment.seq == 0 and not is_established:
                return _Reset.CHECK
            if before(segment.seq, peer.max_ack):
                return _Reset.REFUSE
            follows = (self._last_kind, self._last_is_reply, self._last_end) == (ACK, is_reply, segment.seq)
            if not is_established or segment.seq == peer.max_ack or follows:
                return _Reset.CHECK
            found = _Reset.KEEP
        if segment.ack == self._last_end:
            is_answer = connection.has_reply and self._last_kind == SYN and self._last_is_reply != is_reply
            if is_answer or (not connection.is_assured and self._last_kind == ACK):
                return _Reset.ACCEPT
        if self.state == TcpState.SYN_SENT and (self._last_kind, self._last_is_reply) == (ACK, True):
            return _Reset.ACCEPT if segment.seq == self._last_ack else found
        return found

    # Segments that are believed.

    def _count_retransmissions(self, segment: Segment, kind: int, is_reply: bool) -> None:
        if kind != ACK:
            return
        seen = (is_reply, segment.seq, segment.ack, segment.end, segment.window)
        self._retransmissions = self._retransmissions + 1 if seen == self._last_seen else 0
        self._last_seen = seen
        self._last_end, self._last_window = segment.end, segment.window

    def _enter(self, new: int, kind: int, is_reply: bool) -> None:
        self._last_kind, self._last_is_reply = kind, is_reply
        if new != self.state and new == TcpState.FIN_WAIT:
            self.ends[is_reply].flags |= TcpFlag.CLOSE_INIT
        self.state = new

    def _renew(self, connection: Connection, old: int, kind: int, now: float) -> Verdict:
        """Give the connection another time to live, unless it ends."""
        seconds = self._seconds(connection.lifetimes, kind)
        if not connection.has_reply:
            if kind == RST:
                return Verdict.ENDED
            if kind == SYN and old == TcpState.SYN_SENT:
                return Verdict.ACCEPT  # who tries again and again must not keep it alive for ever
            if self.state == TcpState.ESTABLISHED:
                seconds = min(seconds, connection.lifetimes[TcpTimeout.UNACK])
        elif self.state == TcpState.ESTABLISHED and old in (TcpState.SYN_RECV, TcpState.ESTABLISHED):
            connection.is_assured = True
        connection.live_until(now + seconds)
        return Verdict.ACCEPT

    def _seconds(self, lifetimes: Mapping[int, int], kind: int) -> int:
        usual = lifetimes[self.state]
        retransmitting, unacknowledged = lifetimes[TcpTimeout.RETRANS], lifetimes[TcpTimeout.UNACK]
        if self._retransmissions >= _MAX_RETRANSMISSIONS and usual > retransmitting:
            return retransmitting
        if kind == RST:
            return lifetimes[TcpTimeout.CLOSE]
        if (self.ends[0].flags | self.ends[1].flags) & TcpFlag.DATA_UNACKNOWLEDGED and usual > unacknowledged:
            return unacknowledged
        if not self._last_window and usual > retransmitting:
            return retransmitting
        return usual
