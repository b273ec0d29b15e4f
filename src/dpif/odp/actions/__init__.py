"""Actions: what a datapath does with a packet. `base.py` explains how one is written."""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING
from dpif.odp.actions.base import Action, Actions, Unknown, load_all, parse_actions
from dpif.odp.actions.headers import AddMpls, Hash, PopMpls, PushEth, PushMpls, PushVlan
from dpif.odp.actions.set import Set, SetMasked
from dpif.odp.actions.simple import (
    CtClear,
    Drop,
    LbOutput,
    Meter,
    Output,
    PopEth,
    PopNsh,
    PopVlan,
    Recirc,
    Trunc,
    TunnelPop,
)

if TYPE_CHECKING:
    from dpif.odp.actions.ct import Ct, Masked
    from dpif.odp.actions.nat import Nat
    from dpif.odp.actions.nested import CheckPktLen, Clone, DecTtl, Psample, Sample
    from dpif.odp.actions.nsh import PushNsh
    from dpif.odp.actions.tunnel_push import TunnelPush
    from dpif.odp.actions.userspace import Userspace

__all__ = [
    "Action",
    "Actions",
    "AddMpls",
    "CheckPktLen",
    "Clone",
    "Ct",
    "CtClear",
    "DecTtl",
    "Drop",
    "Hash",
    "LbOutput",
    "Masked",
    "Meter",
    "Nat",
    "Output",
    "PopEth",
    "PopMpls",
    "PopNsh",
    "PopVlan",
    "Psample",
    "PushEth",
    "PushMpls",
    "PushNsh",
    "PushVlan",
    "Recirc",
    "Sample",
    "Set",
    "SetMasked",
    "Trunc",
    "TunnelPop",
    "TunnelPush",
    "Unknown",
    "Userspace",
    "load_all",
    "parse_actions",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("Ct", "Masked"), "ct"),
        "Nat": "nat",
        **dict.fromkeys(("CheckPktLen", "Clone", "DecTtl", "Psample", "Sample"), "nested"),
        "PushNsh": "nsh",
        "TunnelPush": "tunnel_push",
        "Userspace": "userspace",
    },
)
