"""A trace as data, for programs: what `text.py` tells people, in lists and dicts."""

from __future__ import annotations

from collections.abc import Mapping

from dpif._typing import Any
from dpif.apps.trace.flat import show, whole
from dpif.apps.trace.packet import Packet
from dpif.apps.trace.steps import Effect, Lookup, Step
from dpif.apps.trace.table import Near, Rule
from dpif.apps.trace.text import results
from dpif.odp.model.key import format_key

Names = Mapping[int, str]


def data(lookup: Lookup, names: Names | None = None, *, is_dump: bool = False) -> dict[str, Any]:
    """Return the lookups, flat, as sections of the text are, and the results."""
    names = names or {}
    numbers = {id(one): number for number, one in enumerate(lookup.walk())}
    return {
        "packet": lookup.packet.text(names),
        "lookups": [_lookup(one, numbers, names) for one in lookup.walk()],
        "results": [
            {"steps": list(result.steps), "if": list(result.conditions), "outcome": result.outcome}
            for result in results(lookup, names, is_dump=is_dump)
        ],
    }


def _lookup(lookup: Lookup, numbers: Mapping[int, int], names: Names) -> dict[str, Any]:
    miss = lookup.miss
    return {
        "recirc_id": lookup.recirc_id,
        "packet": lookup.packet.text(names),
        "steps": [_step(step, numbers, names) for step in lookup.steps],
        "may_miss": miss is not None,
        "nearest": [] if miss is None else [_near(near, miss.packet, names) for near in miss.nearest],
        "stopped": lookup.stopped or None,
    }


def _step(step: Step, numbers: Mapping[int, int], names: Names) -> dict[str, Any]:
    return {
        "step": step.number,
        **_flow(step.rule, names),
        "if": step.packet.text(names, whole(step.learned)) or None,
        "also_match": [_flow(rival, names) for rival in step.rivals],
        "effects": [_effect(effect, numbers, names) for effect in step.effects],
    }


def _flow(rule: Rule, names: Names) -> dict[str, Any]:
    flow = rule.flow
    return {
        "ufid": None if flow.ufid is None else str(flow.ufid),
        "flow": format_key(flow.key, flow.mask, port_names=names),
        "packets": flow.packets,
        "bytes": flow.bytes,
    }


def _effect(effect: Effect, numbers: Mapping[int, int], names: Names) -> dict[str, Any]:
    tunnel = effect.tunnel
    return {
        "action": effect.action,
        "effect": effect.kind,
        "note": effect.note or None,
        "port": effect.port,
        "packet": effect.packet.bytes_text(names),
        "tunnel": None if tunnel is None else str(tunnel),
        "lookup": None if effect.next is None else numbers[id(effect.next)],
        "branches": [
            {"when": branch.when, "effects": [_effect(inner, numbers, names) for inner in branch.effects]}
            for branch in effect.branches
        ],
    }


def _near(near: Near, packet: Packet, names: Names) -> dict[str, Any]:
    return {
        **_flow(near.rule, names),
        "differing": near.fields,
        "wants": show(near.rule.value, near.first & near.rule.mask, names),
        "has": packet.text(names, near.first),
        "set_by": packet.origin(near.first),
    }
