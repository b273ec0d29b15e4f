"""What goes wrong in a program, as errors of its own."""

from __future__ import annotations

from dpif.errors import DpifError

__all__ = ["ProgramError"]


class ProgramError(DpifError):
    """A program asks for what no datapath does, or what no packet has."""
