"""The answering side of nfnetlink: subsystems as netfilter is to its sockets (net/netfilter/nfnetlink.c).

`NetfilterService` is given subsystems, each a table from command to handlers (`NetfilterCommand`). It knows none of
them, and no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from errno import EINVAL

from dpif._typing import Any, NamedTuple
from dpif.conntrack.constants import Subsystem
from dpif.conntrack.nfnetlink import HEADER_SIZE
from dpif.netlink.answering import Answering, Call, Peer, Refusal
from dpif.netlink.constants import NLM_F_DUMP
from dpif.netlink.message import Message, pack_message


class NetfilterCommand(NamedTuple):
    """How a subsystem carries out one command.

    ``do`` returns the payload of the reply, from the nfnetlink header on, or None for none; ``dump`` returns those
    of all rows. Both are messages of the subsystem's type ``answer``.
    """

    do: Callable[[Call], bytes | None] | None = None
    dump: Callable[[Call], Iterable[bytes]] | None = None
    answer: int = 0


class NetfilterService(Answering):
    """Serves subsystems to peers; `lock` is that of `Answering`.

    A message that is too short for a header is passed over; a subsystem or command that is not there is refused
    with EINVAL.
    """

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        super().__init__(lock)
        self._subsystems: dict[int, Mapping[int, NetfilterCommand]] = {}

    def add_subsystem(self, subsystem: Subsystem, commands: Mapping[int, NetfilterCommand]) -> None:
        """Offer a subsystem."""
        with self.lock:
            self._subsystems[subsystem] = commands

    def carry_out(self, message: Message, peer: Peer) -> bool:
        """Call the handler and send what it returns; see `Answering.carry_out`."""
        if len(message.payload) < HEADER_SIZE:
            return False
        subsystem, number = divmod(message.type, 1 << 8)
        command = self._subsystems.get(subsystem, {}).get(number, NetfilterCommand())
        call = Call(number, 0, message.flags, message.seq, peer, message.payload, True)
        answer = subsystem << 8 | command.answer
        if command.dump is not None and message.flags & NLM_F_DUMP:
            self.dump(answer, call, command.dump(call))
            return True
        if command.do is None:
            raise Refusal(EINVAL)
        payload = command.do(call)
        if payload is not None:
            peer.deliver(pack_message(answer, 0, call.seq, peer.port_id, payload))
        return False
