"""The action that pushes a network service header (RFC 8300)."""

from __future__ import annotations

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import attribute, walk
from dpif.odp.actions.base import Action
from dpif.odp.constants import ActionAttr, KeyAttr
from dpif.odp.nsh import Nsh


class PushNsh(Action, number=ActionAttr.PUSH_NSH, word="push_nsh"):
    """Push the network service header ``nsh``: its base, and metadata of type 1 or 2."""

    __slots__ = ("nsh",)

    def __init__(self, nsh: Nsh) -> None:
        if not isinstance(nsh, Nsh):
            raise EncodeError(f"expected an Nsh, not {nsh!r}", "PushNsh")
        self.nsh = nsh

    def payload(self) -> bytes:
        """Encode the header as the one attribute of a flow key."""
        return attribute(KeyAttr.NSH, self.nsh.to_bytes())

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Decode it."""
        found = [(number, data[start:end]) for number, start, end in walk(data)]
        if len(found) != 1 or found[0][0] != KeyAttr.NSH:
            raise DecodeError("expected one attribute NSH")
        return cls(Nsh.from_bytes(found[0][1]))
