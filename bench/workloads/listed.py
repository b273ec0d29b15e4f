"""Actions as the kernel lists them, which it keeps in forms of its own."""

from __future__ import annotations

from collections.abc import Iterable

from dpif.odp.actions import Action, Actions, CheckPktLen, Clone, DecTtl, Sample, Set
from dpif.odp.constants import CheckPktLenAttr
from dpif.odp.kernel.emit import to_tunnel
from dpif.odp.kernel.match import tunnel_bits
from dpif.odp.model.key import FlowKey

_BRANCHES = (CheckPktLenAttr.PKT_LEN, CheckPktLenAttr.ACTIONS_IF_LESS_EQUAL, CheckPktLenAttr.ACTIONS_IF_GREATER)


def as_listed(actions: Iterable[Action]) -> Actions:
    """Return actions as a dump has them: tunnels and the branches of ``check_pkt_len`` in the kernel's order."""
    return Actions(_one(action) for action in actions)


def _one(action: Action) -> Action:
    if isinstance(action, Set) and action.key.tunnel is not None:
        return Set(FlowKey(tunnel=to_tunnel(tunnel_bits(action.key.tunnel))))
    if isinstance(action, CheckPktLen):
        kept = dict(action.replace(less_equal=_inner(action.less_equal), greater=_inner(action.greater)).kept())
        return CheckPktLen.of_kept({number: kept[number] for number in _BRANCHES if number in kept})
    if isinstance(action, Clone):
        return Clone(as_listed(action.actions))
    if isinstance(action, (Sample, DecTtl)):
        return action.replace(actions=_inner(action.actions))
    return action


def _inner(actions: Actions | None) -> Actions | None:
    return None if actions is None else as_listed(actions)
