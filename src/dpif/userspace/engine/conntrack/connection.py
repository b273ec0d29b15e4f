"""A connection (`Connection`), and what a packet is to it (`Tracked`)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from itertools import count

from dpif._typing import TYPE_CHECKING, Final, NamedTuple
from dpif.userspace.engine.conntrack.timeouts import DEFAULTS, OTHER_DEFAULTS, Policy
from dpif.userspace.engine.conntrack.tuples import Tuple

if TYPE_CHECKING:
    from dpif.userspace.engine.conntrack.sctp import Sctp
    from dpif.userspace.engine.conntrack.tcp import Tcp

_IDS: Final = count(1)


class Info(IntEnum):
    """``enum ip_conntrack_info``: what a packet is to its connection."""

    ESTABLISHED = 0
    RELATED = 1
    NEW = 2
    ESTABLISHED_REPLY = 3
    RELATED_REPLY = 4

    @property
    def is_reply(self) -> bool:
        """Whether the packet goes against the direction of the first one."""
        return self >= Info.ESTABLISHED_REPLY


class Verdict(Enum):
    """What a protocol makes of a packet of a connection."""

    ACCEPT = "it belongs to the connection"
    INVALID = "it does not"
    REOPENED = "it begins another connection in the place of this one"
    ENDED = "it belongs to the connection and ends it"


class Connection:
    """A connection. ``original`` and ``reply`` name its directions, translated addresses included.

    ``source_set`` and ``destination_set`` say that a translation was decided on, ``source_translated`` and
    ``destination_translated`` that it changes something; neither these nor the names change once it is confirmed.
    ``is_counted`` says that a limit counts it, ``is_assured`` that traffic went both ways, ``is_hidden`` that it is
    found by its answers alone and lives for a moment (``IPS_NAT_CLASH``). ``expires`` is a time of the namespace's
    clock, ``due`` the tick when the `Agenda` has it; ``policy`` says how that time is set, where it is not the
    default. ``protocol_state`` is what TCP and SCTP know of it.
    """

    __slots__ = (
        "destination_set",
        "destination_translated",
        "due",
        "expires",
        "has_reply",
        "id",
        "is_assured",
        "is_confirmed",
        "is_counted",
        "is_hidden",
        "labels",
        "mark",
        "original",
        "policy",
        "protocol_state",
        "reply",
        "source_set",
        "source_translated",
        "started",
        "zone",
    )

    def __init__(self, zone: int, original: Tuple, reply: Tuple, now: float) -> None:
        self.id = next(_IDS) & 0xFFFFFFFF
        self.zone = zone
        self.original = original
        self.reply = reply
        self.started = self.expires = now
        self.due = 0
        self.mark = self.labels = 0
        self.is_confirmed = self.has_reply = self.is_counted = self.is_assured = False
        self.is_hidden = False
        self.source_set = self.destination_set = False
        self.source_translated = self.destination_translated = False
        self.policy: Policy | None = None
        self.protocol_state: Tcp | Sctp | None = None

    def names(self, *, is_reply: bool) -> Tuple:
        """Return the tuple of one direction."""
        return self.reply if is_reply else self.original

    def live_until(self, time: float) -> None:
        """Give it another time to end, unless that is fixed."""
        if not self.is_hidden:
            self.expires = time

    @property
    def is_translated(self) -> bool:
        """Whether a translation changes something."""
        return self.source_translated or self.destination_translated

    @property
    def lifetimes(self) -> Mapping[int, int]:
        """How many seconds it lives without a packet, by state (see `timeouts`)."""
        if self.policy is not None and not self.policy.is_gone:
            return self.policy.seconds
        return DEFAULTS.get(self.original.protocol, OTHER_DEFAULTS)


class Tracked(NamedTuple):
    """A packet's connection, and what it is to it (``skb->_nfct``)."""

    connection: Connection
    info: Info
