"""Timeout policies: how long conntrack keeps a connection in each of its states.

Open vSwitch numbers its policies; the kernel names its own, and each is for one protocol over one version of IP. So
a policy here is six of the kernel's, ``ovs_tp_1_tcp4`` and so on, and an action says ``ct(timeout=ovs_tp_1_tcp4)``
for the packets of its kind (`policy_name`). Those that somebody else named are passed over.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from socket import AF_INET, AF_INET6

from dpif._typing import Final, NamedTuple
from dpif.conntrack.constants import (
    CTNL_TIMEOUT_NAME_MAX,
    IcmpTimeout,
    Subsystem,
    TcpTimeout,
    TimeoutAttr,
    TimeoutMsg,
    UdpTimeout,
)
from dpif.conntrack.nfnetlink import HEADER_SIZE, pack_header, request, unpack_header
from dpif.conntrack.tuples import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP
from dpif.errors import EncodeError, NoSuchObject, brief
from dpif.netlink.attributes import Buffer
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_REPLACE
from dpif.netlink.exchange import Request
from dpif.netlink.policy import BE16, BE32, U8, AttributeSet, Decoded, Nested, String

_MAX_ID: Final = 0xFFFFFFFF
_NAME: Final = re.compile(r"ovs_tp_(\d++)_\w++", re.ASCII)


class TimeoutPolicy(NamedTuple):
    """A policy; times are in whole seconds, None leaves the kernel's own.

    ``complete`` is False where the kernel has some of the policy's six parts only.
    """

    id: int
    tcp_syn_sent: int | None = None
    tcp_syn_recv: int | None = None
    tcp_established: int | None = None
    tcp_fin_wait: int | None = None
    tcp_close_wait: int | None = None
    tcp_last_ack: int | None = None
    tcp_time_wait: int | None = None
    tcp_close: int | None = None
    tcp_syn_sent2: int | None = None
    tcp_retransmit: int | None = None
    tcp_unack: int | None = None
    udp_single: int | None = None
    udp_multiple: int | None = None
    icmp_first: int | None = None
    complete: bool = True


_TIMES: Final = TimeoutPolicy._fields[1:-1]


class _Part(NamedTuple):
    """One of the six: its protocol over a version of IP, and the fields of a policy that it has."""

    suffix: str
    family: int
    protocol: int
    fields: Mapping[int, str]


_TCP_FIELDS: Final[Mapping[int, str]] = {
    **{member: f"tcp_{member.name.lower()}" for member in TcpTimeout},
    TcpTimeout.RETRANS: "tcp_retransmit",
}
_UDP_FIELDS: Final[Mapping[int, str]] = {UdpTimeout.UNREPLIED: "udp_single", UdpTimeout.REPLIED: "udp_multiple"}
_ICMP_FIELDS: Final[Mapping[int, str]] = {IcmpTimeout.TIMEOUT: "icmp_first"}
_PARTS: Final = (
    _Part("tcp4", AF_INET, IPPROTO_TCP, _TCP_FIELDS),
    _Part("udp4", AF_INET, IPPROTO_UDP, _UDP_FIELDS),
    _Part("icmp4", AF_INET, IPPROTO_ICMP, _ICMP_FIELDS),
    _Part("tcp6", AF_INET6, IPPROTO_TCP, _TCP_FIELDS),
    _Part("udp6", AF_INET6, IPPROTO_UDP, _UDP_FIELDS),
    _Part("icmpv6", AF_INET6, IPPROTO_ICMPV6, _ICMP_FIELDS),
)
_BY_PROTOCOL: Final = {(part.family, part.protocol): part for part in _PARTS}

_DATA = AttributeSet("DATA", dict.fromkeys(TcpTimeout, BE32))
"""The times of any protocol: numbers and type are the same for all, what they mean is not."""
TIMEOUT = AttributeSet(
    "TIMEOUT",
    {
        TimeoutAttr.NAME: String(CTNL_TIMEOUT_NAME_MAX - 1),
        TimeoutAttr.L3PROTO: BE16,
        TimeoutAttr.L4PROTO: U8,
        TimeoutAttr.DATA: Nested(_DATA),
        TimeoutAttr.USE: BE32,
    },
    nested_flag=True,
)
_REPLY = AttributeSet(
    TIMEOUT.name,
    TIMEOUT.entries,
    required=(TimeoutAttr.NAME, TimeoutAttr.L3PROTO, TimeoutAttr.L4PROTO, TimeoutAttr.DATA),
)


class KernelTimeout(NamedTuple):
    """One of the kernel's policies: ``data`` maps the protocol's attribute numbers to seconds."""

    name: str
    family: int
    protocol: int
    data: Mapping[int, int]

    @classmethod
    def from_payload(cls, payload: Buffer) -> KernelTimeout:
        """Decode a message; raise `DecodeError`."""
        unpack_header(payload)
        values = _REPLY.decode(payload, HEADER_SIZE).values
        data: Decoded = values[TimeoutAttr.DATA]
        return cls(values[TimeoutAttr.NAME], values[TimeoutAttr.L3PROTO], values[TimeoutAttr.L4PROTO], data.values)

    def to_payload(self) -> bytes:
        """Encode; raise `EncodeError`."""
        return pack_header(0) + TIMEOUT.encode(
            {
                TimeoutAttr.NAME: self.name,
                TimeoutAttr.L3PROTO: self.family,
                TimeoutAttr.L4PROTO: self.protocol,
                TimeoutAttr.DATA: self.data,
            }
        )

    @property
    def policy_id(self) -> int | None:
        """The number of the policy that this is a part of, None for somebody else's."""
        found = _NAME.fullmatch(self.name)
        return int(found[1]) if found and (self.family, self.protocol) in _BY_PROTOCOL else None

    def times(self) -> dict[str, int]:
        """Return the times by the fields of `TimeoutPolicy`."""
        fields = _BY_PROTOCOL[self.family, self.protocol].fields
        return {field: self.data[number] for number, field in fields.items() if number in self.data}


def policy_name(id: int, family: int, protocol: int) -> str:
    """Return what ``ct(timeout=…)`` calls the part of a policy for AF_INET or AF_INET6 and an IP protocol."""
    part = _BY_PROTOCOL.get((family, protocol))
    if part is None:
        found = f"IP protocol {brief(protocol)} of address family {brief(family)}"
        raise EncodeError(f"there are no timeout policies for {found}")
    return _name(id, part)


def _name(id: int, part: _Part) -> str:
    if not 0 <= id <= _MAX_ID:
        raise EncodeError(f"the number of a timeout policy is 0 to {_MAX_ID}, not {brief(id)}")
    return f"ovs_tp_{id}_{part.suffix}"


class TimeoutPolicies:
    """The policies of a network namespace; iterate for all of them, ordered by number."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def set(self, policy: TimeoutPolicy) -> None:
        """Make a policy, or change the times of the one with its number."""
        for part in _PARTS:
            times = {number: getattr(policy, field) for number, field in part.fields.items()}
            data = {number: seconds for number, seconds in times.items() if seconds is not None}
            self.put(KernelTimeout(_name(policy.id, part), part.family, part.protocol, data))

    def put(self, policy: KernelTimeout, *, flags: int = NLM_F_CREATE | NLM_F_REPLACE) -> None:
        """Make one of the kernel's policies, or change it if `flags` allow that."""
        operation = f"setting timeout policy {policy.name}"
        self._connection.transact(_request(TimeoutMsg.NEW, policy.to_payload(), operation, flags))

    def get(self, id: int) -> TimeoutPolicy:
        """Return a policy, with the kernel's own times where it sets none; raise `NoSuchObject`."""
        operation = f"reading timeout policy {id}"
        requests = [_request(TimeoutMsg.GET, _named(_name(id, part)), operation) for part in _PARTS]
        return _merged(id, [found for found in map(self._connection.transact, requests) if found])

    def delete(self, id: int) -> None:
        """Remove a policy, or what is there of it; raise `NetlinkError` with EBUSY while a flow uses it."""
        for part in _PARTS:
            payload = _named(_name(id, part))
            with contextlib.suppress(NoSuchObject):
                self._connection.transact(_request(TimeoutMsg.DELETE, payload, f"deleting timeout policy {id}"))

    def __iter__(self) -> Iterator[TimeoutPolicy]:
        parts: dict[int, list[KernelTimeout]] = {}
        dump = _request(TimeoutMsg.GET, pack_header(0), "listing timeout policies")
        for part in self._connection.dump_all(dump):
            if part.policy_id is not None:
                parts.setdefault(part.policy_id, []).append(part)
        for id, found in sorted(parts.items()):
            yield _merged(id, found)


def _merged(id: int, parts: Sequence[KernelTimeout]) -> TimeoutPolicy:
    times = {field: seconds for part in parts for field, seconds in part.times().items()}
    return TimeoutPolicy._make((id, *map(times.get, _TIMES), len(parts) == len(_PARTS)))


def _named(name: str) -> bytes:
    return pack_header(0) + TIMEOUT.encode({TimeoutAttr.NAME: name})


def _request(command: TimeoutMsg, payload: bytes, operation: str, flags: int = 0) -> Request[KernelTimeout]:
    return request(Subsystem.CTNETLINK_TIMEOUT, command, payload, KernelTimeout.from_payload, operation, flags)
