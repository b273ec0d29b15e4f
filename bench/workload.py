"""The flows that the benchmarks use: ten kinds, interleaved, under as many masks, with five lists of actions.

`line` is a flow as a file for ``add-flows`` has it, `payloads` the messages that a kernel lists such flows by, and
`Replay` a transport that plays a dump of them.
"""

from __future__ import annotations

from dpif.netlink.constants import NLM_F_MULTI, NLMSG_DONE
from dpif.netlink.message import HEADER, pack_message
from dpif.odp.actions import parse_actions
from dpif.odp.kernel.emit import mask_to_key, to_key
from dpif.odp.kernel.match import from_match
from dpif.odp.messages.flow import FlowCounters, FlowRecord
from dpif.odp.model.key import parse_match

KINDS = (
    "in_port(1),eth(src=02:00:00:{},dst=02:00:00:00:01:01),eth_type(0x0800),"
    "ipv4(src=10.0.0.1,proto=17,frag=no),udp(dst=53)",
    "recirc_id(0x1),in_port(1),eth(src=02:00:00:{}),eth_type(0x0806),arp(op=1,sip=10.0.0.1)",
    "in_port(2),eth(src=02:00:00:{}),eth_type(0x0800),ipv4(proto=6,tos=0/0x3,frag=no),tcp(dst=80),tcp_flags(0/0)",
    "in_port(2),eth(src=02:00:00:{}),eth_type(0x86dd),ipv6(src=fe80::1/ffff::,proto=6,frag=no),tcp(dst=443),"
    "tcp_flags(0/0)",
    "in_port(3),eth(src=02:00:00:{}),eth_type(0x8100),vlan(vid=5,pcp=1),"
    "encap(eth_type(0x0800),ipv4(src=10.1.0.0/255.255.0.0,frag=no))",
    "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,flags(df|key)),in_port(4),eth(src=02:00:00:{}),"
    "eth_type(0x0800),ipv4(proto=17,frag=no),udp(src=1)",
    "ct_state(+trk-new),ct_mark(0x1/0xff),in_port(1),eth(src=02:00:00:{}),eth_type(0x0800),"
    "ipv4(dst=10.2.0.0/255.255.0.0,frag=no)",
    "skb_priority(0x5),in_port(1),eth(src=02:00:00:{},dst=02:00:00:00:00:00/01:00:00:00:00:00),eth_type(0x1234)",
    "in_port(5),eth(src=02:00:00:{}),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,frag=no),"
    "icmp(type=8,code=0)",
    "in_port(6),eth(src=02:00:00:{}),eth_type(0x0800),ipv4(proto=6,frag=first),tcp(src=5,dst=6),tcp_flags(+syn)",
)
ACTIONS = ("2", "3,4", "push_vlan(vid=5,pcp=0),2", "set(eth(dst=02:00:00:00:00:09)),3", "1,2")

DUMP_PART = 0x8000
"""Bytes of rows that the kernel puts into one read."""
FAMILY = 31
DATAPATH = 5


def key(number: int) -> str:
    """Return the text of the key and mask of flow `number`, below 2 ** 24."""
    return KINDS[number % len(KINDS)].format(number.to_bytes(3, "big").hex(":"))


def actions(number: int) -> str:
    """Return the text of the actions of flow `number`."""
    return ACTIONS[number % len(ACTIONS)]


def line(number: int) -> str:
    """Return flow `number` as a line of a file."""
    return f"{key(number)} {actions(number)}"


def dump_line(number: int) -> str:
    """Return flow `number` as a dump lists it."""
    return f"{key(number)}, packets:{number}, bytes:{64 * number}, used:1.234s, actions:{actions(number)}"


def payload(number: int) -> bytes:
    """Return the message by which a kernel lists flow `number`, without its ``nlmsghdr``."""
    flat, mask = from_match(*parse_match(key(number)))
    used = number % 3 > 0
    return FlowRecord(
        command=1,
        dp_ifindex=DATAPATH,
        key=to_key(flat).to_bytes(),
        mask=mask_to_key(flat, mask).to_bytes(),
        actions=parse_actions(actions(number)).to_bytes(),
        stats=FlowCounters(number, 64 * number) if used else None,
        used=1000 + number if used else None,
    ).to_payload()


def payloads(count: int, different: int = 2000) -> list[bytes]:
    """Return `count` messages, of which so many are different."""
    some = [payload(number) for number in range(min(count, different))]
    return [some[number % len(some)] for number in range(count)]


class Replay:
    """A transport that answers the request for a dump with the same rows again and again."""

    port_id = 77

    def __init__(self, rows: list[bytes]) -> None:
        self.datagrams = _dump(rows, self.port_id)
        self._rest = iter(self.datagrams)

    def send(self, datagram: bytes) -> None:
        """Begin anew; the sequence number of the rows is always 1, as that of the first request of a connection."""
        self._rest = iter(self.datagrams)

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next datagram."""
        try:
            return next(self._rest)
        except StopIteration:
            raise BlockingIOError from None

    def fileno(self) -> int:
        """There is none."""
        return -1

    def join_group(self, group: int) -> None:
        """There are none."""

    def leave_group(self, group: int) -> None:
        """There are none."""

    def close(self) -> None:
        """Nothing to do."""


def _dump(rows: list[bytes], port_id: int) -> list[bytes]:
    datagrams, part = [], b""
    for row in rows:
        message = pack_message(FAMILY, NLM_F_MULTI, 1, port_id, row)
        if len(part) + len(message) > DUMP_PART:
            datagrams.append(part)
            part = b""
        part += message
    done = HEADER.pack(HEADER.size + 4, NLMSG_DONE, NLM_F_MULTI, 1, port_id) + bytes(4)
    return [*datagrams, part, done]
