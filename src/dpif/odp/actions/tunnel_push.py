"""The action that puts tunnel headers before a packet; for userspace datapaths."""

from __future__ import annotations

import struct

from dpif.errors import DecodeError, EncodeError
from dpif.odp.actions.base import Action
from dpif.odp.constants import ActionAttr

_FIXED = struct.Struct("=4I")
TNL_PUSH_HEADER_SIZE = 512
"""The headers may be this long."""


class TunnelPush(Action, number=ActionAttr.TUNNEL_PUSH, word="tnl_push"):
    """Put ``header`` (Ethernet, IP and tunnel headers) before the packet, ``struct ovs_action_push_tnl``.

    ``tnl_port`` is the tunnel's port, ``out_port`` the one that the result goes out of, ``tnl_type`` a `VportType`
    that says what the tunnel header is.
    """

    __slots__ = ("header", "out_port", "tnl_port", "tnl_type")

    def __init__(self, tnl_port: int, out_port: int, tnl_type: int, header: bytes) -> None:
        if len(header) > TNL_PUSH_HEADER_SIZE:
            raise EncodeError(f"{len(header)} bytes of headers are more than {TNL_PUSH_HEADER_SIZE}", "TunnelPush")
        self.tnl_port = tnl_port
        self.out_port = out_port
        self.tnl_type = tnl_type
        self.header = bytes(header)

    def payload(self) -> bytes:
        """Pack the numbers and the headers."""
        return _FIXED.pack(self.tnl_port, self.out_port, len(self.header), self.tnl_type) + self.header

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Unpack them."""
        if len(data) < _FIXED.size:
            raise DecodeError(f"expected at least {_FIXED.size} bytes, found {len(data)}")
        tnl_port, out_port, header_len, tnl_type = _FIXED.unpack_from(data)
        header = data[_FIXED.size :]
        if header_len != len(header) or header_len > TNL_PUSH_HEADER_SIZE:
            raise DecodeError(f"{len(header)} bytes of headers where {header_len} were announced")
        return cls(tnl_port, out_port, tnl_type, header)
