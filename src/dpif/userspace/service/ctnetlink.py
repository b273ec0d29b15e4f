"""The subsystem ctnetlink: connections listed, looked up, deleted, counted (nf_conntrack_netlink.c)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from errno import EINVAL, ENOENT
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET

from dpif._typing import Any, Final
from dpif.conntrack.constants import CtAttr, CtMsg, Status
from dpif.conntrack.entry import CONNTRACK, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.nfnetlink import HEADER_SIZE, unpack_header
from dpif.conntrack.service import NetfilterCommand
from dpif.conntrack.totals import Totals
from dpif.conntrack.tuples import Tuple
from dpif.netlink.answering import Call, Refusal
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6, IPPROTO_ICMP, IPPROTO_ICMPV6
from dpif.userspace.engine.conntrack import tuples as engine
from dpif.userspace.engine.conntrack.connection import Connection
from dpif.userspace.engine.conntrack.sctp import Sctp
from dpif.userspace.engine.conntrack.tcp import Tcp
from dpif.userspace.engine.conntrack.tracker import Tracker

_ICMP: Final = (IPPROTO_ICMP, IPPROTO_ICMPV6)
_ANY_MARK: Final = 0xFFFFFFFF


def commands(tracker: Tracker) -> Mapping[int, NetfilterCommand]:
    """Return what the subsystem can do with the connections of `tracker`."""
    subsystem = _Ctnetlink(tracker)
    return {
        CtMsg.GET: NetfilterCommand(subsystem.get, subsystem.dump),
        CtMsg.DELETE: NetfilterCommand(subsystem.delete),
        CtMsg.GET_STATS: NetfilterCommand(subsystem.count, answer=CtMsg.GET_STATS),
    }


class _Ctnetlink:
    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def get(self, call: Call) -> bytes:
        """Return the entry that has a tuple in either direction."""
        return self._entry(self._find(_decode(call)))

    def dump(self, call: Call) -> Iterator[bytes]:
        """Yield the entries of an address family, a zone, a mark."""
        is_meant = _filter(_decode(call), unpack_header(call.payload).family)
        return (self._entry(one) for one in self._tracker if is_meant(one))

    def delete(self, call: Call) -> None:
        """Delete the entry that has a tuple and (if told) an id; without a tuple all, of a zone, a mark."""
        values = _decode(call)
        if CtAttr.TUPLE_ORIG in values or CtAttr.TUPLE_REPLY in values:
            found = self._find(values)
            if values.get(CtAttr.ID, found.id) != found.id:
                raise Refusal(ENOENT, "that connection has gone, another has its tuple")
            self._tracker.remove(found)
            return
        if CtAttr.ZONE not in values and CtAttr.MARK not in values:
            self._tracker.clear()
            return
        is_meant = _filter(values, 0)
        for connection in self._tracker.index:  # those that are not listed, too
            if is_meant(connection):
                self._tracker.remove(connection)

    def count(self, call: Call) -> bytes:
        """Return how many entries there are, and may be."""
        return Totals(len(self._tracker), self._tracker.most).to_payload()

    def _find(self, values: Mapping[int, Any]) -> Connection:
        asked = values.get(CtAttr.TUPLE_ORIG) or values.get(CtAttr.TUPLE_REPLY)
        if asked is None:
            raise Refusal(EINVAL, "neither an original nor a reply tuple")
        found = self._tracker.find(values.get(CtAttr.ZONE, 0), _from_wire(asked))
        if found is None:
            raise Refusal(ENOENT)
        return found[0]

    def _entry(self, connection: Connection) -> bytes:
        return Entry(
            orig=_to_wire(connection.original),
            reply=_to_wire(connection.reply),
            id=connection.id,
            zone=connection.zone,
            status=_status(connection),
            timeout=int(connection.expires - self._tracker.clock()),
            mark=connection.mark,
            labels=connection.labels,
            protoinfo=_protoinfo(connection.protocol_state),
            use=1,
        ).to_payload()


def _decode(call: Call) -> Mapping[int, Any]:
    unpack_header(call.payload)
    return CONNTRACK.decode(call.payload, HEADER_SIZE).values


def _filter(values: Mapping[int, Any], family: int) -> Callable[[Connection], bool]:
    """Return what tells whether a request means a connection."""
    zone, mark = values.get(CtAttr.ZONE), values.get(CtAttr.MARK)
    mask = values.get(CtAttr.MARK_MASK, _ANY_MARK)
    ethertype = {0: None, AF_INET: ETH_P_IP}.get(family, ETH_P_IPV6)

    def is_meant(connection: Connection) -> bool:
        return (
            (zone is None or connection.zone == zone)
            and (mark is None or connection.mark & mask == mark)
            and (ethertype is None or connection.original.ethertype == ethertype)
        )

    return is_meant


def _status(connection: Connection) -> Status:
    bits = {
        Status.CONFIRMED: connection.is_confirmed,
        Status.SEEN_REPLY: connection.has_reply,
        Status.ASSURED: connection.is_assured,
        Status.SRC_NAT: connection.source_translated,
        Status.DST_NAT: connection.destination_translated,
        Status.SRC_NAT_DONE: connection.source_set,
        Status.DST_NAT_DONE: connection.destination_set,
    }
    return Status(sum(bit for bit, is_set in bits.items() if is_set))


def _protoinfo(state: Tcp | Sctp | None) -> TcpInfo | SctpInfo | None:
    if isinstance(state, Tcp):
        opener, answerer = state.ends
        # One byte each: the flags behind it are the tracker's own.
        flags = [TcpFlags(end.flags & 0xFF) for end in state.ends]
        return TcpInfo(state.state, opener.scale, answerer.scale, *flags)
    if isinstance(state, Sctp):
        return SctpInfo(state.state, *state.tags)
    return None


# Tuples: addresses and fields on the wire, numbers in the engine.


def _to_wire(names: engine.Tuple) -> Tuple:
    address = IPv4Address if names.ethertype == ETH_P_IP else IPv6Address
    ends = Tuple(address(names.src), address(names.dst), names.protocol)
    if names.protocol in _ICMP:
        kind, code = divmod(names.dst_port, 256)
        return ends._replace(icmp_id=names.src_port, icmp_type=kind, icmp_code=code)
    if names.protocol in engine.WITH_PORTS:
        return ends._replace(src_port=names.src_port, dst_port=names.dst_port)
    return ends


def _from_wire(asked: Tuple) -> engine.Tuple:
    ports: tuple[int | None, ...] = (0, 0)
    if asked.protocol in _ICMP:
        ports = (asked.icmp_id, asked.icmp_type, asked.icmp_code)
    elif asked.protocol in engine.WITH_PORTS:
        ports = (asked.src_port, asked.dst_port)
    known = [port for port in ports if port is not None]
    if len(known) < len(ports):
        raise Refusal(EINVAL, f"a tuple of IP protocol {asked.protocol} without all its parts")
    second = known[1] if len(known) == 2 else known[1] << 8 | known[2]
    ethertype = ETH_P_IP if asked.family == AF_INET else ETH_P_IPV6
    return engine.Tuple(ethertype, int(asked.src), int(asked.dst), asked.protocol, known[0], second)
