"""The flow table of a datapath: install, change, look up, remove, list."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from dpif._typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar, overload
from dpif.errors import DecodeError, DumpInterrupted, NetlinkError, NoSuchObject
from dpif.odp.constants.flow import FlowCmd, UfidFlag
from dpif.odp.messages.flow import FlowRecord

if TYPE_CHECKING:
    import pyarrow

    from dpif.client.datapath import Datapath
    from dpif.client.operations import Delete, Get, Put
    from dpif.client.values import ActionsLike, KeyLike, MaskLike
    from dpif.odp.actions import Actions
    from dpif.odp.columns.arrays import Values
    from dpif.odp.lines.compiled import FlowLines
    from dpif.odp.model.key import FlowKey, FlowMask
    from dpif.odp.model.ufid import Ufid

T = TypeVar("T")

_TOGETHER = 256 << 10
"""Bytes of messages that are made lines together: each change between the kernel's work and ours cools the caches."""
F = TypeVar("F", bound="TerseFlow")
_TERSE = UfidFlag.OMIT_KEY | UfidFlag.OMIT_MASK | UfidFlag.OMIT_ACTIONS


class TerseFlow:
    """A flow as a terse dump tells it: key, mask and actions are None, unless its key is all that names it.

    ``record`` is the message itself, with everything encoded.
    """

    __slots__ = ("record",)

    def __init__(self, record: FlowRecord) -> None:
        self.record = record

    @property
    def key(self) -> FlowKey | None:
        """The key: as it was given for a flow without UFID, masked for one with."""
        return self.record.flow_key()

    @property
    def mask(self) -> FlowMask | None:
        """The bits of the key that must match."""
        return self.record.flow_mask()

    @property
    def actions(self) -> Actions | None:
        """What happens to the packets that match."""
        return self.record.flow_actions()

    @property
    def ufid(self) -> Ufid | None:
        """The unique identifier, None for a flow that its key identifies."""
        return self.record.flow_ufid()

    @property
    def packets(self) -> int:
        """How many packets matched."""
        return self.record.stats.n_packets if self.record.stats else 0

    @property
    def bytes(self) -> int:
        """How many bytes they had."""
        return self.record.stats.n_bytes if self.record.stats else 0

    @property
    def tcp_flags(self) -> int:
        """The TCP flags seen, or'ed together; the kernel tells the low eight."""
        return self.record.tcp_flags or 0

    @property
    def now(self) -> int:
        """The time, in milliseconds as `used` is told: the present."""
        from dpif.odp.lines.text import milliseconds

        return milliseconds()

    @property
    def used(self) -> float | None:
        """When a packet last matched, in seconds as `time.monotonic` counts; None for never."""
        return self.record.used / 1000 if self.record.used else None

    def __repr__(self) -> str:
        from dpif.odp.model.key import format_key

        key = self.key
        name = self.ufid if key is None else format_key(key, self.mask)
        told = "" if self.actions is None else f", actions:{self.actions}"
        return f"<{type(self).__name__} {name}, packets:{self.packets}{told}>"


class Flow(TerseFlow):
    """A flow as the datapath described it; key, mask and actions are decoded when they are read."""

    __slots__ = ()

    @property
    def key(self) -> FlowKey:
        """The key: as it was given for a flow without UFID, masked for one with."""
        key = self.record.flow_key()
        if key is None:
            raise _left_out("KEY")
        return key

    @property
    def mask(self) -> FlowMask:
        """The bits of the key that must match: all that it has where the datapath told no mask."""
        mask = self.record.flow_mask()
        if mask is None:
            from dpif.odp.model.key import FlowMask  # every kernel of today tells one

            mask = FlowMask.exact(self.key)
        return mask

    @property
    def actions(self) -> Actions:
        """What happens to the packets that match."""
        actions = self.record.flow_actions()
        if actions is None:
            raise _left_out("ACTIONS")
        return actions

    def format(self, *, verbose: bool = False, port_names: Mapping[int, str] | None = None) -> str:
        """Return the line that ``ovs-dpctl dump-flows`` prints of it now, which `parse_flow` reads.

        `verbose` is its ``-m``, with the UFID; `port_names` (see `Ports.names`) are shown in place of numbers.
        """
        from dpif.odp.lines.text import format_flow_line, milliseconds

        return format_flow_line(self.record, milliseconds(), verbose=verbose, port_names=port_names)


def _left_out(part: str) -> DecodeError:
    return DecodeError("the datapath was asked for it, and left it out", f"FLOW.{part}")


def parse_flow(line: str, port_names: Mapping[str, int] | None = None, *, now: float | None = None) -> Flow:
    """Return the flow of a line of ``dump-flows``, with or without ``-m``; raise `ParseError`.

    It is as a datapath would tell it, but for what the line leaves out: without ``-m`` the UFID, and the bits of the
    key that need not match. `port_names` gives the numbers of ports that are named in it, as `Ports.numbers` does.
    `now` is when the line was made, in seconds as `time.monotonic` counts them, by default the present.
    """
    from dpif.odp.lines.text import milliseconds
    from dpif.odp.text.flow_line import parse_flow_line

    return Flow(parse_flow_line(line, milliseconds() if now is None else round(now * 1000), port_names))


class Snapshot(NamedTuple, Generic[F]):
    """The flows of a datapath; ``interrupted`` when some may be missing or there twice."""

    flows: list[F]
    interrupted: bool


class Flows:
    """The flows of one datapath; iterate for all of them, in the datapath's order.

    In texts the names of its ports may stand for their numbers: ``flows.put("in_port(h1)", "h2")``.
    """

    def __init__(self, datapath: Datapath) -> None:
        self._dp = datapath

    def __repr__(self) -> str:
        return f"<Flows of {self._dp}>"

    def put(
        self,
        key: KeyLike,
        actions: ActionsLike,
        mask: MaskLike | None = None,
        *,
        ufid: bytes | str | None = None,
        create: bool = True,
        modify: bool = True,
        clear: bool = False,
        probe: bool = False,
    ) -> Flow:
        """Install a flow, or replace the actions of one that is there; return it as it is now.

        With a mask of None what `key` names is matched exactly (a text brings its own mask). ``create`` and
        ``modify`` say what is allowed: `AlreadyExists` where the flow exists and may not be modified,
        `NoSuchObject` where it does not and may not be created. ``clear`` zeroes the counters of a flow that is
        modified (not where it may also be created); the flow returned has those from before. ``probe`` keeps
        the kernel from logging a refusal.
        """
        from dpif.client.operations import Put  # who lists flows does without what encodes them

        settings = {"create": create, "modify": modify, "clear": clear, "probe": probe}
        return self._flow(Put(key, actions, mask, ufid=ufid, port_names=self._dp.ports.numbers(), **settings))

    def add(
        self, key: KeyLike, actions: ActionsLike, mask: MaskLike | None = None, *, ufid: bytes | str | None = None
    ) -> Flow:
        """Install a flow that must not exist; raise `AlreadyExists`, which names the flow in its way."""
        return self.put(key, actions, mask, ufid=ufid, modify=False)

    def modify(
        self,
        key: KeyLike | None = None,
        actions: ActionsLike | None = None,
        mask: MaskLike | None = None,
        *,
        ufid: bytes | str | None = None,
        clear: bool = False,
    ) -> Flow:
        """Replace the actions of a flow that must exist; raise `NoSuchObject`.

        Without `actions` it keeps those that it has; ``modify(ufid=…, clear=True)`` zeroes its counters and no more.
        """
        from dpif.client.operations import Put

        names = self._dp.ports.numbers()
        return self._flow(Put(key, actions, mask, ufid=ufid, create=False, clear=clear, port_names=names))

    def get(self, key: KeyLike | None = None, *, ufid: bytes | str | None = None) -> Flow:
        """Return the flow that was installed with `key`, or with `ufid`; raise `NoSuchObject`."""
        from dpif.client.operations import Get

        return self._flow(Get(key, ufid=ufid, port_names=self._dp.ports.numbers()))

    def delete(self, key: KeyLike | Flow | None = None, *, ufid: bytes | str | None = None) -> Flow:
        """Remove the flow that was installed with `key`, or with `ufid`; return it with its last counters."""
        from dpif.client.operations import Delete

        if isinstance(key, Flow):
            return self._flow(Delete.of(key.record))
        return self._flow(Delete(key, ufid=ufid, port_names=self._dp.ports.numbers()))

    def flush(self) -> None:
        """Remove all flows."""
        record = FlowRecord(command=FlowCmd.DEL, dp_ifindex=self._dp.ifindex)
        self._dp.connection.transact(record.request(f"deleting all flows of {self._dp.name}"))

    def __iter__(self) -> Iterator[Flow]:
        return self.dump()

    @overload
    def dump(self, *, terse: Literal[False] = False) -> Iterator[Flow]: ...
    @overload
    def dump(self, *, terse: Literal[True]) -> Iterator[TerseFlow]: ...
    @overload
    def dump(self, *, terse: bool) -> Iterator[TerseFlow]: ...
    def dump(self, *, terse: bool = False) -> Iterator[TerseFlow]:
        """Iterate over all flows as they come, in bounded memory.

        `terse` leaves out the key, mask and actions of flows that have a UFID. Actions that the kernel left out
        because they did not fit its buffer are asked for one by one; a flow that is gone by then is skipped.
        The kernel's table may be rehashed meanwhile: a long dump of a busy table can miss or repeat flows.
        """
        from dpif.odp.messages.flow_rows import FlowRows  # who prints does without

        record = FlowRecord(command=FlowCmd.GET, dp_ifindex=self._dp.ifindex, ufid_flags=_TERSE if terse else None)
        request = record.request(f"dumping the flows of {self._dp.name}", decode=FlowRows())
        made = TerseFlow if terse else Flow
        for row in self._dp.connection.dump(request):
            whole = row if terse or row.actions is not None else self._complete(row)
            if whole is not None:
                yield made(whole)

    @overload
    def snapshot(self, *, terse: Literal[False] = False, retries: int = 3) -> Snapshot[Flow]: ...
    @overload
    def snapshot(self, *, terse: Literal[True], retries: int = 3) -> Snapshot[TerseFlow]: ...
    @overload
    def snapshot(self, *, terse: bool, retries: int = 3) -> Snapshot[TerseFlow]: ...
    def snapshot(self, *, terse: bool = False, retries: int = 3) -> Snapshot[Any]:
        """Return all flows at once, as `dump` gives them.

        When the datapath says that its table changed meanwhile, try again up to `retries` times, and then return
        what the last try gave, as interrupted. (The kernel's datapath never says so.)
        """
        flows: list[TerseFlow] = []
        for _ in range(retries + 1):
            flows = []
            try:
                flows.extend(self.dump(terse=terse))
            except DumpInterrupted:
                continue
            return Snapshot(flows, interrupted=False)
        return Snapshot(flows, interrupted=True)

    def lines(self, *, verbose: bool = False, port_names: Mapping[int, str] | None = None) -> Iterator[str]:
        """Iterate over all flows as ``ovs-dpctl dump-flows`` prints them, much faster than one by one.

        `verbose` is its ``-m``; `port_names` (see `Ports.names`) are shown in place of numbers.
        """
        record = FlowRecord(command=FlowCmd.GET, dp_ifindex=self._dp.ifindex)
        request = record.request(f"dumping the flows of {self._dp.name}")

        def renderer() -> FlowLines:
            from dpif.odp.lines.compiled import FlowLines  # only who has flows to print pays for loading what prints

            return FlowLines(verbose=verbose, port_names=port_names, complete=self._complete)

        def lines_of_datagrams() -> Iterator[list[str]]:
            datagrams: list[bytes] = []
            made: FlowLines | None = None
            for exchange in self._dp.connection.dump_datagrams(request, _TOGETHER, datagrams.append):
                for datagram in datagrams:
                    payloads = exchange.payloads(datagram)
                    if payloads:
                        made = made or renderer()
                        yield made.lines(payloads)
                datagrams.clear()

        return chain.from_iterable(lines_of_datagrams())  # a generator's step for each line would be a tenth of it

    def to_arrow(
        self, columns: Sequence[str] | None = None, *, text: bool = False, dotted: bool = False, retries: int = 3
    ) -> pyarrow.Table:
        """Return all flows as an Arrow table: a column for each field of the keys and masks, and the counters.

        See `dpif.odp.columns` for the names and types. `columns` names those that are wanted; None for all that some
        flow has, whose names SQL takes without quotes (``ipv4_dst``), or with `dotted` are those of filters
        (``ipv4.dst``). With `text` addresses, ports, flags, labels and UFIDs are written as people write them. Flows
        with the same fields stand together, in the datapath's order. When the datapath says that its table changed
        meanwhile, this tries again up to `retries` times, and then raises `DumpInterrupted`. Raises `Unavailable`
        when PyArrow is not installed (the extra ``arrow``), `EncodeError` for a name that no column has.
        """
        from dpif.odp.columns import to_table

        return self._to_columns(to_table, columns, text, dotted, retries)

    def to_numpy(
        self, columns: Sequence[str] | None = None, *, text: bool = False, dotted: bool = False, retries: int = 3
    ) -> dict[str, Values]:
        """Return all flows as NumPy arrays, for each column its values and where there are any; see `to_arrow`.

        It needs NumPy alone (the extra ``columns``).
        """
        from dpif.odp.columns import to_arrays

        return self._to_columns(to_arrays, columns, text, dotted, retries)

    def _to_columns(
        self, convert: Callable[..., T], columns: Sequence[str] | None, text: bool, dotted: bool, retries: int
    ) -> T:
        from dpif.odp.columns import WINDOW, Options, Origin

        names = self._dp.ports.names() if text else {}
        options = Options(columns, text, names, dotted)
        record = FlowRecord(command=FlowCmd.GET, dp_ifindex=self._dp.ifindex)
        request = record.request(f"dumping the flows of {self._dp.name}")
        while True:
            try:
                dump = partial(self._dp.connection.dump_datagrams, request, WINDOW)
                origin = Origin(str(self._dp), time.time_ns() // 1000, time.monotonic_ns() // 1000)
                return convert(dump, options._replace(origin=origin), self._complete)
            except DumpInterrupted:
                if not retries:
                    raise
                retries -= 1

    def _complete(self, row: FlowRecord) -> FlowRecord | None:
        """Return `row` with the actions, which did not fit the kernel's buffer; None when the flow is gone."""
        if row.actions is not None:
            return row
        try:
            return self.get(None if row.ufid else row.key, ufid=row.ufid).record
        except NoSuchObject:
            return None

    def _flow(self, operation: Put | Get | Delete) -> Flow:
        from dpif.client.operations import explain_refusal

        request = operation.request(self._dp.ifindex, want_reply=True)
        try:
            reply = self._dp.connection.transact(request)
        except NetlinkError as error:
            raise explain_refusal(error, operation, self._dp) from None
        if reply is None:
            raise NetlinkError(errno.EPROTO, request.kind.operation, "the datapath acknowledged without a reply")
        return Flow(reply)
