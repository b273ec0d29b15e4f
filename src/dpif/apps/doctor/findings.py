"""What a diagnosis is made of: findings, each with its meaning and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from dpif._typing import NamedTuple

__all__ = ["Finding", "Level", "counted", "notice", "ok", "problem", "worst"]

Facts = Mapping[str, object]
"""The numbers and names behind a finding, as JSON holds them; units are SI base units, bytes and packets."""

_NONE: Facts = MappingProxyType({})


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    """As it should be."""
    NOTICE = "notice"
    """Maybe meant so; worth a look when something does not work."""
    PROBLEM = "problem"
    """Packets are lost, or will be."""


class Finding(NamedTuple):
    """One thing that was looked at.

    ``check`` is a stable name for scripts, ``subject`` what it is about where there are several (a port), ``found``
    what is there, in words; ``meaning`` and ``advice`` say what follows from it and what to do, and are empty
    where all is well. ``facts`` are what is behind it.
    """

    check: str
    level: Level
    found: str
    meaning: str = ""
    advice: str = ""
    subject: str = ""
    facts: Facts = _NONE


def ok(check: str, found: str, facts: Facts = _NONE, *, subject: str = "") -> Finding:
    """Return the finding that something is as it should be."""
    return Finding(check, Level.OK, found, subject=subject, facts=facts)


def notice(check: str, found: str, meaning: str, advice: str, facts: Facts = _NONE, *, subject: str = "") -> Finding:
    """Return the finding of something that may be meant so."""
    return Finding(check, Level.NOTICE, found, meaning, advice, subject, facts)


def problem(check: str, found: str, meaning: str, advice: str, facts: Facts = _NONE, *, subject: str = "") -> Finding:
    """Return the finding of something that loses packets."""
    return Finding(check, Level.PROBLEM, found, meaning, advice, subject, facts)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the level of the worst finding; OK when there is none."""
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.OK)


def counted(count: int, what: str) -> str:
    """Return ``1 port``, ``2 ports``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
