"""Colour for people: whether it is wanted, and what it makes of lines that are done.

What is coloured, and how, is after ``ovs-ofctl --color``. Lines are made without knowing of it, so that it costs
nothing where there is none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from dpif.cli.errors import UsageError

Paint = Callable[[str], str]

WHEN = ("auto", "always", "never")
_END = "\x1b[0m"
_STYLES = {
    "actions": "\x1b[1;31m",
    "drop": "\x1b[31m",  # there it is blue, which cannot be read on black
    "special": "\x1b[33m",
    "counter": "\x1b[32m",
    "name": "\x1b[36m",
    "paren": "\x1b[35m",
    "title": "\x1b[1m",
}
"""By the names of the groups below: those of ovs-ofctl's OVS_COLORS, and a title."""
_FLOW = re.compile(
    r"(?P<title>^packets ++bytes ++used ++flow$|(?<![^ ])in_port\([^()]*+\)$)"
    r"|(?P<actions>\bactions:)"
    r"|(?P<drop>\bdrop\b)"
    r"|(?P<special>\b(?:ct|ct_clear|recirc|userspace|sample|psample|clone|check_pkt_len|meter|trunc|lb_output)\b(?![=:]))"
    r"|(?P<counter>\b(?:packets|bytes|used|flags|dp|ufid):)"
    r"|(?P<name>\b[a-z][a-z0-9_]*+(?=[=(]))"
    r"|(?P<paren>[()])"
)
_SHOW = re.compile(
    r"(?P<title>^\S++$(?<=:))|(?P<name>\bport \d++(?=:))|(?P<counter>(?<![\w/-])[A-Za-z][A-Za-z/-]*+:)"
    r"|(?P<paren>\([a-z]++\)$)"
)
_DOCTOR = re.compile(
    r"(?P<title>^\S.*+$(?<=:))|(?<=^  )(?:(?P<actions>problem\b)|(?P<special>notice\b)|(?P<counter>ok\b))"
    r"|(?P<name>(?<=^ {11})->)"
)


class Painted(str):
    """A line with colour in it."""

    __slots__ = ()


def wanted(when: str | None, *, is_terminal: bool, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the output is to be coloured; `when` is the option. Raise `UsageError` for none that there is."""
    if when not in (None, *WHEN):
        raise UsageError(f"--color takes {', '.join(WHEN[:2])} or {WHEN[2]}, not '{when}'")
    if when in ("always", "never"):
        return when == "always"
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def paint_for(command: str) -> Paint | None:
    """Return what colours the lines of a command; None for one whose lines have nothing to bring out."""
    return _PAINTS.get(command)


def paint_title(line: str) -> Painted:
    """Bring out a line of titles."""
    return Painted(f"{_STYLES['title']}{line}{_END}")


def _paint_by(pattern: re.Pattern[str]) -> Paint:
    def style(found: re.Match[str]) -> str:
        return f"{_STYLES[found.lastgroup or '']}{found.group()}{_END}"

    return lambda line: pattern.sub(style, line)


paint_flow = _paint_by(_FLOW)
"""Colour the text of a flow, of actions, or of a connection."""
paint_doctor = _paint_by(_DOCTOR)
"""Colour a line of ``doctor``."""
paint_show = _paint_by(_SHOW)
"""Colour a line of ``show``."""

_PAINTS: dict[str, Paint] = {
    **dict.fromkeys(("dump-flows", "get-flow", "add-flow", "mod-flow", "del-flow"), paint_flow),
    **dict.fromkeys(("add-flows", "mod-flows", "del-flows", "dump-conntrack"), paint_flow),
    **dict.fromkeys(("parse-actions", "normalize-actions", "trace"), paint_flow),
    "doctor": paint_doctor,
    "show": paint_show,
}
