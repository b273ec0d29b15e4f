"""The action that sends a packet to user space."""

from __future__ import annotations

from dpif.odp.actions.base import NestAction
from dpif.odp.attrs import Empty, Opaque, PortNumber, Scalar
from dpif.odp.constants import ActionAttr, UserspaceAttr
from dpif.odp.kinds import PORT, U32
from dpif.odp.nest import Attr


class Userspace(NestAction, number=ActionAttr.USERSPACE, word="userspace"):
    """Send the packet to the netlink port ``pid`` with ``userdata``, which comes back as it is.

    ``egress_tun_port`` asks for the tunnel header that the packet would get on that port; ``actions`` asks for
    the flow's actions to come along.
    """

    __slots__ = ()

    REQUIRED = ("pid",)
    TEXT = ("pid", "userdata", "actions", "egress_tun_port")

    pid = Attr(UserspaceAttr.PID, Scalar(U32, "="))
    userdata = Attr(UserspaceAttr.USERDATA, Opaque())
    egress_tun_port = Attr(UserspaceAttr.EGRESS_TUN_PORT, PortNumber(PORT, "="), "tunnel_out_port")
    actions = Attr(UserspaceAttr.ACTIONS, Empty())
