"""The flows by recirculation id: which of them a packet may take, and which it misses by how much."""

from __future__ import annotations

from collections.abc import Iterable

from dpif._typing import NamedTuple
from dpif.apps.trace.connections import consistent
from dpif.apps.trace.flat import flatten
from dpif.apps.trace.packet import Packet
from dpif.client.flows import Flow
from dpif.odp.kernel.swkey import FIELDS, bits, get

_NEAREST = 3
_RECIRC = bits("recirc_id")
_FIELDS = [bits(name) for name in FIELDS if name not in ("recirc_id", "mpls.lse")]


class Rule(NamedTuple):
    """A flow, and what it matches as bits."""

    flow: Flow
    value: int
    mask: int


class Taken(NamedTuple):
    """A flow that a packet may take; ``packet`` is one that does, and ``learned`` the bits that had to be so.

    ``rivals`` are other flows that match the very same packet.
    """

    rule: Rule
    packet: Packet
    learned: int
    rivals: list[Rule]


class Near(NamedTuple):
    """A flow that a packet misses: how many fields differ, and the bits of the first of them."""

    rule: Rule
    fields: int
    first: int


class Table:
    """Flows, looked up as a datapath does, but for packets of which not all is known."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self._rules: dict[int, list[Rule]] = {}
        self.tunnel_ports: set[int] = set()
        """Ports that packets come in by out of tunnels."""
        for flow in flows:
            rule = Rule(flow, *flatten(flow.key, flow.mask))
            if get(rule.value, "tun_proto"):
                self.tunnel_ports.add(get(rule.value, "phy.in_port"))
            self._rules.setdefault(get(rule.value, "recirc_id"), []).append(rule)

    def at(self, recirc_id: int) -> list[Rule]:
        """Return the flows of a recirculation id."""
        return self._rules.get(recirc_id, [])

    def lookup(self, packet: Packet) -> tuple[list[Taken], bool]:
        """Return the flows that a packet may take, the busiest first, and whether it may miss them all."""
        found = [taken for rule in self.at(get(packet.value, "recirc_id")) if (taken := _take(rule, packet))]
        found.sort(key=lambda taken: (-taken.rule.flow.packets, taken.learned.bit_count()))
        may_miss = all(taken.learned for taken in found)
        return [taken._replace(rivals=_rivals(taken, found)) for taken in found], may_miss

    def nearest(self, packet: Packet) -> list[Near]:
        """Return the flows that a packet misses by the fewest fields."""
        near = [_near(rule, packet) for rule in self.at(get(packet.value, "recirc_id"))]
        near = [one for one in near if one.fields]
        near.sort(key=lambda one: (one.fields, -one.rule.flow.packets))
        return near[:_NEAREST]


def _take(rule: Rule, packet: Packet) -> Taken | None:
    if _differs(rule, packet):
        return None
    learned = rule.mask & ~packet.known
    taken = consistent(packet.learn(rule.value, learned))
    if taken is None or _differs(rule, taken):
        return None
    return Taken(rule, taken, learned, [])


def _differs(rule: Rule, packet: Packet) -> int:
    return (rule.value ^ packet.value) & rule.mask & packet.known


def _rivals(taken: Taken, found: list[Taken]) -> list[Rule]:
    """Return the other flows that a packet which takes this one may match as well."""
    return [
        other.rule
        for other in found
        if other is not taken
        and not _differs(other.rule, taken.packet)
        and (other.rule.mask & ~taken.packet.known == 0)
    ]


def _near(rule: Rule, packet: Packet) -> Near:
    differs = _differs(rule, packet)
    fields = [field for field in _FIELDS if field & differs]
    return Near(rule, len(fields), fields[0] if fields else 0)
