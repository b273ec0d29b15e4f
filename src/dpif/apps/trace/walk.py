"""The walk of a packet through flows, lookup by lookup, breadth first as ``ofproto/trace`` goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from dpif._typing import Final
from dpif.apps.trace.connections import consistent
from dpif.apps.trace.effects import Carrier
from dpif.apps.trace.packet import Connection, Packet
from dpif.apps.trace.steps import Lookup, Miss, Step
from dpif.apps.trace.table import Table
from dpif.client.flows import Flow
from dpif.odp.constants import CtState
from dpif.odp.kernel.swkey import bits, put

MOST_RECIRCULATIONS: Final = 30
"""So many in a row the kernel carries out, as measured; it drops the packet at the next."""
MOST_LOOKUPS: Final = 5000
_TOO_DEEP = f"dropped: the kernel carries out {MOST_RECIRCULATIONS} recirculations in a row (deferred action limit)"
_LOOP = (
    "a loop: the packet was here before, just as it is; "
    f"the kernel drops it behind {MOST_RECIRCULATIONS} recirculations"
)
_TOO_MANY = f"not followed: there are more than {MOST_LOOKUPS} lookups; tell more of the packet"


def trace(
    flows: Iterable[Flow] | Table,
    packet: Packet,
    *,
    ct_next: Iterable[int] = (),
    connections: Mapping[int, Connection] | None = None,
    dp_hash: int | None = None,
    tunnel_ports: Iterable[int] = (),
) -> Lookup:
    """Return what happens to a packet, as a tree of steps that begins with its lookup.

    Where something is not known the tree branches, as far as the flows tell the cases apart. A `Table` of the flows
    is quicker for many packets. `ct_next` are conntrack states of the lookups behind ``ct(…)``, in the order of the
    walk; `connections` what is known of connections by zone; `dp_hash` what ``hash(…)`` gives. Ports of which flows
    match a tunnel are taken for tunnels', besides `tunnel_ports`.
    """
    table, answers = flows if isinstance(flows, Table) else Table(flows), deque(ct_next)
    first = Lookup(packet.field("recirc_id") or 0, packet._replace(connections=connections or {}))
    todo = deque([first])
    tunnels = table.tunnel_ports | set(tunnel_ports)
    lookups = steps = 0
    while todo:
        lookup = todo.popleft()
        lookups += 1
        lookup.stopped = _stopped(lookup, lookups)
        if lookup.stopped:
            continue
        if lookup.after_ct and answers:
            lookup.packet = _answered(lookup.packet, answers.popleft())
        found, may_miss = table.lookup(lookup.packet)
        for taken in found:
            steps += 1
            carrier = Carrier(f"step {steps}", (*lookup.before, lookup.packet), dp_hash, tunnels)
            effects = carrier.carry_out(taken.rule.flow.actions, taken.packet)
            lookup.steps.append(Step(steps, taken.rule, taken.packet, taken.learned, taken.rivals, effects))
            todo += carrier.lookups
        if may_miss:
            waits = bool(table.at(lookup.recirc_id))
            lookup.miss = Miss(lookup.packet, table.nearest(lookup.packet), not found, waits)
    return first


def _stopped(lookup: Lookup, lookups: int) -> str:
    """Return why the packet is not looked up, an empty text where it is."""
    if lookup.is_loop:
        return _LOOP
    if len(lookup.before) > MOST_RECIRCULATIONS:
        return _TOO_DEEP
    return _TOO_MANY if lookups > MOST_LOOKUPS else ""


def _answered(packet: Packet, state: int) -> Packet:
    told = packet.set(put(0, "ct_state", state | CtState.TRACKED), bits("ct_state"), "--ct-next")
    return consistent(told) or told
