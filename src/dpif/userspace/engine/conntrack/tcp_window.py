"""What the ends of a TCP connection may send, and what they have acknowledged (tcp_in_window)."""

from __future__ import annotations

from enum import Enum, auto

from dpif._typing import Final
from dpif.conntrack.constants import TcpFlag, TcpState
from dpif.userspace.engine.conntrack.segment import (
    ACK,
    RST,
    SYN,
    TCPOPT_SACK,
    TCPOPT_SACK_PERM,
    TCPOPT_WINDOW,
    Segment,
)

_MASK: Final = 0xFFFFFFFF
_MAX_SCALE: Final = 14
_MIN_ACK_WINDOW: Final = 66000
_SACK_BLOCK: Final = 8


def before(a: int, b: int) -> bool:
    """Tell whether the sequence number `a` comes before `b`."""
    return bool((a - b) & 0x80000000)


def after(a: int, b: int) -> bool:
    """Tell whether the sequence number `a` comes after `b`."""
    return before(b, a)


class Judgement(Enum):
    """What windows say about a segment."""

    ACCEPT = auto()
    TOLERATE = auto()
    """It does not fit, but that is not heeded; it changes no window."""
    IGNORE = auto()
    """It is let through, and changes nothing: it was acknowledged before, or comes very late."""
    INVALID = auto()


class End:
    """One end (``struct ip_ct_tcp_state``): what it has sent at most, and may send, and has acknowledged.

    ``end`` and ``max_end`` are sequence numbers of its own, ``max_ack`` one of its peer's; ``max_window`` is the
    largest window that it offered, 0 as long as it was not seen; ``flags`` are of `TcpFlag`.
    """

    __slots__ = ("end", "flags", "max_ack", "max_end", "max_window", "scale")

    def __init__(self) -> None:
        self.flags = 0
        self.reset()

    def reset(self) -> None:
        """Forget all but whether to be liberal."""
        self.end = self.max_end = self.max_ack = self.max_window = self.scale = 0
        self.flags &= TcpFlag.BE_LIBERAL

    def open(self, segment: Segment) -> None:
        """Begin with a segment that has SYN."""
        self.end = self.max_end = segment.end
        self.max_window = segment.window or 1
        self.read_options(segment)

    def pick_up(self, segment: Segment) -> None:
        """Begin with a segment in the midst of a connection."""
        self.end = segment.end
        self.max_window = (segment.window << self.scale) or 1
        self.max_end = (self.end + self.max_window) & _MASK

    def read_options(self, segment: Segment) -> None:
        """Read what is told in a segment that has SYN."""
        if not segment.options:
            return
        self.scale = 0
        self.flags &= TcpFlag.BE_LIBERAL
        for kind, content in segment.walk_options():
            if kind == TCPOPT_SACK_PERM and not content:
                self.flags |= TcpFlag.SACK_PERM
            elif kind == TCPOPT_WINDOW and len(content) == 1:
                self.scale = min(content[0], _MAX_SCALE)
                self.flags |= TcpFlag.WINDOW_SCALE

    @property
    def ack_window(self) -> int:
        """How far back it may acknowledge (MAXACKWINDOW)."""
        return max(self.max_window, _MIN_ACK_WINDOW)


def judge(sender: End, receiver: End, segment: Segment, *, is_reply: bool, state: int) -> Judgement:
    """Compare a segment with what its ends may send, and take note of it if it fits."""
    sack = _highest_sack(segment) if receiver.flags & TcpFlag.SACK_PERM else segment.ack
    is_syn = segment.flags & SYN
    if not sender.max_window and not is_syn:
        _join(sender, receiver, segment, sack)
    elif is_syn and (not sender.max_window or _begins_anew(sender, segment, state)):
        is_simultaneous = not segment.flags & ACK and (is_reply or not sender.max_window)
        _open(sender, receiver, segment, is_reply=is_reply)
        if is_simultaneous:
            return Judgement.ACCEPT
    ack = segment.ack
    if not segment.flags & ACK or (segment.flags & RST and not ack):
        ack = sack = receiver.end
    seq, end = segment.seq, segment.end
    if segment.flags & RST and seq == 0 and state == TcpState.SYN_SENT:
        seq = end = sender.end
    found = _compare(sender, receiver, seq, end, sack)
    if found != Judgement.ACCEPT:
        return Judgement.TOLERATE if sender.flags & TcpFlag.BE_LIBERAL else found
    _advance(sender, receiver, segment, end, ack, sack)
    return found


def _begins_anew(sender: End, segment: Segment, state: int) -> bool:
    return after(segment.end, sender.end) and state in (TcpState.SYN_SENT, TcpState.SYN_RECV)


def _open(sender: End, receiver: End, segment: Segment, *, is_reply: bool) -> None:
    """Begin with what a SYN says; window scales hold only if both ends have told one (tcp_init_sender)."""
    sender.open(segment)
    if is_reply and not sender.flags & receiver.flags & TcpFlag.WINDOW_SCALE:
        sender.scale = receiver.scale = 0


def _join(sender: End, receiver: End, segment: Segment, sack: int) -> None:
    """Begin in the midst of a connection."""
    sender.pick_up(segment)
    if not receiver.max_window:
        receiver.end = receiver.max_end = sack
    elif sack == (receiver.end + 1) & _MASK:  # likely the answer to a keep-alive
        receiver.end = sack


def _highest_sack(segment: Segment) -> int:
    """Return the highest sequence number that a segment acknowledges."""
    highest = segment.ack
    for kind, content in segment.walk_options():
        if kind == TCPOPT_SACK:
            for at in range(4, len(content) // _SACK_BLOCK * _SACK_BLOCK, _SACK_BLOCK):
                right = int.from_bytes(content[at : at + 4])
                highest = right if after(right, highest) else highest
    return highest


def _compare(sender: End, receiver: End, seq: int, end: int, sack: int) -> Judgement:
    is_in_window = not receiver.max_window or after(end, (sender.end - receiver.max_window - 1) & _MASK)
    is_late_ack = not after(sack, (receiver.end - sender.ack_window - 1) & _MASK)
    is_early_ack = after(sack, receiver.end)
    if after(seq, sender.max_end):
        overshot = (end - sender.max_end + 1) & _MASK
        is_little = receiver.max_window and is_in_window and overshot <= receiver.max_window
        if not is_little or is_late_ack or is_early_ack:
            return Judgement.INVALID
        sender.end = end
        sender.flags |= TcpFlag.DATA_UNACKNOWLEDGED
        return Judgement.IGNORE
    if is_early_ack:
        return Judgement.INVALID
    return Judgement.ACCEPT if is_in_window and not is_late_ack else Judgement.IGNORE


def _advance(sender: End, receiver: End, segment: Segment, end: int, ack: int, sack: int) -> None:
    """Take note of a segment that fits."""
    window = segment.window if segment.flags & SYN else segment.window << sender.scale
    sender.max_window = max(sender.max_window, window + ((sack - ack) & _MASK))
    if after(end, sender.end):
        sender.end = end
        sender.flags |= TcpFlag.DATA_UNACKNOWLEDGED
    if segment.flags & ACK and (not sender.flags & TcpFlag.MAXACK_SET or after(ack, sender.max_ack)):
        sender.max_ack = ack
        sender.flags |= TcpFlag.MAXACK_SET
    if receiver.max_window and after(end, sender.max_end):
        receiver.max_window += (end - sender.max_end) & _MASK
    limit = (sack + window) & _MASK
    if after(limit, (receiver.max_end - 1) & _MASK):
        receiver.max_end = (limit + (not window)) & _MASK
    if ack == receiver.end:
        receiver.flags &= ~TcpFlag.DATA_UNACKNOWLEDGED
