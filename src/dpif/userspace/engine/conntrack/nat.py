"""Address translation: what a connection's addresses become (nf_nat_core.c), and packets rewritten accordingly.

A translation is kept in the connection itself: its reply tuple names the addresses that answers will have. So a
packet is rewritten to the inverse of what the other direction is called.
"""

from __future__ import annotations

import random as _random
from collections.abc import Iterator
from itertools import islice
from zlib import crc32

from dpif._typing import Final, NamedTuple, Self
from dpif.errors import DecodeError
from dpif.odp.actions import Nat
from dpif.packet import edit
from dpif.packet.checksum import update
from dpif.packet.constants import (
    ETH_P_IP,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
)
from dpif.packet.layout import Layout
from dpif.userspace.engine.conntrack.connection import Connection, Tracked
from dpif.userspace.engine.conntrack.tracker import Tracker
from dpif.userspace.engine.conntrack.tuples import WITH_PORTS, Tuple, read_inner
from dpif.userspace.engine.conntrack.validity import is_icmp_error

_ICMP: Final = frozenset({IPPROTO_ICMP, IPPROTO_ICMPV6})
_SET_PORTS: Final = {IPPROTO_TCP: edit.set_tcp, IPPROTO_UDP: edit.set_udp, IPPROTO_SCTP: edit.set_sctp}
_PORT_BITS: Final = 0xFFFF
_TRIES: Final = (128, 64, 32, 16, 8)
"""Ports that are tried, one after the other (NF_NAT_MAX_ATTEMPTS and its halves)."""
_ALIKE: Final = 128
"""Connections from one source of which the translation is looked at, the newest ones."""
_QUOTED_SIZE: Final = 8
_TCP_HEADER_SIZE: Final = 20


class Range(NamedTuple):
    """The addresses and ports to choose from; ports None: any that are not in use, the present one first.

    ``is_persistent`` says that a host has the same address with all its connections, ``is_random`` that the port
    is chosen anew for each, whether or not the present one is free.
    """

    first: int
    last: int
    ports: tuple[int, int] | None = None
    is_persistent: bool = False
    is_random: bool = False

    @classmethod
    def of_action(cls, nat: Nat) -> Self | None:
        """Return the range that an action gives, None when it names no address."""
        if nat.ip_min is None:
            return None
        ports = None if nat.proto_min is None else (nat.proto_min, nat.proto_max or nat.proto_min)
        first = int(nat.ip_min)
        last = first if nat.ip_max is None else int(nat.ip_max)
        return cls(first, last, ports, bool(nat.persistent), bool(nat.proto_hash or nat.proto_random))


class Translator:
    """Decides on translations for the connections of a tracker; ports are tried from a `random` one on."""

    def __init__(self, tracker: Tracker, random: _random.Random) -> None:
        self._tracker = tracker
        self._random = random

    def decide(self, connection: Connection, range_: Range | None, *, is_source: bool) -> None:
        """Choose what source or destination become, once for each connection (nf_nat_setup_info).

        Without a range the addresses stay, and a source port changes only where it must. A connection that is
        confirmed stays as it is. When nothing is free, something else is chosen, which cannot be confirmed.
        """
        if connection.is_confirmed:
            return
        present = connection.reply.inverse()
        assert present is not None, "a reply has an inverse as its connection had"
        if range_ is None:
            address = present.src if is_source else present.dst
            range_ = Range(address, address)
        chosen = self._choose(connection, present, range_, is_source=is_source)
        reply = chosen.inverse()
        assert reply is not None, "only addresses and ports have changed"
        connection.reply = reply
        if is_source:
            connection.source_set = True
            connection.source_translated |= chosen != present
        else:
            connection.destination_set = True
            connection.destination_translated |= chosen != present

    def _choose(self, connection: Connection, present: Tuple, range_: Range, *, is_source: bool) -> Tuple:
        """Return the tuple of packets that have been translated (get_unique_tuple)."""
        if is_source and not range_.is_random:
            if _is_within(present, range_):
                if self._is_free(connection, present) or self._is_reverse(connection, present):
                    return present
            else:
                before = self._translated_before(connection, present, range_)
                if before is not None and self._is_free(connection, before):
                    return before
        address = _pick_address(present, range_, is_source=is_source)
        names = present._replace(src=address) if is_source else present._replace(dst=address)
        is_usable = not range_.is_random and _has_port_within(names, range_, is_source=is_source)
        if is_usable and self._is_free(connection, names):
            return names
        for candidate in self._with_other_ports(names, range_, is_source=is_source):
            names = candidate
            if self._is_free(connection, names):
                break
        return names

    def _translated_before(self, connection: Connection, present: Tuple, range_: Range) -> Tuple | None:
        """Return `present` with the source that its own stands for in another connection (find_appropriate_src)."""
        for other in islice(self._tracker.index.with_source(connection.zone, present), _ALIKE):
            source = other.reply.inverse()
            assert source is not None, "a reply has an inverse as its connection had"
            names = present._replace(src=source.src, src_port=source.src_port)
            if _is_within(names, range_):
                return names
        return None

    def _is_free(self, connection: Connection, names: Tuple) -> bool:
        """Tell whether no other connection has the answers to `names`; if one began alike, that is found later."""
        answer = names.inverse()
        found = None if answer is None else self._tracker.find(connection.zone, answer)
        return found is None or found[0].original == connection.original

    def _is_reverse(self, connection: Connection, names: Tuple) -> bool:
        """Tell whether who has `names` is the other direction of a connection that is not translated.

        Both began at the same time, and become one when this one is committed (nf_nat_used_tuple_new).
        """
        if not self._tracker.rules.clashes_match or not self._tracker.may_clash(connection):
            return False
        answer = names.inverse()
        found = self._tracker.find(connection.zone, names)
        if found is None and answer is not None:
            found = self._tracker.find(connection.zone, answer)
        if found is None:
            return True
        is_plain = not (connection.is_translated or found[0].is_translated)
        return is_plain and found[0].original == connection.reply

    def _with_other_ports(self, names: Tuple, range_: Range, *, is_source: bool) -> Iterator[Tuple]:
        """Yield `names` with ports that may be; a destination keeps its port unless a range is given.

        Of many ports some are tried from one on, then fewer from another on (nf_nat_l4proto_unique_tuple).
        """
        in_order = not (is_source or range_.is_random) and self._tracker.rules.dnat_in_order
        if names.protocol in _ICMP:
            first, last = range_.ports or (0, _PORT_BITS)
            is_source = True  # the identifier is in the same place either way
        elif names.protocol not in WITH_PORTS or (range_.ports is None and not is_source):
            return
        else:
            first, last = range_.ports or _usual_ports(names.src_port)
        size = last - first + 1
        start = 0 if in_order else self._random.randrange(size)
        for tries in _TRIES:
            for step in range(min(tries, size)):
                port = first + (start + step) % size
                yield names._replace(src_port=port) if is_source else names._replace(dst_port=port)
            if tries >= size:
                return
            start = self._random.randrange(size)


def _is_within(names: Tuple, range_: Range) -> bool:
    """Tell whether the source is one of the range's already."""
    return range_.first <= names.src <= range_.last and _has_port_within(names, range_, is_source=True)


def _has_port_within(names: Tuple, range_: Range, *, is_source: bool) -> bool:
    if range_.ports is None or (names.protocol not in WITH_PORTS and names.protocol not in _ICMP):
        return True
    port = names.src_port if is_source or names.protocol in _ICMP else names.dst_port
    return range_.ports[0] <= port <= range_.ports[1]


def _usual_ports(port: int) -> tuple[int, int]:
    """Return the ports that may stand for a source port: privileged ones for privileged ones."""
    if port < 512:
        return 1, 511
    return (600, 1023) if port < 1024 else (1024, _PORT_BITS)


def _pick_address(names: Tuple, range_: Range, *, is_source: bool) -> int:
    """Spread connections over the addresses of a range by a hash of their ends."""
    size = range_.last - range_.first + 1
    if size == 1:
        return range_.first
    ends = f"{names.src}" if range_.is_persistent else f"{names.src} {names.dst}"
    return range_.first + crc32(ends.encode()) % size


# Packets.


def translate(packet: bytearray, layout: Layout, tracked: Tracked, *, is_source: bool) -> None:
    """Rewrite the source or destination of a packet as its connection has it, if that is translated."""
    connection, info = tracked
    on_source = is_source != info.is_reply
    if not (connection.source_translated if on_source else connection.destination_translated):
        return
    other = connection.names(is_reply=not info.is_reply)
    target = other.inverse()
    assert target is not None, "both directions of a connection have an inverse"
    if is_icmp_error(packet, layout):
        _rewrite_inner(packet, layout, other, is_source=not is_source)
        _set_address(packet, layout, target, is_source=is_source)
        edit.complete_checksum(packet, layout)
    else:
        _set_address(packet, layout, target, is_source=is_source)
        _set_port(packet, layout, target, is_source=is_source)


def _set_address(packet: bytearray, layout: Layout, target: Tuple, *, is_source: bool) -> None:
    change, ones = (edit.set_ipv4, (1 << 32) - 1) if layout.ethertype == ETH_P_IP else (edit.set_ipv6, (1 << 128) - 1)
    address = target.src if is_source else target.dst
    if is_source:
        change(packet, layout, src=(address, ones))
    else:
        change(packet, layout, dst=(address, ones))


def _set_port(packet: bytearray, layout: Layout, target: Tuple, *, is_source: bool) -> None:
    if layout.protocol in _ICMP:
        _set_identifier(packet, layout.l4, target.src_port)
        return
    change = _SET_PORTS.get(layout.protocol)
    if change is not None and is_source:
        change(packet, layout, src=(target.src_port, _PORT_BITS))
    elif change is not None:
        change(packet, layout, dst=(target.dst_port, _PORT_BITS))


def _set_identifier(packet: bytearray, l4: int, identifier: int) -> None:
    old = int.from_bytes(packet[l4 + 4 : l4 + 6])
    check = int.from_bytes(packet[l4 + 2 : l4 + 4])
    packet[l4 + 4 : l4 + 6] = identifier.to_bytes(2)
    if old != identifier:
        packet[l4 + 2 : l4 + 4] = update(check, old, identifier).to_bytes(2)


def _rewrite_inner(packet: bytearray, layout: Layout, target: Tuple, *, is_source: bool) -> None:
    """Rewrite the packet that an ICMP error quotes, of which the sender is to recognise its own.

    It may end behind the 8 bytes that every error quotes (nf_nat_proto.c): then there is no checksum to follow.
    Raise `DecodeError` where there are fewer of them.
    """
    inner = read_inner(packet, layout)
    if inner is None:
        return
    quoted = packet[inner.start :]
    _set_address(quoted, inner.layout, target, is_source=is_source)
    _set_quoted_port(quoted, inner.layout, target, is_source=is_source)
    packet[inner.start :] = quoted


def _set_quoted_port(quoted: bytearray, layout: Layout, target: Tuple, *, is_source: bool) -> None:
    protocol, l4 = layout.protocol, layout.l4
    if protocol not in WITH_PORTS:
        _set_port(quoted, layout, target, is_source=is_source)
        return
    if len(quoted) < l4 + _QUOTED_SIZE:
        raise DecodeError("an ICMP error quotes too little to be translated", offset=l4)
    if protocol == IPPROTO_UDP or (protocol == IPPROTO_TCP and len(quoted) >= l4 + _TCP_HEADER_SIZE):
        _set_port(quoted, layout, target, is_source=is_source)
        return
    at, port = (l4, target.src_port) if is_source else (l4 + 2, target.dst_port)
    quoted[at : at + 2] = port.to_bytes(2)
    if protocol == IPPROTO_SCTP:
        edit.complete_sctp(quoted, l4)
