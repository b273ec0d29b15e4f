"""A flow in the forms that a benchmark needs: lines of text, the request of a put, the kernel's message."""

from __future__ import annotations

import struct

from dpif import parse_actions, parse_match
from dpif._typing import NamedTuple
from dpif.client.operations import Put
from dpif.netlink.attributes import attribute
from dpif.odp.constants import FlowAttr, FlowCmd
from dpif.odp.kernel.emit import mask_to_key, to_key
from dpif.odp.kernel.match import from_match
from dpif.odp.kernel.rules import NEWEST, Features
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import encode_flow
from dpif.odp.model.ufid import Ufid
from workloads.listed import as_listed

DATAPATH = 5
"""The number of the datapath that the messages are from."""
_COUNTERS = struct.Struct("=2Q")
_USED = struct.Struct("=Q")


class Flow(NamedTuple):
    """A flow: the texts of its match and its actions, its identifier if it has one, and its counters.

    ``match`` has what the kernel asks for though it is wildcarded (``tcp_flags(0/0)``), ``shown`` what a dump shows.
    ``used`` is when a packet last matched, in milliseconds of the datapath's clock. One that has not seen a packet
    has none of them, and the kernel says nothing of them.
    """

    match: str
    shown: str
    actions: str
    ufid: bytes | None = None
    packets: int = 0
    bytes: int = 0
    used: int = 0
    tcp_flags: int = 0

    def line(self) -> str:
        """Return the line of a file for ``add-flows``."""
        return f"{self.match} {self.actions}"

    def dump_line(self) -> str:
        """Return the line of a dump of ``ovs-dpctl``, at the last full minute of the clock."""
        used = f"{self.used % 60_000 / 1000:.3f}s" if self.used else "never"
        return f"{self.shown}, packets:{self.packets}, bytes:{self.bytes}, used:{used}, actions:{self.actions}"

    def put(self) -> Put:
        """Return the operation that installs it."""
        return Put(self.match, self.actions, ufid=self.ufid)

    def message(self, rules: Features = NEWEST) -> bytes:
        """Return the message by which the kernel lists it, without its ``nlmsghdr``.

        It is made the slow way, by the model of what the kernel makes of keys and masks: 0.7 ms.
        """
        key, mask = parse_match(self.match)
        flat, bits = from_match(key, mask, rules)
        listed = to_key(flat & bits if self.ufid else flat, rules)
        return b"".join(
            [
                pack_headers(FlowCmd.NEW, 1, DATAPATH),
                attribute(FlowAttr.UFID, self.ufid) if self.ufid else b"",
                attribute(FlowAttr.KEY, listed.to_bytes()),
                attribute(FlowAttr.MASK, mask_to_key(flat, bits, rules).to_bytes()),
                *self._counters(),
                attribute(FlowAttr.ACTIONS, as_listed(parse_actions(self.actions)).to_bytes()),
            ]
        )

    def _counters(self) -> list[bytes]:
        if not self.used:
            return []
        told = [
            attribute(FlowAttr.USED, _USED.pack(self.used)),
            attribute(FlowAttr.STATS, _COUNTERS.pack(self.packets, self.bytes)),
        ]
        return [*told, attribute(FlowAttr.TCP_FLAGS, bytes([self.tcp_flags]))] if self.tcp_flags else told

    def request(self) -> bytes:
        """Return the payload of the request that installs it, made the slow way."""
        key, mask = parse_match(self.match)
        actions = parse_actions(self.actions).to_bytes()
        head = pack_headers(FlowCmd.NEW, 1, DATAPATH)
        ufid = None if self.ufid is None else Ufid(self.ufid)
        return head + encode_flow(key=key.to_bytes(), mask=mask.to_bytes(), ufid=ufid, actions=actions)
