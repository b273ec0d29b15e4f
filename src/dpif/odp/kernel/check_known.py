"""Whether the kernel knows the attributes of an action that holds some."""

from __future__ import annotations

from collections.abc import Mapping

from dpif.odp.actions import CheckPktLen, Ct, Nat, Psample, Sample, Userspace
from dpif.odp.constants import CheckPktLenAttr, CtAttr, NatAttr, NshKeyAttr, PsampleAttr, SampleAttr, UserspaceAttr
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.model.nest import Attributes
from dpif.odp.model.nsh import Nsh

_NEWEST: Mapping[type[Attributes], int] = {
    CheckPktLen: CheckPktLenAttr.ACTIONS_IF_LESS_EQUAL,
    Ct: CtAttr.TIMEOUT,
    Nat: NatAttr.PROTO_RANDOM,
    Nsh: NshKeyAttr.MD2,
    Psample: PsampleAttr.COOKIE,
    Sample: SampleAttr.ACTIONS,
    Userspace: UserspaceAttr.ACTIONS,
}
"""The highest number that it knows, whatever else the class has. ``dec_ttl`` may have any."""


def check_known(nest: Attributes, word: str) -> None:
    """Raise `RuleBroken` for an attribute that the kernel does not know; `word` is how the text calls the nest."""
    newest = _NEWEST[type(nest)]
    for number, _ in nest.kept():
        if not 1 <= number <= newest:
            raise RuleBroken("unknown-attribute", f"the kernel knows no attribute {number} of {word}(...)")
