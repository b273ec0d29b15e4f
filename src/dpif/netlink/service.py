"""The answering side of generic netlink: what the kernel's families are to its sockets (`Service`).

A service is given families, each a table from command to handlers, and datagrams from peers. It finds the
handler, and sends what the kernel would send (``net/netlink/genetlink.c``):

* A command that reads has its reply sent to the requester. A command that changes something (`Command.group`)
  has its record sent to the members of that multicast group, and to the requester only when it asked for an
  ``ECHO``; then the requester gets no second copy as a member.
* Refused before any handler: a family that does not exist (ENOENT), a message shorter than its headers
  (EINVAL), a command without a handler of the kind that is asked for (EOPNOTSUPP).

Acknowledgements, dumps and memberships are those of every netlink protocol (`dpif.netlink.answering`). The family
``nlctrl``, which describes the others, is always there. This file knows no other family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from errno import EINVAL, ENOENT, EOPNOTSUPP

from dpif._typing import Any, NamedTuple
from dpif.netlink import constants as c
from dpif.netlink.answering import Answering, Call, Command, Peer, Refusal
from dpif.netlink.generic import CTRL, GENL_HDRLEN, CtrlAttr, Family, encode_family, unpack_header
from dpif.netlink.message import Message, pack_message

__all__ = ["Service"]


class _Served(NamedTuple):
    family: Family
    commands: Mapping[int, Command]
    max_attribute: int

    def describe(self) -> bytes:
        operations = {
            number: (c.GENL_CMD_CAP_DO if command.do else 0) | (c.GENL_CMD_CAP_DUMP if command.dump else 0)
            for number, command in self.commands.items()
        }
        return encode_family(self.family, operations, self.max_attribute)


class Service(Answering):
    """Serves generic netlink families to peers; `lock` is that of `Answering`."""

    def __init__(self, lock: AbstractContextManager[Any] | None = None) -> None:
        super().__init__(lock)
        self._served: dict[int, _Served] = {}
        self._ids: dict[str, int] = {}
        nlctrl = Command(do=self._get_family, dump=self._dump_families)
        self.add_family(c.CTRL_FAMILY, {c.CTRL_CMD_GETFAMILY: nlctrl}, version=c.CTRL_VERSION)

    def add_family(
        self,
        name: str,
        commands: Mapping[int, Command],
        *,
        version: int = 1,
        header_size: int = 0,
        groups: Sequence[str] = (),
        max_attribute: int = 0,
    ) -> Family:
        """Offer a family; its id and those of its multicast groups are chosen here."""
        with self.lock:
            numbers = range(len(self._members) + 1, len(self._members) + 1 + len(groups))
            id_ = c.GENL_ID_CTRL + len(self._served)
            family = Family(name, id_, version, header_size, dict(zip(groups, numbers, strict=True)))
            self._members.update((number, {}) for number in numbers)
            self._served[id_] = _Served(family, commands, max_attribute)
            self._ids[name] = id_
        return family

    # Messages on the service's own account.

    def unicast(self, port_id: int, family: str, payload: bytes) -> bool:
        """Send a message to one peer; False when there is none or its queue is full."""
        with self.lock:
            peer = self._peers.get(port_id)
            return peer is not None and peer.deliver(pack_message(self._ids[family], 0, 0, 0, payload))

    def notify(self, family: str, group: str, payload: bytes, cause: Call | None = None) -> None:
        """Send a message to the members of a group, with the numbers of the request that caused it, if any.

        A requester that asked for an echo is left out: it has its own copy.
        """
        with self.lock:
            served = self._served[self._ids[family]].family
            seq, port_id = (0, 0) if cause is None else (cause.seq, cause.peer.port_id)
            left_out = port_id if cause is not None and cause.flags & c.NLM_F_ECHO else None
            datagram = pack_message(served.id, 0, seq, port_id, payload)
            for peer in tuple(self._members[served.groups[group]].values()):
                if peer.port_id != left_out:
                    peer.deliver(datagram)

    def has_members(self, family: str, group: str) -> bool:
        """Tell whether anybody would get a message to a group, which else need not be made."""
        served = self._served[self._ids[family]].family
        return bool(self._members[served.groups[group]])

    # Requests.

    def carry_out(self, message: Message, peer: Peer) -> bool:
        """Call the handler and send what it returns; see `Answering.carry_out`."""
        served = self._served.get(message.type)
        if served is None:
            raise Refusal(ENOENT)
        family = served.family
        if len(message.payload) < GENL_HDRLEN + family.header_size:
            raise Refusal(EINVAL)
        number, version = unpack_header(message.payload)
        command = served.commands.get(number, Command())
        wanted = (
            command.group is None
            or bool(message.flags & c.NLM_F_ECHO)
            or bool(self._members[family.groups[command.group]])
        )
        call = Call(number, version, message.flags, message.seq, peer, message.payload, wanted)
        if message.flags & c.NLM_F_DUMP == c.NLM_F_DUMP:
            if command.dump is None:
                raise Refusal(EOPNOTSUPP)
            self.dump(family.id, call, command.dump(call))
            return True
        if command.do is None:
            raise Refusal(EOPNOTSUPP)
        payload = command.do(call)
        if payload is not None:
            self._reply(family, command, call, payload)
        return False

    def _reply(self, family: Family, command: Command, call: Call, payload: bytes) -> None:
        if command.group is not None:
            self.notify(family.name, command.group, payload, call)
        if command.group is None or call.flags & c.NLM_F_ECHO:
            port_id = call.peer.port_id
            call.peer.deliver(pack_message(family.id, 0, call.seq, port_id, payload))

    # nlctrl.

    def _get_family(self, call: Call) -> bytes:
        values = CTRL.decode(call.payload, GENL_HDRLEN).values
        if CtrlAttr.FAMILY_NAME in values:
            id_ = self._ids.get(values[CtrlAttr.FAMILY_NAME])
        elif CtrlAttr.FAMILY_ID in values:
            id_ = values[CtrlAttr.FAMILY_ID]
        else:
            raise Refusal(EINVAL, "neither the id nor the name of a family")
        if id_ not in self._served:
            raise Refusal(ENOENT)
        return self._served[id_].describe()

    def _dump_families(self, call: Call) -> list[bytes]:
        return [served.describe() for served in self._served.values()]
