"""A trace as text for people: a section for each lookup, as ``ofproto/trace`` has it, and the result in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpif._typing import NamedTuple
from dpif.apps.trace.flat import show, whole
from dpif.apps.trace.packet import AT_FIRST, Packet
from dpif.apps.trace.steps import Effect, Lookup, Miss, Step
from dpif.apps.trace.table import Near, Rule
from dpif.odp.kernel.swkey import METADATA
from dpif.odp.model.key import format_key

_WIDTH = 100
_SENT = frozenset({"output", "recirc", "upcall", "sample"})
Names = Mapping[int, str]


class Result(NamedTuple):
    """Where a branch ends: the steps that lead there, what had to be so, and what happens."""

    steps: tuple[int, ...]
    conditions: tuple[str, ...]
    outcome: str


def tell(lookup: Lookup, names: Names | None = None, *, is_dump: bool = False) -> Iterator[str]:
    """Return the lines of a trace; port numbers that have `names` are shown by these."""
    names = names or {}
    yield from _wrapped("Packet: ", lookup.packet.text(names))
    for one in lookup.walk():
        yield ""
        title = f"recirc_id({one.recirc_id:#x})" if one.recirc_id else "recirc_id(0)"
        yield title
        yield "-" * len(title)
        yield from _section(one, names, is_dump)
    yield ""
    yield "Result:"
    for result in results(lookup, names, is_dump=is_dump):
        way = " > ".join(map(str, result.steps)) or "-"
        condition = f"if {', then '.join(result.conditions)}: " if result.conditions else ""
        yield from _wrapped(f"  {way}: ", f"{condition}{result.outcome}")


def results(lookup: Lookup, names: Names | None = None, *, is_dump: bool = False) -> list[Result]:
    """Return where each branch ends, in the order of the sections."""
    found: list[Result] = []
    _collect(lookup, (), (), names or {}, is_dump, found)
    return found


def _collect(
    lookup: Lookup, steps: tuple[int, ...], so_far: tuple[str, ...], names: Names, is_dump: bool, found: list[Result]
) -> None:
    if lookup.stopped:
        found.append(Result(steps, so_far, lookup.stopped))
    for step in lookup.steps:
        way = (*steps, step.number)
        conditions = so_far + _condition(step, names)
        outcome = _outcome(step, names)
        if outcome:
            found.append(Result(way, conditions, outcome))
        for effect in step.walk():
            if effect.next is not None:
                _collect(effect.next, way, conditions, names, is_dump, found)
    if lookup.miss is not None:
        found.append(Result(steps, so_far, _missed(lookup, lookup.miss, is_dump)))


def _condition(step: Step, names: Names) -> tuple[str, ...]:
    shown = step.packet.text(names, whole(step.learned)) if step.learned else ""
    return (shown,) if shown else ()


def _outcome(step: Step, names: Names) -> str:
    """Say what a flow does with the packet, but for having it looked up again."""
    effects = list(step.walk())
    ports = [_port(effect, names) for effect in effects if effect.kind == "output"]
    said = []
    if ports:
        said.append(f"out of {'port' if len(ports) == 1 else 'ports'} {', '.join(ports)}")
    said += [effect.note for effect in effects if effect.kind in ("upcall", "sample", "drop")]
    if said:
        return "; ".join(said)
    if any(effect.kind in _SENT for effect in effects):
        return ""
    flow = _name(step.rule)
    last = effects[-1].action if effects else ""
    why = f"no output follows {last}" if last else "its actions are drop"
    return f"dropped by {flow}, because {why}"


def _name(rule: Rule) -> str:
    return f"flow {rule.flow.ufid}" if rule.flow.ufid else "this flow"


def _missed(lookup: Lookup, miss: Miss, is_dump: bool) -> str:
    if not is_dump:
        return f"{'' if miss.is_certain else 'else a '}miss: goes up to user space"
    place = f"flow of recirc_id({lookup.recirc_id:#x})" if lookup.recirc_id else "flow of recirc_id(0)"
    what = f"{'' if miss.is_certain else 'other '}{place} matches" if miss.waits else f"{place}"
    return f"no {what} in this dump; if it is complete, the packet goes up to user space"


def _port(effect: Effect, names: Names) -> str:
    if effect.port is None:
        return effect.action
    name = names.get(effect.port, str(effect.port))
    return name if effect.tunnel is None else f"{name} (tunnel)"


def _section(lookup: Lookup, names: Names, is_dump: bool) -> Iterator[str]:
    if lookup.stopped:
        yield from _wrapped("    ", lookup.stopped)
    for step in lookup.steps:
        yield from _step(step, names)
    if lookup.miss is not None:
        yield from _wrapped(" -. ", _missed(lookup, lookup.miss, is_dump), 4)
        for near in lookup.miss.nearest if lookup.miss.is_certain else ():
            yield from _near(near, lookup.miss.packet, names)


def _step(step: Step, names: Names) -> Iterator[str]:
    yield from _wrapped(f"{step.number:2}. ", _flow(step.rule, names), 4)
    for condition in _condition(step, names):
        yield from _wrapped("    if ", condition, 7)
    for rival in step.rivals:
        yield from _wrapped("    WARNING: this flow matches as well: ", _flow(rival, names), 4)
    if not step.effects:
        yield "    drop"
    for effect in step.effects:
        yield from _effect(effect, names, "    ")


def _flow(rule: Rule, names: Names) -> str:
    flow = rule.flow
    ufid = f"{flow.ufid}, " if flow.ufid else ""
    match = format_key(flow.key, flow.mask, port_names=names)
    return f"{ufid}{match}, packets:{flow.packets}, bytes:{flow.bytes}"


def _effect(effect: Effect, names: Names, indent: str) -> Iterator[str]:
    action = names.get(effect.port, effect.action) if effect.port is not None else effect.action
    if effect.branches and effect.kind != "change":
        action = action.partition("(")[0]
    yield from _wrapped(indent, f"{action}    {effect.note}".rstrip() if effect.note else action, len(indent) + 4)
    change = "" if effect.before is None else _change(effect.before, effect.packet, effect.changed, names)
    if change:
        yield from _wrapped(f"{indent} -> ", change)
    if effect.kind == "output":
        if effect.tunnel is not None:
            yield from _wrapped(f"{indent} >> in ", f"tunnel({effect.tunnel}):")
        yield from _wrapped(f"{indent} >> ", effect.packet.bytes_text(names))
    for branch in effect.branches:
        yield f"{indent}  {branch.when}:"
        for inner in branch.effects:
            yield from _effect(inner, names, f"{indent}    ")
        if not branch.effects:
            yield f"{indent}    drop"


def _change(before: Packet, after: Packet, changed: int, names: Names) -> str:
    fields = whole(changed)
    now, was = after.text(names, fields), before.text(names, fields & after.known)
    said = [f"{now} (was {was})" if was and now and was != now else now]
    unknown = show(before.value, fields & before.known & ~after.known & ~METADATA, names)
    if unknown:
        said.append(f"not known any more: {unknown}")
    return "; ".join(part for part in said if part)


def _near(near: Near, packet: Packet, names: Names) -> Iterator[str]:
    wanted = show(near.rule.value, near.first & near.rule.mask, names)
    got = packet.text(names, near.first)
    others = f", and {near.fields - 1} more" if near.fields > 1 else ""
    who = packet.origin(near.first)
    since = "as it came in" if who == AT_FIRST else f"set by {who}"
    yield from _wrapped("    near: ", _flow(near.rule, names), 10)
    yield from _wrapped("          ", f"wants {wanted}{others}; the packet has {got}, {since}", 10)


def _wrapped(start: str, text: str, indent: int | None = None) -> Iterator[str]:
    """Return a text behind `start` in lines of 100 columns, broken behind commas and blanks."""
    later = " " * (len(start) if indent is None else indent)
    line = start
    for piece in _pieces(text):
        if len(line) + len(piece.rstrip()) > _WIDTH and line.strip() and line != later:
            yield line.rstrip()
            line = later
        line += piece
    yield line.rstrip()


def _pieces(text: str) -> Iterator[str]:
    piece = ""
    for character in text:
        piece += character
        if character in ", ":
            yield piece
            piece = ""
    yield piece
