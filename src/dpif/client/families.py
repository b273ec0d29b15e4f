"""Families that a datapath may lack: what older kernels and datapaths in user space do not have is not supported."""

from __future__ import annotations

import errno

from dpif._typing import TypeVar
from dpif.errors import Unavailable, netlink_error
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request

T = TypeVar("T")


def transact_optional(connection: Connection, request: Request[T]) -> T | None:
    """Transact; where the peer has not the request's family raise `NetlinkError` with EOPNOTSUPP."""
    try:
        return connection.transact(request)
    except Unavailable as error:
        if error.errno != errno.ENOENT:
            raise
        raise netlink_error(errno.EOPNOTSUPP, request.kind.operation, str(error)) from None
