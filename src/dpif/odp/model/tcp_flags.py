"""TCP flags as letters, as counters of flows show them: ``SFP.``, ``SR.[200]``."""

from __future__ import annotations

from dpif._typing import Final

__all__ = ["format_tcp_flags", "parse_tcp_flags"]

_LETTERS: Final = ((1, "S"), (0, "F"), (3, "P"), (2, "R"), (5, "U"), (4, "."), (6, "E"), (7, "C"), (8, "N"))
"""Bit numbers and letters, in the order of the text (packet_format_tcp_flags in packets.c)."""
_NUMBERED: Final = range(9, 12)


def format_tcp_flags(flags: int) -> str:
    """Return one letter for each flag, and flags without a letter in brackets."""
    letters = "".join([letter for bit, letter in _LETTERS if flags >> bit & 1])
    return letters + "".join([f"[{1 << bit:x}]" for bit in _NUMBERED if flags >> bit & 1])


def parse_tcp_flags(text: str) -> int | None:
    """Return the flags of a text; None when it is none."""
    pieces = {letter: 1 << bit for bit, letter in _LETTERS} | {f"[{1 << bit:x}]": 1 << bit for bit in _NUMBERED}
    letters, bracket, numbers = text.partition("[")
    found = [*letters, *(f"[{number}" for number in numbers.split("["))] if bracket else list(letters)
    if not found or any(piece not in pieces for piece in found):
        return None
    return sum({pieces[piece] for piece in found})
