"""The values in a flow's message: what makes them of its key, mask and actions, when they are first read."""

from __future__ import annotations

import functools

from dpif._typing import Final
from dpif.odp.actions import Actions
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layouts import LayoutDecoder
from dpif.odp.model.ufid import Ufid

__all__ = ["Ufid", "decode_actions", "decode_key", "decode_mask"]

MAX_REMEMBERED: Final = 512
"""Masks that are remembered by their bytes: many flows share few."""

decode_key: Final = LayoutDecoder(FlowKey.from_bytes, FlowKey.read_in)
decode_mask: Final = functools.lru_cache(MAX_REMEMBERED)(LayoutDecoder(FlowMask.from_bytes, FlowMask.read_in))
decode_actions: Final = LayoutDecoder(Actions.from_bytes, Actions.read_in)
