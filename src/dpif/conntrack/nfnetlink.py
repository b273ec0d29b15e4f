"""nfnetlink: the netlink protocol of netfilter (``struct nfgenmsg``).

A message's type says which subsystem it is for and what it asks, so there are no families to look up, and a GET is
answered by a NEW. Integers in attributes are big-endian. This file owns the header, and the way to the kernel.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from dpif._typing import NamedTuple, TypeVar
from dpif.conntrack.constants import NFNETLINK_V0, Subsystem
from dpif.errors import DecodeError
from dpif.netlink.attributes import Buffer
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NETLINK_NETFILTER
from dpif.netlink.exchange import Request, RequestKind

T = TypeVar("T")

_HEADER = struct.Struct("!BBH")
HEADER_SIZE = _HEADER.size


class Header(NamedTuple):
    """``struct nfgenmsg``: the address family (0: any), the version (0), a number that few subsystems use."""

    family: int
    version: int = NFNETLINK_V0
    resource: int = 0


def message_type(subsystem: Subsystem, command: int) -> int:
    """Return the type of a message."""
    return subsystem << 8 | command


def pack_header(family: int) -> bytes:
    """Return the header of a request."""
    return _HEADER.pack(*Header(family))


def unpack_header(payload: Buffer) -> Header:
    """Return the header of a message; raise `DecodeError` when it is too short or of an unknown version."""
    if len(payload) < HEADER_SIZE:
        raise DecodeError(f"{len(payload)} bytes are too few for an nfnetlink header")
    header = Header(*_HEADER.unpack_from(payload))
    if header.version != NFNETLINK_V0:
        raise DecodeError(f"unknown version {header.version} of nfnetlink", offset=1)
    return header


def request(
    subsystem: Subsystem,
    command: int,
    payload: bytes,
    decode: Callable[[Buffer], T],
    operation: str,
    flags: int = 0,
    answer: int = 0,
) -> Request[T]:
    """Return a request, whose answers are of the subsystem's type `answer`, by default NEW (0)."""
    type_, reply_type = message_type(subsystem, command), message_type(subsystem, answer)
    return Request(RequestKind(type_, decode, operation, flags, reply_type), payload)


def connect() -> Connection:
    """Return a connection to the netfilter of this network namespace; raise `Unavailable` where there is none."""
    from dpif.netlink.socket import KernelSocket  # not before somebody asks: other systems have no such sockets

    return Connection(KernelSocket).beside(NETLINK_NETFILTER)
