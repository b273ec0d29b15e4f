"""The action that puts tunnel headers before a packet; for userspace datapaths."""

from __future__ import annotations

import struct

from dpif.errors import DecodeError, EncodeError
from dpif.odp.actions.base import Action
from dpif.odp.actions.tunnel_headers import scan_headers, show_headers
from dpif.odp.constants import ActionAttr
from dpif.odp.model.attrs import Style
from dpif.odp.model.kinds import U32, Plain
from dpif.odp.model.scanner import Scanner

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
        self.tnl_port: int = U32.raw(tnl_port)
        self.out_port: int = U32.raw(out_port)
        self.tnl_type: int = U32.raw(tnl_type)
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

    def plain(self) -> Plain:
        """The numbers, and the headers in hexadecimal digits."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "header": self.header.hex()}

    def show(self, style: Style) -> str:
        """Return the ports and, layer by layer, the headers."""
        headers = show_headers(self.tnl_type, self.header)
        return (
            f"tnl_push(tnl_port({style.port(self.tnl_port)}),header(size={len(self.header)},type={self.tnl_type},"
            f"{headers}),out_port({style.port(self.out_port)}))"
        )

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the same; the size must be that of the headers that follow it."""
        scanner.expect("(tnl_port(")
        tnl_port = scanner.port()
        scanner.expect("),header(size=")
        start = scanner.position
        size = scanner.integer(TNL_PUSH_HEADER_SIZE)
        scanner.expect(",type=")
        tnl_type = scanner.integer(0xFFFFFFFF)
        scanner.expect(",")
        header = scan_headers(scanner, tnl_type)
        if len(header) != size:
            scanner.fail(f"the headers have {len(header)} bytes, not {size}", position=start)
        scanner.expect("),out_port(")
        out_port = scanner.port()
        scanner.expect("))")
        return cls(tnl_port, out_port, tnl_type, header)
