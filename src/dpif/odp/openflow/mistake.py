"""What is said of a text that is OpenFlow's: that it is, and what to type for a datapath."""

from __future__ import annotations

from dpif.errors import ParseError
from dpif.odp.actions import parse_actions
from dpif.odp.kernel.check import explain_actions
from dpif.odp.model.key import FlowKey, FlowMask, parse_match
from dpif.odp.openflow.actions import is_openflow_alone, translate_actions
from dpif.odp.openflow.items import NoCounterpart
from dpif.odp.openflow.match import Translated, translate_match

_IT_IS = "this is OpenFlow, which ovs-ofctl speaks"
_ACTIONS = "actions="


def openflow_mistake(flow: str | None, actions: str | None) -> ParseError | None:
    """Return what is wrong with a flow and its actions that could not be read, None where it is not OpenFlow.

    Either may be None. The hint is the text to type, which a datapath takes, or says why there is none.
    """
    try:
        typed = _typed(flow, actions)
    except NoCounterpart as reason:
        return ParseError(_IT_IS, hint=f"it has no translation for a datapath: {reason}")
    return None if typed is None else ParseError(_IT_IS, hint=f"for a datapath type: {typed}")


def _typed(flow: str | None, actions: str | None) -> str | None:
    """Return what to type in place of both, None where it is not OpenFlow; raise `NoCounterpart`."""
    match = Translated("", False) if flow is None else None
    if flow is not None:
        flow, behind, found = flow.partition(_ACTIONS)
        actions = found if behind else actions
        match = translate_match(flow)
    if match is None:
        return None
    given = None if actions is None else actions.removeprefix(_ACTIONS)
    if not match.is_openflow and (given is None or (given == actions and not is_openflow_alone(given))):
        return None
    shown = None if given is None else translate_actions(given, match)
    if given is not None and shown is None:
        return None
    _check(match, flow, shown)
    words = [f'"{match.text}"'] if flow is not None else []
    return " ".join([*words, *([] if shown is None else [shown if shown.isalnum() else f'"{shown}"'])])


def _check(match: Translated, flow: str | None, actions: str | None) -> None:
    """Raise `NoCounterpart` for what no datapath takes; names of ports are known to it alone."""
    names = _AnyPort()
    try:
        key, mask = parse_match(match.text, names) if flow is not None else (FlowKey(eth={}), FlowMask())
        parsed = parse_actions(actions or "drop", names)
    except ParseError as error:
        raise NoCounterpart(str(error)) from None
    broken = explain_actions(parsed, key, mask) if flow is not None else None
    if broken is not None:
        raise NoCounterpart(broken.explanation)


class _AnyPort(dict[str, int]):
    """Numbers for the names of ports that are not known here."""

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> int:
        return 1

    def get(self, name: str, default: object = None) -> int:
        return 1
