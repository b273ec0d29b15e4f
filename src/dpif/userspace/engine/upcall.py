"""What the engine has to say to user space about a packet: an `Upcall`, as a value.

Who receives it, and in which bytes, is the business of the `UpcallSink` that the engine is given; the engine
learns only whether the upcall found its receiver.
"""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import TYPE_CHECKING, NamedTuple, TypeAlias
from dpif.odp.actions import Actions
from dpif.odp.constants import PacketCmd

if TYPE_CHECKING:
    from dpif.userspace.engine.datapath import Datapath


class Upcall(NamedTuple):
    """A packet that goes up: one that missed the flow table, or that an action sends (``struct dp_upcall_info``).

    ``port_id`` is the netlink port id of the receiver, ``key`` the packet's flat key. ``length`` is what the
    packet measured before ``trunc`` cut it, None when it is whole. ``userdata`` and ``actions`` come from the
    action, ``egress_tunnel`` is the flat tunnel key that the packet would leave with, where the action asks for it.
    ``mru`` is that of `Frame`, ``hash`` the value of `PacketAttr.HASH`.
    """

    datapath: Datapath
    command: PacketCmd
    port_id: int
    packet: bytes
    key: int
    hash: int
    mru: int = 0
    length: int | None = None
    userdata: bytes | None = None
    actions: Actions | None = None
    egress_tunnel: int = 0


UpcallSink: TypeAlias = Callable[[Upcall], bool]
"""Takes an upcall; False when its receiver does not exist or has no room for it."""
