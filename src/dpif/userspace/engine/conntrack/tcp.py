"""The states of a TCP connection as one who watches sees them (nf_conntrack_proto_tcp.c); no windows are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

FIN, SYN, RST, PUSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_VALID: Final = frozenset(
    {SYN, SYN | URG, SYN | ACK, RST, RST | ACK, FIN | ACK, FIN | ACK | URG, ACK, ACK | URG},
)
_COUNTED: Final = FIN | SYN | RST | ACK | URG


class TcpState(IntEnum):
    """``enum tcp_conntrack``, with two answers of the table that are no states."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECV = 2
    ESTABLISHED = 3
    FIN_WAIT = 4
    CLOSE_WAIT = 5
    LAST_ACK = 6
    TIME_WAIT = 7
    CLOSE = 8
    SYN_SENT2 = 9
    INVALID = 10
    IGNORE = 11


TIMEOUTS: Final[Mapping[TcpState, int]] = {
    TcpState.SYN_SENT: 120,
    TcpState.SYN_RECV: 60,
    TcpState.ESTABLISHED: 5 * 24 * 3600,
    TcpState.FIN_WAIT: 120,
    TcpState.CLOSE_WAIT: 60,
    TcpState.LAST_ACK: 30,
    TcpState.TIME_WAIT: 120,
    TcpState.CLOSE: 10,
    TcpState.SYN_SENT2: 120,
}
"""Seconds that a connection lives without a packet."""
UNACKNOWLEDGED_TIMEOUT: Final = 300
"""Seconds for an established connection of which only one direction was seen."""

_CODES: Final = {
    "SS": TcpState.SYN_SENT,
    "SR": TcpState.SYN_RECV,
    "ES": TcpState.ESTABLISHED,
    "FW": TcpState.FIN_WAIT,
    "CW": TcpState.CLOSE_WAIT,
    "LA": TcpState.LAST_ACK,
    "TW": TcpState.TIME_WAIT,
    "CL": TcpState.CLOSE,
    "S2": TcpState.SYN_SENT2,
    "IV": TcpState.INVALID,
    "IG": TcpState.IGNORE,
}


def _row(codes: str) -> Sequence[TcpState]:
    return [_CODES[code] for code in codes.split()]


# By what the packet is: the next state for each present one, in the order of `TcpState`.
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


def next_state(state: TcpState, flags: int, *, is_reply: bool) -> TcpState:
    """Return what a segment with `flags` makes of a connection in `state`; INVALID and IGNORE change nothing."""
    if flags & RST:
        kind = RST
    elif flags & SYN:
        kind = flags & (SYN | ACK)
    else:
        kind = FIN if flags & FIN else ACK
    return (_REPLY if is_reply else _ORIGINAL)[kind][state]
