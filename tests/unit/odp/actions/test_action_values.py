"""Actions as values: what makes two of them equal, and how they show themselves."""

from __future__ import annotations

import pytest

import dpif
from dpif.odp import actions as kinds
from dpif.odp.actions import Action
from dpif.odp.actions.base import load_all
from dpif.odp.actions.simple import Number

NUMBERS = [cls for cls in load_all().by_number.values() if issubclass(cls, Number)]


@pytest.mark.parametrize("cls", NUMBERS, ids=lambda cls: str(cls.__name__))
def test_numbers_are_part_of_an_action(cls: type[Number]) -> None:
    """The number stands in a slot that the class inherits."""
    assert cls(2) == cls(2)
    assert hash(cls(2)) == hash(cls(2))
    assert cls(2) != cls(3)
    assert len({cls(number) for number in range(50)}) == 50


def test_lists_of_other_numbers_are_other_lists() -> None:
    assert dpif.parse_actions("1,2") != dpif.parse_actions("1,3")
    assert dpif.parse_actions("clone(recirc(0x1))") != dpif.parse_actions("clone(recirc(0x2))")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2", "Output(2)"),
        ("recirc(0x5)", "Recirc(0x5)"),
        ("trunc(100)", "Trunc(100)"),
        ("meter(3)", "Meter(3)"),
        ("drop(4)", "Drop(4)"),
        ("lb_output(7)", "LbOutput(7)"),
        ("tnl_pop(4)", "TunnelPop(4)"),
        ("pop_vlan", "PopVlan()"),
        ("ct_clear", "CtClear()"),
        ("push_vlan(vid=1,pcp=0)", "PushVlan(tpid=0x8100, pcp=0, cfi=1, vid=1)"),
        ("ct(commit,zone=3)", "Ct(commit=True, zone=3)"),
        ("action99(00)", r"Unknown(data=b'\x00', type=99)"),
    ],
)
def test_an_action_shows_as_what_makes_it(text: str, shown: str) -> None:
    (action,) = dpif.parse_actions(text)
    assert repr(action) == shown
    names = {cls.__name__: cls for cls in (*load_all().by_number.values(), kinds.Unknown)}
    assert eval(shown, {**names}) == action


def test_actions_within_an_action_are_shown() -> None:
    (action,) = dpif.parse_actions("clone(1,recirc(0x5))")
    assert isinstance(action, Action)
    assert repr(action) == "Clone(actions=<Actions 1,recirc(0x5)>)"
