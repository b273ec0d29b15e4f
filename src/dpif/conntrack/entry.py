"""Entries: connections as conntrack describes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from dpif._typing import Any, NamedTuple
from dpif.conntrack.constants import (
    NF_CT_LABELS_MAX_SIZE,
    CountersAttr,
    CtAttr,
    HelpAttr,
    ProtoinfoAttr,
    SctpAttr,
    Status,
    TcpAttr,
    TimestampAttr,
)
from dpif.conntrack.nfnetlink import HEADER_SIZE, pack_header, unpack_header
from dpif.conntrack.tuples import NESTED_TUPLE, Tuple
from dpif.errors import EncodeError
from dpif.netlink.attributes import Buffer, RawAttr
from dpif.netlink.policy import (
    BE16,
    BE32,
    BE64,
    PAD,
    U8,
    AttributeSet,
    Binary,
    Decoded,
    Nested,
    String,
    Structure,
)


class Counters(NamedTuple):
    """Packets and bytes of one direction (where ``net.netfilter.nf_conntrack_acct`` is on)."""

    packets: int = 0
    bytes: int = 0


class TcpFlags(NamedTuple):
    """``struct nf_ct_tcp_flags``: flags (`constants.TcpFlag`), and which of them a request changes."""

    flags: int = 0
    mask: int = 0


class TcpInfo(NamedTuple):
    """The state of a TCP connection (`constants.TcpState`); window scale and flags of either direction."""

    state: int
    wscale_orig: int | None = None
    wscale_reply: int | None = None
    flags_orig: TcpFlags | None = None
    flags_reply: TcpFlags | None = None


class SctpInfo(NamedTuple):
    """The state of an SCTP association (`constants.SctpState`), and the verification tag of either direction."""

    state: int
    vtag_orig: int | None = None
    vtag_reply: int | None = None


_COUNTERS = AttributeSet("COUNTERS", {CountersAttr.PACKETS: BE64, CountersAttr.BYTES: BE64, CountersAttr.PAD: PAD})
_TIMESTAMP = AttributeSet("TIMESTAMP", {TimestampAttr.START: BE64, TimestampAttr.STOP: BE64, TimestampAttr.PAD: PAD})
_HELP = AttributeSet("HELP", {HelpAttr.NAME: String()})
_FLAGS = Structure("=2B", TcpFlags)
_TCP = AttributeSet(
    "TCP",
    {
        TcpAttr.STATE: U8,
        TcpAttr.WSCALE_ORIGINAL: U8,
        TcpAttr.WSCALE_REPLY: U8,
        TcpAttr.FLAGS_ORIGINAL: _FLAGS,
        TcpAttr.FLAGS_REPLY: _FLAGS,
    },
    required=(TcpAttr.STATE,),
)
_SCTP = AttributeSet(
    "SCTP",
    {SctpAttr.STATE: U8, SctpAttr.VTAG_ORIGINAL: BE32, SctpAttr.VTAG_REPLY: BE32},
    required=(SctpAttr.STATE,),
)
_PROTOINFO = AttributeSet(
    "PROTOINFO", {ProtoinfoAttr.TCP: Nested(_TCP), ProtoinfoAttr.SCTP: Nested(_SCTP)}, nested_flag=True
)
CONNTRACK = AttributeSet(
    "CONNTRACK",
    {
        CtAttr.TUPLE_ORIG: NESTED_TUPLE,
        CtAttr.TUPLE_REPLY: NESTED_TUPLE,
        CtAttr.STATUS: BE32,
        CtAttr.PROTOINFO: Nested(_PROTOINFO),
        CtAttr.HELP: Nested(_HELP),
        CtAttr.TIMEOUT: BE32,
        CtAttr.MARK: BE32,
        CtAttr.COUNTERS_ORIG: Nested(_COUNTERS),
        CtAttr.COUNTERS_REPLY: Nested(_COUNTERS),
        CtAttr.USE: BE32,
        CtAttr.ID: BE32,
        CtAttr.TUPLE_MASTER: NESTED_TUPLE,
        CtAttr.ZONE: BE16,
        CtAttr.TIMESTAMP: Nested(_TIMESTAMP),
        CtAttr.MARK_MASK: BE32,
        CtAttr.LABELS: Binary(0, NF_CT_LABELS_MAX_SIZE),
    },
    nested_flag=True,
)
_ENTRY = AttributeSet(CONNTRACK.name, CONNTRACK.entries, required=(CtAttr.TUPLE_ORIG, CtAttr.TUPLE_REPLY))


class Entry(NamedTuple):
    """A connection.

    ``orig`` is the tuple of the packets that opened it, ``reply`` that of those that answer (the reverse of
    ``orig``, unless an address is translated). ``timeout`` is how many seconds it has left. ``labels`` are 128 bits
    in the byte order of the host, as ``ct_label`` in flows. ``start`` and ``stop`` are in nanoseconds since 1970,
    where ``net.netfilter.nf_conntrack_timestamp`` is on. ``parent`` is the connection that a helper expected this
    one of, ``use`` how many references the kernel holds. What the kernel left out is 0 or None.
    """

    orig: Tuple
    reply: Tuple
    id: int = 0
    zone: int = 0
    status: Status = Status(0)
    timeout: int = 0
    mark: int = 0
    labels: int = 0
    counters_orig: Counters | None = None
    counters_reply: Counters | None = None
    start: int | None = None
    stop: int | None = None
    protoinfo: TcpInfo | SctpInfo | None = None
    helper: str = ""
    parent: Tuple | None = None
    use: int = 0
    unknown: tuple[RawAttr, ...] = ()

    @classmethod
    def from_payload(cls, payload: Buffer) -> Entry:
        """Decode a message; raise `DecodeError`."""
        unpack_header(payload)
        values, unknown = _ENTRY.decode(payload, HEADER_SIZE)
        timestamp = _inner(values, CtAttr.TIMESTAMP)
        return cls(
            orig=values[CtAttr.TUPLE_ORIG],
            reply=values[CtAttr.TUPLE_REPLY],
            id=values.get(CtAttr.ID, 0),
            zone=values.get(CtAttr.ZONE, 0),
            status=Status(values.get(CtAttr.STATUS, 0)),
            timeout=values.get(CtAttr.TIMEOUT, 0),
            mark=values.get(CtAttr.MARK, 0),
            labels=int.from_bytes(values.get(CtAttr.LABELS, b""), sys.byteorder),
            counters_orig=_counters(values, CtAttr.COUNTERS_ORIG),
            counters_reply=_counters(values, CtAttr.COUNTERS_REPLY),
            start=timestamp.get(TimestampAttr.START),
            stop=timestamp.get(TimestampAttr.STOP),
            protoinfo=_protoinfo(_inner(values, CtAttr.PROTOINFO)),
            helper=_inner(values, CtAttr.HELP).get(HelpAttr.NAME, ""),
            parent=values.get(CtAttr.TUPLE_MASTER),
            use=values.get(CtAttr.USE, 0),
            unknown=unknown,
        )

    def to_payload(self) -> bytes:
        """Encode as the kernel does, leaving out what is 0 or None; raise `EncodeError`."""
        stamps = {TimestampAttr.START: self.start, TimestampAttr.STOP: self.stop}
        return pack_header(self.orig.family) + CONNTRACK.encode(
            {
                CtAttr.TUPLE_ORIG: self.orig,
                CtAttr.TUPLE_REPLY: self.reply,
                CtAttr.STATUS: int(self.status),
                CtAttr.PROTOINFO: _encoded_protoinfo(self.protoinfo),
                CtAttr.HELP: {HelpAttr.NAME: self.helper} if self.helper else None,
                CtAttr.TIMEOUT: self.timeout or None,
                CtAttr.MARK: self.mark or None,
                CtAttr.COUNTERS_ORIG: _encoded_counters(self.counters_orig),
                CtAttr.COUNTERS_REPLY: _encoded_counters(self.counters_reply),
                CtAttr.USE: self.use or None,
                CtAttr.ID: self.id or None,
                CtAttr.TUPLE_MASTER: self.parent,
                CtAttr.ZONE: self.zone or None,
                CtAttr.TIMESTAMP: None if self.start is None and self.stop is None else stamps,
                CtAttr.LABELS: _encoded_labels(self.labels) if self.labels else None,
            },
            self.unknown,
        )


def _inner(values: Mapping[int, Any], number: int) -> Mapping[int, Any]:
    """Return the values of a nested attribute, none where it is missing."""
    nested: Decoded | None = values.get(number)
    return {} if nested is None else nested.values


def _counters(values: Mapping[int, Any], number: int) -> Counters | None:
    if number not in values:
        return None
    inner = _inner(values, number)
    return Counters(inner.get(CountersAttr.PACKETS, 0), inner.get(CountersAttr.BYTES, 0))


def _encoded_counters(counters: Counters | None) -> dict[int, object] | None:
    if counters is None:
        return None
    return {CountersAttr.PACKETS: counters.packets, CountersAttr.BYTES: counters.bytes}


def _encoded_labels(labels: int) -> bytes:
    try:
        return labels.to_bytes(NF_CT_LABELS_MAX_SIZE, sys.byteorder)
    except OverflowError:
        raise EncodeError(f"labels of {labels:#x} are no 128 bits", "CONNTRACK.LABELS") from None


def _protoinfo(values: Mapping[int, Any]) -> TcpInfo | SctpInfo | None:
    if ProtoinfoAttr.TCP in values:
        return TcpInfo._make(map(_inner(values, ProtoinfoAttr.TCP).get, TcpAttr))
    if ProtoinfoAttr.SCTP in values:
        return SctpInfo._make(map(_inner(values, ProtoinfoAttr.SCTP).get, SctpAttr))
    return None


def _encoded_protoinfo(info: TcpInfo | SctpInfo | None) -> dict[int, object] | None:
    if info is None:
        return None
    if isinstance(info, TcpInfo):
        return {ProtoinfoAttr.TCP: dict(zip(TcpAttr, info, strict=True))}
    return {ProtoinfoAttr.SCTP: dict(zip(SctpAttr, info, strict=True))}
