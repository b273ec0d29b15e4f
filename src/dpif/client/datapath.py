"""A datapath as an object: its ports, flows and upcalls, and what concerns it as a whole.

What a method needs is imported when it is called: to look at a datapath, which the command line does most, takes
neither keys nor actions, and to import these takes longer than to look.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from types import TracebackType

from dpif._typing import TYPE_CHECKING, Self
from dpif.errors import DpifError, EncodeError, NetlinkError, brief
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NETLINK_NETFILTER, NLM_F_ECHO
from dpif.odp.constants.datapath import DatapathCmd, DatapathFeature
from dpif.odp.messages.datapath import DatapathRecord

if TYPE_CHECKING:
    from dpif.client.ct_limits import CtLimits
    from dpif.client.dispatch import Dispatch
    from dpif.client.features import Features
    from dpif.client.flows import Flows
    from dpif.client.meters import Meters
    from dpif.client.operations import Operation, Results
    from dpif.client.port import Port
    from dpif.client.ports import Ports
    from dpif.client.samples import Samples
    from dpif.client.stats import Stats
    from dpif.client.upcalls import UpcallHandlers, Upcalls
    from dpif.client.values import ActionsLike, KeyLike
    from dpif.conntrack.table import Conntrack
    from dpif.odp.kernel import rules

_AT_A_TIME = 1024
"""Operations that are requests at one time."""
_MOST_IN_CACHE = 1 << 31
"""Entries: the power of two that 32 bits have room for."""
_MAX_QUEUES = 0xF000
_TC_MAJOR = 1 << 16


class Datapath:
    """An open datapath. A context manager; leaving it closes the handle and never touches the datapath.

    ``name`` is its name, ``type`` ``system`` or ``netdev``, ``ifindex`` what identifies it on the wire. A
    datapath that was deleted and made anew under the same name has another: a handle from before then gets
    `NoSuchObject`, and must be opened again.
    """

    unnumbered: Mapping[int, str] | None = None
    """Names of ports without a number, by what stands for it: a saved dump alone has some."""

    def __init__(self, connection: Connection, record: DatapathRecord, type: str) -> None:
        self.connection = connection
        self.name = record.name or ""
        self.type = type
        self.ifindex = record.dp_ifindex
        self._conntrack: Conntrack | None = None
        self.dispatch: Dispatch | None = None
        """How misses are dispatched to who listens through this handle; None when nobody does."""

    @cached_property
    def ports(self) -> Ports:
        """Its ports."""
        from dpif.client.ports import Ports

        return Ports(self)

    @cached_property
    def flows(self) -> Flows:
        """Its flow table."""
        from dpif.client.flows import Flows

        return Flows(self)

    @cached_property
    def meters(self) -> Meters:
        """Its meters."""
        from dpif.client.meters import Meters

        return Meters(self)

    @cached_property
    def ct_limits(self) -> CtLimits:
        """The limits on connections in conntrack zones, which all datapaths of a network namespace share."""
        from dpif.client.ct_limits import CtLimits

        return CtLimits(self)

    def __str__(self) -> str:
        return f"{self.type}@{self.name}"

    def __repr__(self) -> str:
        return f"<Datapath {self}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the datapath stays as it is."""
        self.connection.close()
        if self._conntrack is not None:
            self._conntrack.close()

    def destroy(self) -> None:
        """Delete the datapath with all its ports and flows; devices of other owners survive."""
        record = DatapathRecord(command=DatapathCmd.DEL, dp_ifindex=self.ifindex)
        self.connection.transact(record.request(f"deleting datapath {self.name}"))

    def read(self) -> DatapathRecord:
        """Return what the datapath says of itself."""
        record = DatapathRecord(command=DatapathCmd.GET, dp_ifindex=self.ifindex)
        return _reply(self.connection, record, f"reading datapath {self.name}")

    def write(
        self,
        *,
        user_features: int,
        per_cpu_pids: Sequence[int] | None = None,
        masks_cache_size: int | None = None,
    ) -> DatapathRecord:
        """Change settings; `user_features` is not optional since a change without it clears them all."""
        record = DatapathRecord(
            command=DatapathCmd.SET,
            dp_ifindex=self.ifindex,
            user_features=user_features,
            per_cpu_pids=None if per_cpu_pids is None else tuple(per_cpu_pids),
            masks_cache_size=masks_cache_size,
        )
        return _reply(self.connection, record, f"changing datapath {self.name}", NLM_F_ECHO)

    def stats(self) -> Stats:
        """Return the counters as they are now."""
        from dpif.client.stats import Stats

        record = self.read()
        mega = record.megaflow_stats
        basic = record.stats or (0, 0, 0, 0)
        return Stats(*basic) if mega is None else Stats(*basic, mega.n_masks, mega.n_mask_hit, mega.n_cache_hit)

    @property
    def user_features(self) -> DatapathFeature:
        """The features that are switched on now."""
        return DatapathFeature(self.read().user_features or 0)

    def set_features(self, add: DatapathFeature | int, *, remove: DatapathFeature | int = 0) -> DatapathFeature:
        """Switch features on, and off, leaving the others as they are; return those that are on now.

        Raises `NetlinkError` with EOPNOTSUPP for a feature that the datapath does not know.
        """
        present = self.read().user_features or 0
        return DatapathFeature(self.write(user_features=(present | add) & ~remove).user_features or 0)

    def masks_cache_size(self) -> int | None:
        """Return the size of the mask cache in entries, None where the datapath has none."""
        return self.read().masks_cache_size

    def set_masks_cache_size(self, entries: int) -> int:
        """Change the size of the mask cache; 0 switches it off. Return the size, `entries` or more.

        A size is rounded up to a power of two. Raises `NetlinkError` with ERANGE for one that is too large, with
        EOPNOTSUPP where the datapath has no mask cache (Linux before 5.9).
        """
        operation = f"changing the mask cache of {self.name}"
        before = self.read()
        if before.masks_cache_size is None:
            raise NetlinkError(errno.EOPNOTSUPP, operation)
        size = 1 << (entries - 1).bit_length() if entries > 0 else entries
        if size > _MOST_IN_CACHE:
            told = f"{brief(entries)} entries are too many (at most {_MOST_IN_CACHE})"
            raise EncodeError(told, "DATAPATH.MASKS_CACHE_SIZE")
        after = self.write(user_features=before.user_features or 0, masks_cache_size=size).masks_cache_size
        if after != size:
            raise NetlinkError(errno.EINVAL, operation, f"the size is {after} in spite of {size}")
        return size

    @property
    def conntrack(self) -> Conntrack:
        """The connections that are tracked for this datapath and all others of its network namespace."""
        if self._conntrack is None:
            from dpif.conntrack.table import Conntrack  # few ask for it, and all would wait for the import

            self._conntrack = Conntrack(self.connection.beside(NETLINK_NETFILTER))
        return self._conntrack

    def execute(
        self,
        packet: bytes,
        actions: ActionsLike,
        key: KeyLike | None = None,
        *,
        mru: int | None = None,
        probe: bool = False,
        upcall_pid: int | None = None,
    ) -> None:
        """Apply actions to a packet; `key` brings its metadata, such as ``FlowKey(in_port=1)``.

        `mru` is the `Upcall.mru` that the packet came up with, if any: it goes out in fragments of that size again.
        `upcall_pid` is the ``port_id`` of a listener that gets all upcalls of this packet, whatever its actions, its
        port or the datapath say; where `Features.upcall_pid` is False the datapath passes over it.
        Success says nothing about delivery: an output port that does not exist swallows the packet.
        """
        from dpif.client.operations import Execute

        names = self.ports.numbers()
        operation = Execute(packet, actions, key, mru=mru, probe=probe, upcall_pid=upcall_pid, port_names=names)
        self.connection.transact(operation.request(self.ifindex))

    def operate(self, operations: Iterable[Operation], *, want_flows: bool = False) -> Results:
        """Carry out many operations in order, at little cost; return the result of each, in the same order.

        One that fails does not keep the others from being carried out. `want_flows` asks for the flow (with its
        counters) that a `Put` or `Delete` dealt with; a `Get` always brings it.
        """
        from dpif.client.operations import Results

        todo = iter(operations)
        results = Results(self)
        while part := list(islice(todo, _AT_A_TIME)):  # few at a time, so that the garbage collector never sees many
            answers = self.connection.batch([operation.request(self.ifindex, want_flows) for operation in part])
            results.add(part, answers)
        return results

    def send_packet(self, port: Port | int, packet: bytes) -> None:
        """Send a packet out of a port; success says nothing about delivery."""
        from dpif.odp.actions import Output
        from dpif.odp.constants.vport import OVSP_LOCAL
        from dpif.odp.model.key import FlowKey

        number = port if isinstance(port, int) else port.number
        self.execute(packet, [Output(number)], FlowKey(in_port=OVSP_LOCAL))

    def is_internal_device(self, name: str) -> bool:
        """Tell whether a network device is an internal port, of this datapath or of another of the same peer."""
        from dpif.client.ports import is_internal_device

        return is_internal_device(self.connection, name)

    def features(self) -> Features:
        """Find out what the datapath can do, leaving nothing behind; see `Features`."""
        from dpif.client.features import probe_features

        return probe_features(self.connection, self.read())

    @cached_property
    def rules(self) -> rules.Features:
        """What decides by which rules it takes flows: found out at first need, else that of the newest kernel."""
        from dpif.odp.kernel.rules import NEWEST

        try:
            return self.features().rules()
        except DpifError:  # we may not ask, or the datapath is gone
            return NEWEST

    def upcalls(
        self,
        *,
        miss: bool = True,
        action: bool = True,
        dispatch: str | None = None,
        ports: Iterable[Port | int | str] | None = None,
    ) -> Upcalls:
        """Listen to the packets that the datapath hands up; close the listener to hand the place back.

        With `miss` its misses are directed here, away from whoever got them before. With `action` alone nothing
        is written: ``userspace(pid=…)`` actions name the listener's ``port_id``. `dispatch` is ``per-cpu`` or
        ``per-vport``, by default the first where the datapath can: it costs less, and is not fair, for all ports
        whose packets come in on a CPU share a queue. Per vport, ports whose numbers differ modulo 16 have queues of
        their own, so that one that is flooded does not take from the others. When the datapath is deleted the
        listener ends.

        With `ports` (numbers, names or themselves) the misses of these alone are directed here, per vport; the
        others' go where they went. EBUSY where misses are dispatched per CPU, which knows no ports.
        """
        from dpif.client.upcalls import Upcalls

        numbers = None if ports is None else [self.ports.number_of(port) for port in ports]
        return Upcalls.start(self, miss=miss, action=action, dispatch=dispatch, ports=numbers)

    def samples(self, groups: Collection[int] | None = None) -> Samples:
        """Listen to packets that are sampled in this datapath's network namespace, of these groups or of all.

        They are those of the action ``psample`` of all datapaths there, and of other samplers; see `Samples`.
        """
        from dpif.client.samples import Samples

        return Samples(self.connection, groups)

    def upcall_handlers(
        self, count: int | None = None, *, miss: bool = True, action: bool = True, dispatch: str | None = None
    ) -> UpcallHandlers:
        """Listen as `upcalls` does with several handlers, for as many threads or forked processes.

        Without `count` there are as many as suit the CPUs that this process may run on.
        """
        from dpif.client.dispatch import available_cpus, cpu_count, recommended_handlers
        from dpif.client.upcalls import UpcallHandlers

        if count is None:
            count = recommended_handlers(available_cpus(), cpu_count())
        return UpcallHandlers(self, count, miss=miss, action=action, dispatch=dispatch)


def _reply(connection: Connection, record: DatapathRecord, operation: str, flags: int = 0) -> DatapathRecord:
    reply = connection.transact(record.request(operation, flags))
    if reply is None:
        raise NetlinkError(errno.EPROTO, operation, "the datapath acknowledged without a reply")
    return reply


def create_datapath(
    connection: Connection, name: str, type: str, *, features: int = 0, ifindex: int | None = None
) -> Datapath:
    """Make a new datapath without a receiver of upcalls; raise `AlreadyExists`.

    `ifindex` is that of its local port's device, None for any. EINVAL for a name that is empty or of 16 bytes and
    more, EOPNOTSUPP for features that are not there, EEXIST for an interface index that is taken.
    """
    record = DatapathRecord(
        command=DatapathCmd.NEW, name=name, upcall_pid=0, user_features=int(features), ifindex=ifindex
    )
    return Datapath(connection, _reply(connection, record, f"creating datapath {name}", NLM_F_ECHO), type)


def find_datapath(connection: Connection, name: str, type: str) -> Datapath:
    """Open a datapath that exists; raise `NoSuchObject`. Sends a GET and nothing else."""
    record = DatapathRecord(command=DatapathCmd.GET, name=name)
    return Datapath(connection, _reply(connection, record, f"opening datapath {name}"), type)


def list_datapaths(connection: Connection) -> list[DatapathRecord]:
    """Return the record of every datapath of the peer."""
    record = DatapathRecord(command=DatapathCmd.GET)
    return connection.dump_all(record.request("listing datapaths"))


def queue_to_priority(queue: int) -> int:
    """Return the packet priority that puts packets into a queue of the ``htb`` or ``hfsc`` that OVS sets up.

    That is the handle 1:(queue + 1) of a traffic control class; a queue of 0xf000 or more has none.
    """
    if not 0 <= queue < _MAX_QUEUES:
        raise EncodeError(f"{brief(queue)} is not a queue with a priority; there are 0 to {_MAX_QUEUES - 1}")
    return _TC_MAJOR | (queue + 1)
