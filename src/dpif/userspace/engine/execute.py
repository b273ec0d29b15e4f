"""Actions made ready to be carried out: a list of actions becomes a tuple of steps, once for each flow.

A step is a function of a `Frame`. Which function makes the step of which class of action is one table; an action
that is not in it is refused when the flow is put, with EINVAL, as by a kernel that is older than the action.
`CAPABILITIES` are the names of those that are in it.

`modify.py` and `nsh.py` have the actions that change packets; here are those that send, branch and look up again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from errno import EINVAL

from dpif._typing import TYPE_CHECKING, Any, Final, NamedTuple
from dpif.errors import DecodeError
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
    Userspace,
)
from dpif.odp.constants import ActionAttr, DatapathFeature, PacketCmd
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import put
from dpif.packet.fragment import fragment
from dpif.userspace.engine import modify
from dpif.userspace.engine.conntrack.action import ct_clear, make_ct
from dpif.userspace.engine.frame import NO_CUT, Frame
from dpif.userspace.engine.hashing import packet_hash, rehash
from dpif.userspace.engine.nsh import make_push_nsh, pop_nsh
from dpif.userspace.engine.processor import ActionError, Step
from dpif.userspace.engine.psample import make_psample
from dpif.userspace.engine.refusal import refusal

if TYPE_CHECKING:
    from dpif.userspace.engine.datapath import Datapath
    from dpif.userspace.engine.port import Port

_ALWAYS: Final = 0xFFFFFFFF
_ETH_HLEN: Final = 14


class _Place(NamedTuple):
    """Where an action stands: in which datapath, in which list, and whether it is that list's last."""

    datapath: Datapath
    actions: Actions
    is_last: bool


def compile_actions(actions: Actions, datapath: Datapath) -> tuple[Step, ...]:
    """Return the steps of `actions`; EINVAL for an action that this datapath does not have."""
    last = len(actions) - 1
    return tuple([_compile(action, _Place(datapath, actions, index == last)) for index, action in enumerate(actions)])


def _compile(action: Action, place: _Place) -> Step:
    make = _MAKERS.get(type(action))
    if make is None:
        raise refusal(EINVAL, f"this datapath has no action {action.word or action}")
    return make(action, place)


def _output(action: Output, place: _Place) -> Step:
    """A port that is not there (any more) drops the packet, as does one without Ethernet header."""
    ports, number, is_last = place.datapath.ports, action.port, place.is_last
    random = place.datapath.namespace.random.getrandbits

    def output(frame: Frame) -> None:
        packet = frame.take_output()
        port = ports.get(number)
        if port is None or not frame.is_ethernet:
            return
        if frame.mru and len(packet) - frame.tag_size > frame.mru + _ETH_HLEN:
            _send_fragments(port, packet, frame, frame.fragment_sizes if is_last else (), random(32))
        else:
            port.send(packet, frame.tunnel)

    return output


def _send_fragments(port: Port, packet: bytes, frame: Frame, sizes: Sequence[int], ident: int) -> None:
    """Send a packet that was put together in fragments not larger than it came in, or drop it (ovs_fragment)."""
    mtu = port.device.mtu
    if mtu is not None and frame.mru > mtu:
        return
    with contextlib.suppress(DecodeError):
        for part in fragment(packet, frame.mru, ident=ident, sizes=sizes):
            port.send(bytes(part), frame.tunnel)


def _userspace(action: Userspace, place: _Place) -> Step:
    datapath, port_id, userdata = place.datapath, action.pid or 0, action.userdata
    actions = place.actions if action.actions else None
    tunnel_port = action.egress_tun_port

    def userspace(frame: Frame) -> None:
        per_cpu = datapath.features & DatapathFeature.DISPATCH_UPCALL_PER_CPU
        receiver = datapath.per_cpu_port_id if per_cpu else port_id
        port = None if tunnel_port is None else datapath.ports.get(tunnel_port)
        egress_tunnel = 0 if port is None else port.device.egress_tunnel(frame.data, frame.tunnel)
        datapath.upcall(frame, PacketCmd.ACTION, receiver, userdata, actions, egress_tunnel)
        frame.cut = NO_CUT

    return userspace


def _trunc(action: Trunc, place: _Place) -> Step:
    length = action.value

    def trunc(frame: Frame) -> None:
        frame.cut = length

    return trunc


def _hash(action: Hash, place: _Place) -> Step:
    basis = action.basis

    def hash_(frame: Frame) -> None:
        frame.key = put(frame.key, "ovs_flow_hash", rehash(packet_hash(frame) & 0xFFFFFFFF, basis))

    return hash_


def _recirc(action: Recirc, place: _Place) -> Step:
    datapath, is_last = place.datapath, place.is_last
    recirculate = datapath.processor.recirculate
    keep, new = ~put(0, "recirc_id", _ALWAYS), put(0, "recirc_id", action.value)

    def recirc(frame: Frame) -> None:
        try:
            frame.refresh()
        except RuleBroken as error:
            raise ActionError(error.errno) from None
        again = frame if is_last else frame.clone()
        again.key = again.key & keep | new
        recirculate(datapath, again)

    return recirc


def _meter(action: Meter, place: _Place) -> Step:
    """A packet that is too much is dropped; a meter that is not there lets everything pass."""
    meters, namespace, number = place.datapath.meters, place.datapath.namespace, action.value

    def meter(frame: Frame) -> bool:
        found = meters.find(number)
        return found is not None and found.drops(len(frame) - frame.tag_size, namespace.milliseconds)

    return meter


def _ct(action: Ct, place: _Place) -> Step:
    namespace = place.datapath.namespace
    return make_ct(action, namespace.tracker, namespace.translator, namespace.fragments)


_CHANGE_NOTHING: Final = (Drop, Output, Psample, Recirc, Trunc, Userspace)
"""Actions that leave a packet's key as it is (actions_may_change_flow)."""


def _branch(actions: Actions, place: _Place) -> Step:
    """Return the step that does `actions` and undoes behind them what they changed."""
    steps = compile_actions(actions, place.datapath)
    run = place.datapath.processor.run
    if place.is_last:
        return lambda frame: run(steps, frame)
    if all(isinstance(action, _CHANGE_NOTHING) for action in actions):
        return lambda frame: run(steps, frame.clone())
    branch = place.datapath.processor.branch
    return lambda frame: branch(steps, frame.clone())


def _clone(action: Clone, place: _Place) -> Step:
    return _branch(action.actions, place)


def _sample(action: Sample, place: _Place) -> Step:
    branch = _branch(action.actions or Actions(), place)
    probability = action.probability or 0
    random = place.datapath.namespace.random.getrandbits

    def sample(frame: Frame) -> None:
        if probability == _ALWAYS or (probability and random(32) <= probability):
            outer, frame.probability = frame.probability, probability
            branch(frame)
            if not place.is_last:  # else the packet may still be on its way
                frame.probability = outer

    return sample


def _psample(action: Psample, place: _Place) -> Step:
    return make_psample(action, place.datapath.namespace)


def _drop(action: Drop, place: _Place) -> Step:
    """Nothing comes behind it; the reason is for those who watch a kernel drop packets."""
    return lambda frame: True


def _check_pkt_len(action: CheckPktLen, place: _Place) -> Step:
    size = action.size or 0
    greater = _branch(action.greater or Actions(), place)
    less_equal = _branch(action.less_equal or Actions(), place)

    def check_pkt_len(frame: Frame) -> None:
        length = frame.mru + _ETH_HLEN if frame.mru else len(frame) - frame.tag_size
        (greater if length > size else less_equal)(frame)

    return check_pkt_len


def _dec_ttl(action: DecTtl, place: _Place) -> Step:
    """With no TTL left to take, the exception's actions are the last that happens to the packet."""
    exception = compile_actions(action.actions or Actions(), place.datapath)
    run = place.datapath.processor.run

    def dec_ttl(frame: Frame) -> bool:
        if modify.dec_ttl(frame):
            return False
        run(exception, frame)
        return True

    return dec_ttl


_MAKERS: Final[Mapping[type[Action], Callable[[Any, _Place], Step]]] = {
    Output: _output,
    Userspace: _userspace,
    Trunc: _trunc,
    Hash: _hash,
    Recirc: _recirc,
    Meter: _meter,
    Drop: _drop,
    Psample: _psample,
    Ct: _ct,
    CtClear: lambda action, place: ct_clear,
    Clone: _clone,
    Sample: _sample,
    CheckPktLen: _check_pkt_len,
    DecTtl: _dec_ttl,
    Set: lambda action, place: modify.make_set(action),
    SetMasked: lambda action, place: modify.make_set(action),
    PushVlan: lambda action, place: modify.make_push_vlan(action),
    PopVlan: lambda action, place: modify.pop_vlan,
    PushMpls: lambda action, place: modify.make_push_mpls(action),
    AddMpls: lambda action, place: modify.make_add_mpls(action),
    PopMpls: lambda action, place: modify.make_pop_mpls(action),
    PushEth: lambda action, place: modify.make_push_eth(action),
    PopEth: lambda action, place: modify.pop_eth,
    PushNsh: lambda action, place: make_push_nsh(action),
    PopNsh: lambda action, place: pop_nsh,
}

CAPABILITIES: Final = frozenset(ActionAttr(cls.number).name.lower() for cls in _MAKERS)
"""The actions that this datapath has, by their names in ``enum ovs_action_attr`` (lower case)."""
