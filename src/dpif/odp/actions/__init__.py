"""Actions: what a datapath does with a packet. `base.py` explains how one is written."""

from __future__ import annotations

from dpif.odp.actions.base import Action, Actions, Unknown, parse_actions
from dpif.odp.actions.simple import Meter, Output, Recirc, Trunc

__all__ = ["Action", "Actions", "Meter", "Output", "Recirc", "Trunc", "Unknown", "parse_actions"]
