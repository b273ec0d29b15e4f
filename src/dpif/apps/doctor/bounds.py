"""How near a server of datapaths in user space is to its bounds (`dpif.userspace.Limits`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dpif.apps.doctor.findings import Finding, notice, ok, problem

_MUCH = 0.8
"""The part of a bound from which on it is worth a look."""
_WHERE = {
    "queue": " bytes in the fullest queue",
    "queues": " bytes in all queues",
    "flows": " in the fullest datapath",
    "masks": " in the fullest datapath",
}
_BEYOND = {
    "clients": "The next client is told EMFILE.",
    "queue": "A client that does not read loses what comes (ENOBUFS).",
    "queues": "Clients that do not read lose what comes (ENOBUFS).",
    "connections": "A new connection takes the place of another, or its packet is dropped.",
}


def examine_bounds(bounds: Mapping[str, tuple[int | None, int]]) -> Iterator[Finding]:
    """Yield a finding for each bound, given by its name: how much is in use where that is most, and the bound.

    None is in use of what is bounded for each packet by itself.
    """
    for name, (used, bound) in bounds.items():
        if used is None:
            yield ok("bound", f"{bound} for each packet", {"used": None, "bound": bound}, subject=name)
            continue
        found = f"{used} of {bound}{_WHERE.get(name, '')}"
        facts = {"used": used, "bound": bound}
        if used < _MUCH * bound:
            yield ok("bound", found, facts, subject=name)
            continue
        meaning = _BEYOND.get(name, f"There will be no room for more {name} (ENOMEM).")
        advice = f"remove what is not needed, or start the server with a higher bound: dpif serve --max {name}=NUMBER"
        yield (problem if used >= bound else notice)("bound", found, meaning, advice, facts, subject=name)
