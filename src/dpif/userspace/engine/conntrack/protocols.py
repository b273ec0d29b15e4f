"""What each protocol makes of a packet of a connection: the state that it brings, and the time to live."""

from __future__ import annotations

from dpif._typing import Final
from dpif.conntrack.constants import GenericTimeout, IcmpTimeout, SctpState, TcpState, UdpTimeout
from dpif.packet.checksum import Buffer
from dpif.packet.constants import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP
from dpif.packet.layout import Layout
from dpif.userspace.engine.conntrack.connection import Connection, Verdict
from dpif.userspace.engine.conntrack.sctp import Sctp, read_packet
from dpif.userspace.engine.conntrack.segment import Segment
from dpif.userspace.engine.conntrack.tcp import Tcp
from dpif.userspace.engine.conntrack.tuples import QUERY_TYPES

_STREAM_AFTER: Final = 2.0
"""Seconds after which UDP that goes both ways is a stream."""

_CLOSED: Final = frozenset({TcpState.TIME_WAIT, TcpState.CLOSE})
_CLOSING: Final = frozenset({TcpState.FIN_WAIT, TcpState.CLOSE_WAIT, TcpState.LAST_ACK}) | _CLOSED
_SHUTTING_DOWN: Final = frozenset({SctpState.SHUTDOWN_SENT, SctpState.SHUTDOWN_RECD, SctpState.SHUTDOWN_ACK_SENT})


def has_closed(connection: Connection) -> bool:
    """Tell whether it is closed, so that no limit counts it any more (already_closed)."""
    state = connection.protocol_state
    return isinstance(state, Tcp) and state.state in _CLOSED


def is_dispensable(connection: Connection) -> bool:
    """Tell whether it may make room for another one though traffic went both ways (``can_early_drop``)."""
    state = connection.protocol_state
    if isinstance(state, Tcp):
        return state.state in _CLOSING
    return isinstance(state, Sctp) and state.state in _SHUTTING_DOWN


def take_note(connection: Connection, is_reply: bool, packet: Buffer, layout: Layout, now: float) -> Verdict:
    """Give a connection the state and life time that a sound packet brings."""
    protocol = layout.protocol
    if protocol == IPPROTO_TCP:
        return _take_note_of_tcp(connection, is_reply, packet, layout, now)
    if protocol == IPPROTO_SCTP:
        return _take_note_of_sctp(connection, is_reply, packet, layout, now)
    kind: int = GenericTimeout.TIMEOUT
    if protocol in (IPPROTO_ICMP, IPPROTO_ICMPV6):
        kind = IcmpTimeout.TIMEOUT
        if not connection.is_confirmed and packet[layout.l4] not in QUERY_TYPES[protocol]:
            return Verdict.INVALID
    elif protocol == IPPROTO_UDP:
        is_stream = connection.has_reply and now > connection.started + _STREAM_AFTER
        connection.is_assured |= is_stream
        kind = UdpTimeout.REPLIED if is_stream else UdpTimeout.UNREPLIED
    connection.live_until(now + connection.lifetimes[kind])
    return Verdict.ACCEPT


def _take_note_of_tcp(connection: Connection, is_reply: bool, packet: Buffer, layout: Layout, now: float) -> Verdict:
    segment = Segment.read(packet, layout)
    if not connection.is_confirmed:
        connection.protocol_state = Tcp(segment)
    state = connection.protocol_state
    assert isinstance(state, Tcp), "a connection keeps its protocol"
    return state.take(connection, segment, is_reply=is_reply, now=now)


def _take_note_of_sctp(connection: Connection, is_reply: bool, packet: Buffer, layout: Layout, now: float) -> Verdict:
    read = read_packet(packet, layout)
    if read is None:
        return Verdict.INVALID
    if not connection.is_confirmed:
        connection.protocol_state = Sctp.begin(read)
    state = connection.protocol_state
    if not isinstance(state, Sctp):
        return Verdict.INVALID
    return state.take(connection, read, is_reply=is_reply, now=now)
