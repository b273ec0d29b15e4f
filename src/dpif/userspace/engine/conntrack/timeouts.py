"""How long connections live: the kernel's own times, and policies with others (nfnetlink_cttimeout.c).

Times are in seconds, by the numbers that the protocol's ``enum ctattr_timeout_…`` gives them; for TCP and SCTP these
are those of the states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EBUSY, EEXIST, EINVAL, ENOENT, ENOMEM, EOPNOTSUPP
from types import MappingProxyType
from weakref import WeakSet

from dpif._typing import Final
from dpif.conntrack.constants import GenericTimeout, IcmpTimeout, SctpTimeout, TcpTimeout, UdpTimeout
from dpif.packet.constants import IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP
from dpif.userspace.engine.refusal import refusal

_DAY: Final = 24 * 3600
_ICMP: Final[Mapping[int, int]] = {IcmpTimeout.TIMEOUT: 30}
DEFAULTS: Final[Mapping[int, Mapping[int, int]]] = MappingProxyType(
    {
        IPPROTO_TCP: {
            TcpTimeout.SYN_SENT: 120,
            TcpTimeout.SYN_RECV: 60,
            TcpTimeout.ESTABLISHED: 5 * _DAY,
            TcpTimeout.FIN_WAIT: 120,
            TcpTimeout.CLOSE_WAIT: 60,
            TcpTimeout.LAST_ACK: 30,
            TcpTimeout.TIME_WAIT: 120,
            TcpTimeout.CLOSE: 10,
            TcpTimeout.SYN_SENT2: 120,
            TcpTimeout.RETRANS: 300,
            TcpTimeout.UNACK: 300,
        },
        IPPROTO_UDP: {UdpTimeout.UNREPLIED: 30, UdpTimeout.REPLIED: 120},
        IPPROTO_ICMP: _ICMP,
        IPPROTO_ICMPV6: _ICMP,
        IPPROTO_SCTP: {
            SctpTimeout.CLOSED: 10,
            SctpTimeout.COOKIE_WAIT: 3,
            SctpTimeout.COOKIE_ECHOED: 3,
            SctpTimeout.ESTABLISHED: 210,
            SctpTimeout.SHUTDOWN_SENT: 3,
            SctpTimeout.SHUTDOWN_RECD: 3,
            SctpTimeout.SHUTDOWN_ACK_SENT: 3,
            SctpTimeout.HEARTBEAT_SENT: 30,
        },
    }
)
"""By IP protocol, what holds where no policy does."""
OTHER_DEFAULTS: Final[Mapping[int, int]] = MappingProxyType({GenericTimeout.TIMEOUT: 600})
"""The time of all other protocols."""


class Policy:
    """A named policy, for one protocol over one version of IP (``family``, AF_INET or AF_INET6).

    ``users`` are the actions that name it; it is in use as long as one of them is there. When it ``is_gone`` the
    connections that have it live as without one.
    """

    def __init__(self, name: str, family: int, protocol: int) -> None:
        self.name = name
        self.family = family
        self.protocol = protocol
        self.seconds: Mapping[int, int] = DEFAULTS[protocol]
        self.users: WeakSet[object] = WeakSet()
        self.is_gone = False


class Policies:
    """The policies of a namespace, by name; there may be so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._policies: dict[str, Policy] = {}

    def __len__(self) -> int:
        return len(self._policies)

    def __iter__(self) -> Iterator[Policy]:
        return iter(tuple(self._policies.values()))

    def find(self, name: str) -> Policy | None:
        """Return the policy of this name."""
        return self._policies.get(name)

    def put(
        self, wanted: Policy, seconds: Mapping[int, int], *, may_replace: bool = False, must_be_new: bool = False
    ) -> None:
        """Make `wanted`, or change the times of the one that is there; times not told are the defaults.

        EEXIST when it must be new and is not, EBUSY when it is there and may not be replaced, EINVAL when that is
        for another protocol, ENOMEM when there are as many as there may be.
        """
        present = self._policies.get(wanted.name)
        if present is None and len(self._policies) >= self._most:
            raise refusal(ENOMEM, f"there is room for {self._most} timeout policies")
        if present is None:
            self._policies[wanted.name] = present = wanted
        elif must_be_new:
            raise refusal(EEXIST, f"there is a timeout policy {wanted.name} already")
        elif not may_replace:
            raise refusal(EBUSY, f"there is a timeout policy {wanted.name} already")
        elif (present.family, present.protocol) != (wanted.family, wanted.protocol):
            raise refusal(EINVAL, f"the timeout policy {wanted.name} is for another protocol")
        present.seconds = {**DEFAULTS[wanted.protocol], **seconds}

    def get(self, name: str) -> Policy:
        """Return the policy of this name; ENOENT when there is none."""
        found = self._policies.get(name)
        if found is None:
            raise refusal(ENOENT, f"there is no timeout policy {name}")
        return found

    def remove(self, name: str) -> None:
        """Take a policy away, also from the connections that have it.

        ENOENT when there is none, EBUSY while an action names it.
        """
        found = self.get(name)
        if found.users:
            raise refusal(EBUSY, f"a flow uses the timeout policy {name}")
        del self._policies[name]
        found.is_gone = True


def require_protocol(protocol: int) -> None:
    """Refuse a protocol that has no times of its own, with EOPNOTSUPP."""
    if protocol not in DEFAULTS:
        raise refusal(EOPNOTSUPP, f"there are no timeout policies for IP protocol {protocol}")
