"""Network devices by rtnetlink: make, read, change and delete one (``linux/rtnetlink.h``, ``linux/if_link.h``).

A `Link` is a device as the kernel describes it, its kind's own attributes (``IFLA_INFO_DATA``) left encoded: what
they mean is the caller's business. No more is here than tunnel devices need; pyroute2 knows all of rtnetlink, but
neither the kinds ``erspan`` and ``ip6erspan`` nor ``IFLA_GRE_COLLECT_METADATA`` of ``ip6gretap``, and it cannot be
called from within a running event loop.
"""

from __future__ import annotations

import errno
import struct
from enum import IntEnum
from types import TracebackType

from dpif._typing import Final, NamedTuple, Self
from dpif.errors import DecodeError, NetlinkError, netlink_error
from dpif.netlink import constants as c
from dpif.netlink.ack import unpack_error
from dpif.netlink.attributes import Buffer
from dpif.netlink.message import Message, pack_message, split
from dpif.netlink.policy import BYTES, U32, AttributeSet, Nested, String
from dpif.netlink.socket import KernelSocket
from dpif.netlink.transport import Dial

__all__ = ["Link", "Links"]

NETLINK_ROUTE: Final = 0
RTM_NEWLINK: Final = 16
RTM_DELLINK: Final = 17
RTM_GETLINK: Final = 18
RTM_SETLINK: Final = 19
IFF_UP: Final = 1
IFF_RUNNING: Final = 0x40
_IFINFOMSG: Final = struct.Struct("=BxHiII")
"""``struct ifinfomsg``: family, type, index, flags, change."""
_TIMEOUT: Final = 30.0


class LinkAttr(IntEnum):
    """``IFLA_*``, those in use here."""

    IFNAME = 3
    MTU = 4
    MASTER = 10
    LINKINFO = 18


class LinkInfoAttr(IntEnum):
    """``IFLA_INFO_*``."""

    KIND = 1
    DATA = 2


_INFO = AttributeSet("LINKINFO", {LinkInfoAttr.KIND: String(), LinkInfoAttr.DATA: BYTES})
_LINK = AttributeSet(
    "LINK",
    {LinkAttr.IFNAME: String(15), LinkAttr.MTU: U32, LinkAttr.MASTER: U32, LinkAttr.LINKINFO: Nested(_INFO)},
)


class Link(NamedTuple):
    """A network device.

    ``is_up`` is what was asked for, ``is_running`` whether it can work (it has a carrier).
    ``kind`` is that of a device which software makes (``vxlan``), else empty; ``data`` its encoded attributes;
    ``master`` the ifindex of the device that it is enslaved to, or 0.
    """

    name: str
    ifindex: int
    is_up: bool
    is_running: bool
    mtu: int
    master: int
    kind: str
    data: bytes


class Links:
    """The network devices of a namespace: that of the thread that makes this. A context manager."""

    def __init__(self, dial: Dial = KernelSocket) -> None:
        self._transport = dial(NETLINK_ROUTE)
        self._seq = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._transport.close()

    def create(self, name: str, kind: str, data: bytes, mtu: int) -> None:
        """Make a device and set it up.

        Raises `AlreadyExists` when the name (or what only one device may be) is taken, EOPNOTSUPP when the kernel
        does not know the kind.
        """
        info = {LinkInfoAttr.KIND: kind, LinkInfoAttr.DATA: data}
        attributes: dict[int, object] = {LinkAttr.IFNAME: name, LinkAttr.MTU: mtu, LinkAttr.LINKINFO: info}
        payload = _IFINFOMSG.pack(0, 0, 0, IFF_UP, IFF_UP) + _LINK.encode(attributes)
        self._ask(RTM_NEWLINK, payload, c.NLM_F_CREATE | c.NLM_F_EXCL, f"making the {kind} device {name}")

    def get(self, name: str) -> Link:
        """Return a device; raise `NoSuchObject`."""
        operation = f"looking up the device {name}"
        reply = self._ask(RTM_GETLINK, _by_name(name), 0, operation)
        if reply is None:
            raise NetlinkError(errno.EPROTO, operation, "acknowledged without a reply")
        return _decode(reply.payload)

    def set_up(self, name: str, mtu: int | None = None) -> None:
        """Set a device up, and give it an MTU."""
        payload = _IFINFOMSG.pack(0, 0, 0, IFF_UP, IFF_UP) + _LINK.encode({LinkAttr.IFNAME: name, LinkAttr.MTU: mtu})
        self._ask(RTM_SETLINK, payload, 0, f"setting up the device {name}")

    def delete(self, name: str) -> None:
        """Delete a device; raise `NoSuchObject`, EOPNOTSUPP for one that cannot be deleted."""
        self._ask(RTM_DELLINK, _by_name(name), 0, f"deleting the device {name}")

    def _ask(self, type_: int, payload: bytes, flags: int, operation: str) -> Message | None:
        """Return the device that the kernel answers with, if it does; raise `NetlinkError`."""
        self._seq += 1
        flags |= c.NLM_F_REQUEST | c.NLM_F_ACK
        self._transport.send(pack_message(type_, flags, self._seq, self._transport.port_id, payload))
        reply = None
        while True:
            for message in split(self._receive(operation)):
                if message.seq != self._seq:
                    continue
                if message.type == c.NLMSG_ERROR:
                    error = unpack_error(message).error(operation)
                    if error is not None:
                        raise error
                    return reply
                if message.type == RTM_NEWLINK:
                    reply = message

    def _receive(self, operation: str) -> bytes:
        try:
            return self._transport.recv(_TIMEOUT)
        except BlockingIOError:
            raise netlink_error(errno.ETIMEDOUT, operation, f"no answer within {_TIMEOUT} seconds") from None


def _by_name(name: str) -> bytes:
    return _IFINFOMSG.pack(0, 0, 0, 0, 0) + _LINK.encode({LinkAttr.IFNAME: name})


def _decode(payload: Buffer) -> Link:
    if len(payload) < _IFINFOMSG.size:
        raise DecodeError(f"{len(payload)} bytes are too few for a device")
    _, _, ifindex, flags, _ = _IFINFOMSG.unpack_from(payload)
    values = _LINK.decode(payload, _IFINFOMSG.size).values
    info = values[LinkAttr.LINKINFO].values if LinkAttr.LINKINFO in values else {}
    return Link(
        name=values.get(LinkAttr.IFNAME, ""),
        ifindex=ifindex,
        is_up=bool(flags & IFF_UP),
        is_running=bool(flags & IFF_RUNNING),
        mtu=values.get(LinkAttr.MTU, 0),
        master=values.get(LinkAttr.MASTER, 0),
        kind=info.get(LinkInfoAttr.KIND, ""),
        data=info.get(LinkInfoAttr.DATA, b""),
    )
