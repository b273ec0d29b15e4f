"""Entries as lines of text, as ``ovs-dpctl dump-conntrack`` prints them (``ct_dpif_format_entry``).

One difference: an SCTP verification tag is printed as the number that stands in the packets, not byte-swapped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from enum import IntFlag
from socket import AF_INET6, inet_ntop

from dpif._typing import Final
from dpif.conntrack.constants import SctpState, Status, TcpFlag, TcpState
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.tuples import (
    IPPROTO_DCCP,
    IPPROTO_ICMP,
    IPPROTO_ICMPV6,
    IPPROTO_IGMP,
    IPPROTO_SCTP,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPPROTO_UDPLITE,
    Address,
    Tuple,
)

PROTOCOL_NAMES: Final = {
    IPPROTO_ICMP: "icmp",
    IPPROTO_ICMPV6: "icmpv6",
    IPPROTO_TCP: "tcp",
    IPPROTO_UDP: "udp",
    IPPROTO_SCTP: "sctp",
    IPPROTO_UDPLITE: "udplite",
    IPPROTO_DCCP: "dccp",
    IPPROTO_IGMP: "igmp",
}
TCP_STATE_NAMES: Final = (
    "CLOSED",
    "LISTEN",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "CLOSE_WAIT",
    "FIN_WAIT_1",
    "CLOSING",
    "LAST_ACK",
    "FIN_WAIT_2",
    "TIME_WAIT",
)
"""Open vSwitch's names of the states of TCP, in its order."""
_TCP_STATE_NAME: Final = {
    TcpState.NONE: "CLOSED",
    TcpState.SYN_SENT2: "SYN_SENT",
    TcpState.FIN_WAIT: "FIN_WAIT_1",
    TcpState.CLOSE: "CLOSING",
}
"""The kernel's states that Open vSwitch calls otherwise."""
_COMMON_NAME: Final = {"SYN_RECV": "ESTABLISHED", "FIN_WAIT_2": "TIME_WAIT"}
"""States that the kernel's conntrack and that of user space tell apart differently, and what is said for both."""
SHOWN_STATUS: Final = tuple(flag for flag in Status if flag <= Status.UNTRACKED)


def format_entry(entry: Entry, *, more: bool = False, statistics: bool = False) -> str:
    """Return the line; `more` adds identifiers and details, `statistics` counters and times."""
    return ",".join(_parts(entry, more, statistics))


def _parts(entry: Entry, more: bool, statistics: bool) -> Iterator[str]:
    yield protocol_name(entry.orig.protocol)
    yield f"orig=({format_tuple(entry.orig)}{_counters(entry.counters_orig) if statistics else ''})"
    yield f"reply=({format_tuple(entry.reply)}{_counters(entry.counters_reply) if statistics else ''})"
    yield from format_details(entry, more=more, statistics=statistics)


def format_details(entry: Entry, *, more: bool = False, statistics: bool = False) -> Iterator[str]:
    """Yield what the line says behind the two tuples, each as ``name=value``."""
    if statistics:
        yield from _times(entry)
    if more:
        yield f"id={entry.id}"
    if entry.zone:
        yield f"zone={entry.zone}"
    if more:
        yield f"status={_flags(entry.status, SHOWN_STATUS)}"
    if statistics:
        yield f"timeout={entry.timeout}"
    if entry.mark:
        yield f"mark={entry.mark}"
    if entry.labels:
        yield f"labels={entry.labels:#x}"
    if entry.protoinfo is not None:
        yield f"protoinfo=({_protoinfo(entry.protoinfo, more)})"
    if entry.helper:
        yield f"helper={entry.helper}"
    if more and entry.parent is not None:
        yield f"parent=({format_tuple(entry.parent)})"


def protocol_name(protocol: int) -> str:
    """Return the name of an IP protocol, its number where it has none."""
    return PROTOCOL_NAMES.get(protocol, str(protocol))


def format_tuple(tuple_: Tuple) -> str:
    """Return addresses, and ports or what ICMP has in their place."""
    addresses = f"src={format_address(tuple_.src)},dst={format_address(tuple_.dst)}"
    if tuple_.protocol in (IPPROTO_ICMP, IPPROTO_ICMPV6):
        return f"{addresses},id={tuple_.icmp_id or 0},type={tuple_.icmp_type or 0},code={tuple_.icmp_code or 0}"
    return f"{addresses},sport={tuple_.src_port or 0},dport={tuple_.dst_port or 0}"


def state_name(info: TcpInfo | SctpInfo, *, more: bool = False) -> str:
    """Return the state in the words of the line; `more` tells those of TCP apart that it has one name for."""
    if isinstance(info, SctpInfo):
        known = SctpState.NONE < info.state <= SctpState.HEARTBEAT_ACKED
        return SctpState(info.state).name if known else "CLOSED"
    name = tcp_state(info.state)
    return name if more else _COMMON_NAME.get(name, name)


def tcp_state_name(entry: Entry) -> str:
    """Return Open vSwitch's name of the state of a TCP connection, the same for both of its conntracks."""
    return state_name(entry.protoinfo if isinstance(entry.protoinfo, TcpInfo) else TcpInfo(TcpState.NONE))


def format_address(address: Address) -> str:
    """Return the text of an address as the C library writes it."""
    # Python writes IPv4-mapped addresses otherwise than the C library.
    return str(address) if address.version == 4 else inet_ntop(AF_INET6, address.packed)


def _counters(counters: Counters | None) -> str:
    return "" if counters is None or not any(counters) else f",packets={counters.packets},bytes={counters.bytes}"


def _times(entry: Entry) -> Iterator[str]:
    if entry.start or entry.stop:
        yield f"start={_local_time(entry.start or 0)}"
    if entry.stop:
        yield f"stop={_local_time(entry.stop)}"


def _local_time(nanoseconds: int) -> str:
    seconds, milliseconds = divmod(nanoseconds // 1_000_000, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.localtime(seconds))}.{milliseconds:03}"


def _protoinfo(info: TcpInfo | SctpInfo, more: bool) -> str:
    name = state_name(info, more=more)
    if isinstance(info, SctpInfo):
        return f"state={name},vtag_orig={info.vtag_orig or 0},vtag_reply={info.vtag_reply or 0}"
    return ",".join(_tcp_details(info, name)) if more else f"state={name}"


def tcp_state(state: int) -> str:
    """Return Open vSwitch's name of a state of the kernel (`constants.TcpState`)."""
    if state not in set(TcpState):
        return "CLOSED"
    return _TCP_STATE_NAME.get(TcpState(state), TcpState(state).name)


def _tcp_details(info: TcpInfo, name: str) -> Iterator[str]:
    yield f"state_orig={name}"
    yield f"state_reply={name}"
    if info.wscale_orig or info.wscale_reply:
        yield f"wscale_orig={info.wscale_orig or 0}"
        yield f"wscale_reply={info.wscale_reply or 0}"
    yield f"flags_orig={_flags((info.flags_orig or TcpFlags()).flags, TcpFlag)}"
    yield f"flags_reply={_flags((info.flags_reply or TcpFlags()).flags, TcpFlag)}"


def flag_names(value: int, shown: Iterable[IntFlag]) -> list[str]:
    """Return the names of those flags that are set in `value`."""
    return [flag.name or "" for flag in shown if value & flag]


def _flags(value: int, shown: Iterable[IntFlag]) -> str:
    return "|".join(flag_names(value, shown)) or "0"
