"""Operations as values: what `Datapath.operate` carries out in one batch, and the results.

Each names one change or look-up of the flow table, or a packet to send; it knows how to say so on the wire.
Encoding happens when the operation is made, so that a mistake in a text shows there. An operation knows no datapath:
`port_names`, which `Ports.numbers` gives, are the names of ports that its texts may have in place of numbers.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from dpif._typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, overload
from dpif.client.values import ActionsLike, KeyLike, MaskLike, Match, decode_match, encode_actions, encode_match
from dpif.errors import DecodeError, DpifError, EncodeError, NetlinkError, netlink_error
from dpif.netlink.attributes import attribute
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_ECHO
from dpif.netlink.exchange import Request, RequestKind
from dpif.odp.actions import Actions
from dpif.odp.constants import OVS_FLOW_FAMILY, OVS_FLOW_VERSION, OVS_PACKET_FAMILY, FlowAttr, FlowCmd
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FLOW, FlowRecord, encode_flow
from dpif.odp.messages.packet import PacketRecord, encode_execute
from dpif.odp.model.ufid import Ufid
from dpif.odp.text.file_lines import encode_put_text

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath
    from dpif.odp.kernel.rules import Features

_NO_KEY = b""
_NEW, _SET, _DEL, _UFID = FlowCmd.NEW, FlowCmd.SET, FlowCmd.DEL, FlowAttr.UFID  # to find a member takes 0.1 us


class _OfFlow:
    """What deals with a flow; it is encoded when it is made, and cannot be changed."""

    __slots__ = ("_attributes",)
    _attributes: bytes

    def _attribute(self, number: FlowAttr) -> Any:
        return FLOW.decode(self._attributes).values.get(number)

    @property
    def match(self) -> Match:
        """What names the flow and what it matches, as it is sent."""
        ufid = self._attribute(FlowAttr.UFID)
        key, mask = self._attribute(FlowAttr.KEY) or _NO_KEY, self._attribute(FlowAttr.MASK)
        return Match(key, mask, None if ufid is None else Ufid(ufid))


class Put(_OfFlow):
    """Install a flow, or replace the actions of one that is there; see `Flows.put` and `Flows.modify`.

    Without a key the flow is named by its UFID alone, which does to modify it without actions.
    """

    __slots__ = ("_command", "_flags")
    _command: FlowCmd
    _flags: int

    def __init__(
        self,
        key: KeyLike | None,
        actions: ActionsLike | None,
        mask: MaskLike | None = None,
        *,
        ufid: bytes | str | None = None,
        create: bool = True,
        modify: bool = True,
        clear: bool = False,
        probe: bool = False,
        port_names: Mapping[str, int] | None = None,
    ) -> None:
        self._command, self._flags = _verb(create, modify)
        if isinstance(key, str) and isinstance(actions, str) and mask is None and not (clear or probe):
            attributes = encode_put_text(key, actions)
            if attributes is not None:
                self._attributes = attributes if ufid is None else attributes + attribute(_UFID, Ufid(ufid))
                return
        match = encode_match(key or _NO_KEY, mask, ufid, port_names)
        if actions is None and create:
            raise EncodeError("a flow that may be created needs actions; an empty list of them drops packets")
        by_ufid = bool(match.ufid) and not match.key
        self._attributes = encode_flow(
            key=None if by_ufid else match.key,
            mask=None if by_ufid else match.mask,
            ufid=match.ufid,
            actions=None if actions is None else encode_actions(actions, port_names),
            clear=clear,
            probe=probe,
        )

    @classmethod
    def encoded(cls, attributes: Iterable[bytes], *, create: bool = True, modify: bool = True) -> Iterator[Put]:
        """Yield the operations whose requests have these attributes, key, actions and mask, in this order."""
        command, flags = _verb(create, modify)
        make = cls.__new__
        for each in attributes:
            put = make(cls)
            put._attributes, put._command, put._flags = each, command, flags
            yield put

    @property
    def actions(self) -> bytes | None:
        """The actions, encoded; None where they stay."""
        actions: bytes | None = self._attribute(FlowAttr.ACTIONS)
        return actions

    def request(self, dp_ifindex: int, want_reply: bool = False) -> Request[FlowRecord]:
        """Return the request; creating is NEW, and exclusive where modifying is not allowed."""
        flags = self._flags | NLM_F_ECHO if want_reply else self._flags
        return Request(_kind("putting a flow", self._command, flags, dp_ifindex), self._attributes)


def _verb(create: bool, modify: bool) -> tuple[FlowCmd, int]:
    """Return command and flags of a put.

    The kernel reads CREATE as "must not exist"; EXCL would start a dump on old ones (wire.md, "Aliasing").
    """
    return _NEW if create else _SET, NLM_F_CREATE if create and not modify else 0


@functools.lru_cache(64)
def _kind(operation: str, command: FlowCmd, flags: int, dp_ifindex: int) -> RequestKind[FlowRecord]:
    head = pack_headers(command, OVS_FLOW_VERSION, dp_ifindex)
    silent = command != FlowCmd.GET and not flags & NLM_F_ECHO
    return RequestKind(OVS_FLOW_FAMILY, FlowRecord.from_reply, operation, flags, head=head, silent=silent)


class _ByIdentity(_OfFlow):
    """What names an existing flow: its key, or its UFID, which counts where there are both."""

    __slots__ = ()

    def __init__(
        self,
        key: KeyLike | None = None,
        *,
        ufid: bytes | str | None = None,
        port_names: Mapping[str, int] | None = None,
    ) -> None:
        if key is None and ufid is None:
            raise EncodeError("a flow is named by its key or its UFID; give one")
        match = encode_match(_NO_KEY if key is None and ufid else key or "", None, ufid, port_names)
        self._attributes = encode_flow(key=None if match.ufid else match.key, actions=None, ufid=match.ufid)


class Get(_ByIdentity):
    """Look up the flow that was installed with a key, or with a UFID."""

    __slots__ = ()

    def request(self, dp_ifindex: int, want_reply: bool = True) -> Request[FlowRecord]:
        """Return the request; a GET always has a reply."""
        return Request(_kind("getting a flow", FlowCmd.GET, 0, dp_ifindex), self._attributes)


class Delete(_ByIdentity):
    """Remove the flow that was installed with a key, or with a UFID."""

    __slots__ = ()

    @classmethod
    def of(cls, flow: FlowRecord) -> Delete:
        """Return what removes a flow that a datapath told of: by its UFID, where it has one."""
        return cls(None if flow.ufid else flow.key, ufid=flow.ufid)

    @classmethod
    def encoded(cls, attributes: Iterable[bytes]) -> Iterator[Delete]:
        """Yield the operations whose requests have these attributes, a key each."""
        make = cls.__new__
        for each in attributes:
            delete = make(cls)
            delete._attributes = each
            yield delete

    def request(self, dp_ifindex: int, want_reply: bool = False) -> Request[FlowRecord]:
        """Return the request."""
        return Request(_kind("deleting a flow", _DEL, NLM_F_ECHO if want_reply else 0, dp_ifindex), self._attributes)


class Execute:
    """Apply actions to a packet, as if a flow had matched it.

    ``key`` brings the packet's metadata (``in_port``, ``recirc_id``, ``skb_mark``, tunnel, conntrack state);
    the datapath reads the headers from the packet itself. ``upcall_pid`` is as of `Datapath.execute`. Success says
    nothing about delivery.
    """

    __slots__ = ("actions", "key", "mru", "packet", "probe", "upcall_pid")

    def __init__(
        self,
        packet: bytes,
        actions: ActionsLike,
        key: KeyLike | None = None,
        *,
        probe: bool = False,
        mru: int | None = None,
        upcall_pid: int | None = None,
        port_names: Mapping[str, int] | None = None,
    ) -> None:
        self.packet = packet
        self.actions = encode_actions(actions, port_names)
        self.key = _NO_KEY if key is None else encode_match(key, port_names=port_names).key
        self.probe = probe
        self.mru = mru
        self.upcall_pid = upcall_pid

    def request(self, dp_ifindex: int, want_reply: bool = False) -> Request[PacketRecord]:
        """Return the request."""
        payload = encode_execute(
            dp_ifindex,
            packet=self.packet,
            key=self.key,
            actions=self.actions,
            probe=self.probe,
            mru=self.mru,
            upcall_pid=self.upcall_pid,
        )
        return Request(_EXECUTE, payload)


_EXECUTE = RequestKind(OVS_PACKET_FAMILY, PacketRecord.from_reply, "executing actions on a packet")

Operation: TypeAlias = Put | Get | Delete | Execute
_FEW = 16
"""Of more operations none has the table read for it: nobody waits for that many times."""


class Result(NamedTuple):
    """What became of one operation: ``error`` None is success, ``record`` the reply where one was asked for."""

    operation: Operation
    record: FlowRecord | None = None
    error: DpifError | None = None

    @property
    def ok(self) -> bool:
        """Whether it was carried out."""
        return self.error is None


class Results(Sequence[Result]):
    """What became of each operation, in their order; each result is made when it is looked at.

    Most of many operations are carried out, of which there is no more to say: so the results of a hundred thousand
    take no memory of their own.
    """

    __slots__ = ("_answers", "_datapath", "_explained", "_operations")

    def __init__(self, datapath: Datapath) -> None:
        self._datapath = datapath
        self._operations: list[Operation] = []
        self._answers: dict[int, Any] = {}  # by index, where there was one
        self._explained: dict[int, NetlinkError] = {}  # those that were looked at

    def add(self, operations: list[Operation], answers: list[Any]) -> None:
        """Append the results for what `Connection.batch` gave."""
        start = len(self._operations)
        self._operations += operations
        if answers.count(None) < len(answers):
            self._answers.update(
                (start + index, answer) for index, answer in enumerate(answers) if answer is not None
            )

    @property
    def is_silent(self) -> bool:
        """Whether all were carried out, and there is no more to say."""
        return not self._answers

    def __len__(self) -> int:
        return len(self._operations)

    def __iter__(self) -> Iterator[Result]:
        for index, operation in enumerate(self._operations):
            yield self._result_of(index) if index in self._answers else Result(operation)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self._result_of(range(len(self))[index])

    def _result_of(self, index: int) -> Result:
        operation, answer = self._operations[index], self._answers.get(index)
        if answer is None:
            return Result(operation)
        if isinstance(answer, NetlinkError):
            are_few = len(self._operations) <= _FEW
            explained = explain_refusal(answer, operation, self._datapath, may_read_table=are_few)
            return Result(operation, None, self._explained.setdefault(index, explained))
        if isinstance(answer, DpifError):
            return Result(operation, None, answer)
        return Result(operation, answer if isinstance(answer, FlowRecord) else None)

    def __repr__(self) -> str:
        return f"<Results of {len(self)} operations>"


def explain_refusal(
    error: NetlinkError, operation: Operation, datapath: Datapath, *, may_read_table: bool = True
) -> NetlinkError:
    """Return `error` with the rule that `operation` breaks, where a local check finds one, or the flow in its way.

    The kernel says no more than EINVAL; it logs the reason where only root can read it. The flow is looked for when
    somebody reads the error, by its key or UFID and, if `may_read_table`, among all.
    """
    if isinstance(operation, Execute):
        return error
    if error.errno in _IN_THE_WAY and operation.match.key:
        return netlink_error(
            error.errno,
            error.operation,
            partial(_obstacle, datapath, operation.match, error, may_read_table),
            error.bad_offset,
        )
    if error.errno not in _UNEXPLAINED:
        return error
    try:
        explanation = _broken_rule(operation, error.errno, datapath.rules)
    except DecodeError as broken:
        explanation = str(broken)
    if not explanation:
        return error
    return netlink_error(error.errno, error.operation, explanation, error.bad_offset)


_UNEXPLAINED = frozenset({errno.EINVAL, errno.ERANGE, errno.EOVERFLOW})
"""What the kernel answers to a flow that breaks a rule."""
_IN_THE_WAY = frozenset({errno.EEXIST, errno.ENOENT})
"""What it answers where another flow matches the same packets, too."""


def _obstacle(datapath: Datapath, match: Match, error: NetlinkError, may_read_table: bool) -> str:
    from dpif.client.in_the_way import explain_obstacle

    code = error.errno or errno.EEXIST
    return explain_obstacle(datapath, match, code, error.explanation, may_read_table=may_read_table)


def _broken_rule(operation: Put | Get | Delete, code: int, rules: Features) -> str:
    from dpif.odp.kernel.check import explain_actions  # only a refusal pays for importing the rules

    key, mask = decode_match(operation.match)
    actions = operation.actions if isinstance(operation, Put) else None
    broken = explain_actions(Actions.from_bytes(actions or b""), key, mask, rules)
    return str(broken) if broken and broken.errno == code else ""
