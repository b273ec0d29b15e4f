"""What actions do to a packet of which not all is known: one function for each, in one table.

A list within an action works on a copy. What an action does that no dump tells, a hash or a meter's verdict, makes
the bits that it sets unknown, or is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from dpif._typing import Any, Final
from dpif.apps.trace import connections, headers
from dpif.apps.trace.packet import Packet
from dpif.apps.trace.steps import Branch, Effect, Lookup
from dpif.odp.actions import (
    Action,
    Actions,
    AddMpls,
    CheckPktLen,
    Clone,
    Ct,
    CtClear,
    DecTtl,
    Drop,
    Hash,
    LbOutput,
    Meter,
    Output,
    PopEth,
    PopMpls,
    PopNsh,
    PopVlan,
    Psample,
    PushEth,
    PushMpls,
    PushNsh,
    PushVlan,
    Recirc,
    Sample,
    Set,
    SetMasked,
    Trunc,
    TunnelPop,
    TunnelPush,
    Userspace,
)
from dpif.odp.kernel.swkey import bits, put

_ALWAYS: Final = 0xFFFFFFFF


class Carrier:
    """Carries out the actions of one flow; ``lookups`` are those that they lead to.

    ``tunnel_ports`` are those of tunnels; where none is known any port may be one.
    """

    def __init__(
        self, who: str, before: tuple[Packet, ...], dp_hash: int | None, tunnel_ports: AbstractSet[int]
    ) -> None:
        self.who = who
        self.lookups: list[Lookup] = []
        self.dp_hash = dp_hash
        self.tunnel_ports = tunnel_ports
        self._before = before
        self._after_ct = False

    def carry_out(self, actions: Actions, packet: Packet) -> list[Effect]:
        """Return the effects of a list of actions; what stands behind one that drops has none."""
        effects = []
        for action in actions:
            effect = _EFFECTS.get(type(action), _unknown)(self, action, packet)
            if isinstance(action, (Ct, CtClear)):
                self._after_ct = isinstance(action, Ct)
            effects.append(effect)
            packet = effect.packet
            if effect.kind == "drop":
                break
        return effects

    def lookup(self, recirc_id: int, packet: Packet) -> Lookup:
        """Have a packet looked up again."""
        again = packet.learn(put(0, "recirc_id", recirc_id), bits("recirc_id"))
        lookup = Lookup(recirc_id, again, self._before, after_ct=self._after_ct)
        self.lookups.append(lookup)
        return lookup

    def branch(self, when: str, actions: Actions | None, packet: Packet) -> Branch:
        """Carry out a list on a copy."""
        after_ct = self._after_ct
        branch = Branch(when, self.carry_out(actions or Actions(), packet))
        self._after_ct = after_ct
        return branch

    def changed(self, action: Action, before: Packet, after: Packet, note: str = "") -> Effect:
        """Return the effect of an action that changed the packet."""
        changed = (before.value ^ after.value) | (before.known ^ after.known)
        return Effect(str(action), "change", after, before, changed, note)


def _output(carrier: Carrier, action: Output, packet: Packet) -> Effect:
    tunnel = packet.tunnel if not carrier.tunnel_ports or action.port in carrier.tunnel_ports else None
    return Effect(str(action), "output", packet, port=action.port, tunnel=tunnel)


def _lb_output(carrier: Carrier, action: LbOutput, packet: Packet) -> Effect:
    return Effect(str(action), "output", packet, note="out of a member of the bond; which is not known")


def _tunnel_push(carrier: Carrier, action: TunnelPush, packet: Packet) -> Effect:
    return Effect(str(action), "output", packet, port=action.out_port, note="within the tunnel's headers")


def _tunnel_pop(carrier: Carrier, action: TunnelPop, packet: Packet) -> Effect:
    inner = headers.inner(packet, action.port, carrier.who)
    note = "the packet within comes in by the tunnel's port"
    return Effect(str(action), "recirc", packet, note=note, next=carrier.lookup(0, inner))


def _recirc(carrier: Carrier, action: Recirc, packet: Packet) -> Effect:
    return Effect(str(action), "recirc", packet, next=carrier.lookup(action.value, packet))


def _userspace(carrier: Carrier, action: Userspace, packet: Packet) -> Effect:
    note = "to user space; what it does then is not known from flows"
    return Effect(str(action), "upcall", packet, note=note)


def _drop(carrier: Carrier, action: Drop, packet: Packet) -> Effect:
    reason = action.reason
    told = f"reason {action.value}" if reason is None else reason.name.lower().replace("_", " ")
    return Effect(str(action), "drop", packet, note=f"dropped: {told}" if action.value else "dropped")


def _ct(carrier: Carrier, action: Ct, packet: Packet) -> Effect:
    after = connections.ct(packet, action, carrier.who)
    return carrier.changed(action, packet, after)


def _ct_clear(carrier: Carrier, action: CtClear, packet: Packet) -> Effect:
    return carrier.changed(action, packet, connections.ct_clear(packet, carrier.who))


def _header(change: Callable[[Packet, Any, str], Packet]) -> Callable[[Carrier, Any, Packet], Effect]:
    def effect(carrier: Carrier, action: Action, packet: Packet) -> Effect:
        return carrier.changed(action, packet, change(packet, action, carrier.who))

    return effect


def _hash(carrier: Carrier, action: Hash, packet: Packet) -> Effect:
    place = bits("ovs_flow_hash")
    if carrier.dp_hash is None:
        return carrier.changed(action, packet, packet.forget(place, carrier.who), "dp_hash is not known")
    after = packet.set(put(0, "ovs_flow_hash", carrier.dp_hash), place, carrier.who)
    return carrier.changed(action, packet, after)


def _clone(carrier: Carrier, action: Clone, packet: Packet) -> Effect:
    return Effect(str(action), "branch", packet, branches=(carrier.branch("on a copy", action.actions, packet),))


def _sample(carrier: Carrier, action: Sample, packet: Packet) -> Effect:
    chance = 100 * (action.probability or 0) / _ALWAYS
    return Effect(
        str(action),
        "branch",
        packet,
        branches=(carrier.branch(f"on a copy of {chance:.4g} % of the packets", action.actions, packet),),
    )


def _check_pkt_len(carrier: Carrier, action: CheckPktLen, packet: Packet) -> Effect:
    size, length, branches = action.size or 0, packet.length, []
    if length is None or length > size:
        branches.append(carrier.branch(f"longer than {size} bytes", action.greater, packet))
    if length is None or length <= size:
        branches.append(carrier.branch(f"at most {size} bytes long", action.less_equal, packet))
    return Effect(str(action), "branch", packet, branches=tuple(branches))


def _dec_ttl(carrier: Carrier, action: DecTtl, packet: Packet) -> Effect:
    ttl = packet.field("ip.ttl")
    if ttl is not None and ttl <= 1:
        branch = carrier.branch("the TTL is 1 or less", action.actions, packet)
        return Effect(str(action), "drop", packet, note="dropped: no TTL is left", branches=(branch,))
    place = bits("ip.ttl")
    if ttl is not None:
        return carrier.changed(action, packet, packet.set(put(0, "ip.ttl", ttl - 1), place, carrier.who))
    branch = carrier.branch("if the TTL is 1 or less, and then no more", action.actions, packet)
    effect = carrier.changed(action, packet, packet.forget(place, carrier.who), "the TTL is not known")
    return effect._replace(branches=(branch,))


def _meter(carrier: Carrier, action: Meter, packet: Packet) -> Effect:
    return Effect(str(action), "note", packet, note="goes on, unless the meter drops it")


def _trunc(carrier: Carrier, action: Trunc, packet: Packet) -> Effect:
    return Effect(str(action), "note", packet, note=f"the next copy sent has at most {action.value} bytes")


def _psample(carrier: Carrier, action: Psample, packet: Packet) -> Effect:
    return Effect(str(action), "sample", packet, note="a copy to psample")


def _unknown(carrier: Carrier, action: Action, packet: Packet) -> Effect:
    return Effect(str(action), "note", packet, note="not known here: what follows may be otherwise")


_EFFECTS: Final[Mapping[type[Action], Callable[[Carrier, Any, Packet], Effect]]] = {
    Output: _output,
    LbOutput: _lb_output,
    TunnelPush: _tunnel_push,
    TunnelPop: _tunnel_pop,
    Recirc: _recirc,
    Userspace: _userspace,
    Drop: _drop,
    Ct: _ct,
    CtClear: _ct_clear,
    Hash: _hash,
    Clone: _clone,
    Sample: _sample,
    CheckPktLen: _check_pkt_len,
    DecTtl: _dec_ttl,
    Meter: _meter,
    Trunc: _trunc,
    Psample: _psample,
    Set: _header(headers.set_),
    SetMasked: _header(headers.set_),
    PushVlan: _header(headers.push_vlan),
    PopVlan: _header(headers.pop_vlan),
    PushMpls: _header(headers.push_mpls),
    AddMpls: _header(headers.push_mpls),
    PopMpls: _header(headers.pop_mpls),
    PushEth: _header(headers.push_eth),
    PopEth: _header(headers.pop_eth),
    PushNsh: _header(headers.other_header),
    PopNsh: _header(headers.other_header),
}
