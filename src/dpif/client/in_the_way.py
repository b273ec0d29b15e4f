"""Which flow is in the way of one that a datapath did not take, and what an error says of it.

A flow is refused where one has its UFID, or where the packets of its key, masked, are those of a flow that is there.
The datapath does not say which; so this asks for the flow of the same UFID or key, and else reads the table. It is
loaded, and asks, when somebody reads the error: a program that goes on past a flow that is there pays nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from dpif._typing import TYPE_CHECKING
from dpif.client.values import Match, decode_match
from dpif.errors import DpifError, NoSuchObject
from dpif.netlink.attributes import walk
from dpif.odp.constants import KeyAttr
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.model.key import FlowKey, format_key

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath
    from dpif.client.flows import Flow

_NESTS = frozenset({KeyAttr.ENCAP, KeyAttr.TUNNEL, KeyAttr.NSH})
_SAID = {
    errno.EEXIST: "a flow that matches the same packets is there already",
    errno.ENOENT: "there is no flow with exactly this key, but one that matches the same packets",
}
_SAID_OF_UFID = "a flow with this UFID is there already"


def explain_obstacle(datapath: Datapath, match: Match, code: int, said: str, *, may_read_table: bool) -> str:
    """Return what is to be said of a flow that was refused with an errno; `said` is what the datapath said.

    A peer that does not answer any more adds nothing.
    """
    from dpif.client.datapath import find_datapath

    try:
        with find_datapath(datapath.connection.again(), datapath.name, datapath.type) as again:
            flow = _same(again, match) or (_overlapping(again, match) if may_read_table else None)
    except (DpifError, OSError):
        flow = None
    if flow is None:
        return said
    is_its_name = flow.ufid is not None and flow.ufid == match.ufid
    return f"{_SAID_OF_UFID if is_its_name else _SAID[code]}: {_shown(flow)}"


def _shown(flow: Flow) -> str:
    ufid = f"{flow.ufid}, " if flow.ufid else ""
    return f"{ufid}{format_key(flow.key or FlowKey(), flow.mask)}, actions:{flow.actions}"


def _same(datapath: Datapath, match: Match) -> Flow | None:
    """Return the flow of the very key or UFID."""
    for key, ufid in ((None, match.ufid), (match.key, None)):
        try:
            if key or ufid:
                return datapath.flows.get(key, ufid=ufid)
        except NoSuchObject:
            continue
    return None


def _overlapping(datapath: Datapath, match: Match) -> Flow | None:
    """Return the flow that a packet with the masked key of `match` is one of; None where there is none."""
    key, mask = decode_match(match)
    try:
        value, bits = from_match(key, mask, datapath.rules)
    except RuleBroken:
        return None
    numbers = _plain_numbers(match.key)
    if match.mask is not None:
        masks = _plain_numbers(match.mask)
        numbers = {number: (size, kept & masks.get(number, (0, 0))[1]) for number, (size, kept) in numbers.items()}
    for flow in datapath.flows:
        if _may_match(flow, numbers) and _matches(flow, value & bits, datapath.rules):
            return flow
    return None


def _may_match(flow: Flow, wanted: Mapping[int, tuple[int, int]]) -> bool:
    """Tell of most flows that they are others, at little cost: a field that both have differs."""
    record = flow.record
    masks = _plain_numbers(record.mask or b"")
    for number, (size, kept) in _plain_numbers(record.key or b"").items():
        other = wanted.get(number)
        if other is not None and other[0] == size and (other[1] ^ kept) & masks.get(number, (0, 0))[1]:
            return False
    return True


def _plain_numbers(data: bytes) -> dict[int, tuple[int, int]]:
    """Return the size and the value, as one number, of each attribute that has no others within."""
    return {
        number: (end - start, int.from_bytes(data[start:end], "big"))
        for number, start, end in walk(data)
        if number not in _NESTS
    }


def _matches(flow: Flow, packet: int, rules: Features) -> bool:
    try:
        value, bits = from_match(flow.key, flow.mask, rules)
    except RuleBroken:
        return False
    return not (value ^ packet) & bits
