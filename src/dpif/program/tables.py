"""Tables: what a program remembers between packets.

A table is a dictionary. Read in a function it makes the decision hang on just the entry that was read, or on its
absence; when that changes, in whatever way, just those flows are decided again. Written in a function it is learned
from packets: the flow hangs on the entry being there, so that a packet which would change it comes up. It may be
written from anywhere else too, and from any thread.

An entry lasts ``idle`` seconds after it was last written or kept alive by traffic (`Table.touch`, and the packets
of flows whose function wrote it), ``hard`` seconds after its value changed. A full table takes nothing new: who
floods it does not drive out what is in use.

`Table` is an interface: whatever keeps entries elsewhere overrides `_store` and `_forget` and calls `_changed`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator

from dpif._typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from dpif.program.layout import PortNumber
from dpif.program.trace import Trace, WouldChange
from dpif.program.values import Value

if TYPE_CHECKING:
    from dpif.program.flow import Megaflow

__all__ = ["PortNumber", "Site", "Table"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

ALL = ("every entry",)
"""The key of what hangs on a table as a whole: who lists or counts it."""


class Site:
    """What the tables of one program share: the lock, the trace that runs, the clock, and who is told of changes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lock = threading.RLock()
        self.trace: Trace | None = None
        self.clock = clock
        self.batch_began: float | None = None
        """When the batch of packets came that is being decided on: the time for each of them."""
        self.stale: set[Megaflow] = set()
        self.journal: Callable[[Table[Any, Any], Any], None] = lambda table, key: None
        """Is told of each entry that changes or goes."""
        self.bell: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Return the time, for a batch once: where a clock is a system call (user-mode Linux) it is dear (8 us)."""
        return self.clock() if self.batch_began is None else self.batch_began

    def mark_stale(self, flows: Iterable[Megaflow]) -> None:
        """Note flows that must be decided again, and wake who does that."""
        self.stale.update(flows)
        if self.trace is None:
            self.bell()


class Entry(Generic[V]):
    """An entry: its value, when it was last of use, since when it has this value."""

    __slots__ = ("since", "used", "value")

    def __init__(self, value: V, now: float) -> None:
        self.value = value
        self.used = now
        self.since = now


def plain(value: Any) -> Any:
    """Return a field's natural value, which reads it whole, also of those in a tuple; anything else as it is."""
    if isinstance(value, Value):
        return value.value
    if type(value) is tuple:
        return tuple([part if type(part) is int else plain(part) for part in value])
    return value._make(map(plain, value)) if isinstance(value, tuple) and hasattr(value, "_make") else value


class Table(Generic[K, V]):
    """A dictionary that notes who reads it; see the module. Made by `Program.table`."""

    def __init__(
        self, site: Site, name: str, *, idle: float | None = None, hard: float | None = None, limit: int = 65536
    ) -> None:
        self.name = name
        self.idle = idle
        self.hard = hard
        self.limit = limit
        self.changes = 0
        """How often an entry got another value, since the start."""
        self._follows = False
        """Whether another process forgets what is old, and keeps what is to be kept."""
        self._site = site
        self._entries: dict[K, Entry[V]] = {}
        self._dependents: dict[Any, Megaflow | set[Megaflow]] = {}
        """By key: the flow that hangs on an entry, or where there are several a set, which takes more room."""

    # -- reading -----------------------------------------------------------------------------------------------

    @overload
    def get(self, key: K | Value) -> V | None: ...
    @overload
    def get(self, key: K | Value, default: D) -> V | D: ...
    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of `key`, `default` where there is none."""
        with self._site.lock:
            entry = self.look(plain(key))
            return default if entry is None else entry.value

    def __getitem__(self, key: K | Value) -> V:
        with self._site.lock:
            found = plain(key)
            entry = self.look(found)
            if entry is None:
                raise KeyError(found)
            return entry.value

    def __contains__(self, key: object) -> bool:
        with self._site.lock:
            return self.look(plain(key)) is not None

    def look(self, key: Any) -> Entry[V] | None:
        """Return the entry of a key that is plain, and note that it was read; who asks has the lock."""
        trace = self._site.trace
        if trace is not None:
            trace.depend(self, key)
        return self._entries.get(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def keys(self) -> list[K]:
        """Return the keys."""
        return list(self._all())

    def values(self) -> list[V]:
        """Return the values."""
        return [entry.value for entry in self._all().values()]

    def items(self) -> list[tuple[K, V]]:
        """Return keys and values."""
        return [(key, entry.value) for key, entry in self._all().items()]

    def _all(self) -> dict[K, Entry[V]]:
        with self._site.lock:
            if self._site.trace is not None:
                self._site.trace.depend(self, ALL)
            return dict(self._entries)

    def __repr__(self) -> str:
        return f"<Table {self.name}: {len(self._entries)} entries>"

    # -- writing -----------------------------------------------------------------------------------------------

    def __setitem__(self, key: K | Value, value: V | Value) -> None:
        found, wanted = plain(key), plain(value)
        with self._site.lock:
            trace = self._site.trace
            if trace is None:
                if not self._put(found, wanted):
                    raise OverflowError(f"the table {self.name} is full: {self.limit} entries")
            else:
                self._learn(trace, found, wanted)

    def _learn(self, trace: Trace, key: Any, value: Any) -> None:
        """Write from within a function: the decision hangs on the entry, and its traffic keeps it alive."""
        entry = self._entries.get(key)
        if entry is None or entry.value != value:
            if not trace.live:
                raise WouldChange
            trace.changed |= (self, key) in trace.deps
            if not self._put(key, value):
                trace.uncache(f"the table {self.name} is full")
                return
            entry = self._entries[key]
        elif trace.live:
            entry.used = self._site.now()
        trace.depend(self, key)
        trace.touched.append((self, key, entry))

    def touch(self, key: K | Value) -> bool:
        """Keep an entry alive by the packets of this decision; return whether there is one."""
        found = plain(key)
        with self._site.lock:
            entry, trace = self.look(found), self._site.trace
            if entry is None:
                return False
            if trace is not None:
                trace.touched.append((self, found, entry))
            if trace is None or trace.live:
                entry.used = self._site.now()
            return True

    def __delitem__(self, key: K | Value) -> None:
        found = plain(key)
        if not self.discard(found):
            raise KeyError(found)

    def discard(self, key: K | Value) -> bool:
        """Remove an entry; return whether there was one."""
        found = plain(key)
        with self._site.lock:
            trace = self._site.trace
            if trace is not None:
                trace.changed |= (self, found) in trace.deps and found in self._entries
                trace.depend(self, found)
                if not trace.live and found in self._entries:
                    raise WouldChange
            return self._remove(found)

    def clear(self) -> None:
        """Remove all entries."""
        for key in self.keys():
            self.discard(key)

    def update(self, entries: Any = (), **named: Any) -> None:
        """Write several entries, given as `dict.update` takes them."""
        for key, value in dict(entries, **named).items():
            self[key] = value

    # -- what changes ------------------------------------------------------------------------------------------

    def _put(self, key: K, value: V) -> bool:
        """Write an entry; return whether there was room."""
        now = self._site.now()
        entry = self._entries.get(key)
        if entry is not None and entry.value == value:
            entry.used = now
            return True
        if entry is not None:
            self.changes += 1
        elif len(self._entries) >= self.limit:
            return False
        # A new object: what hangs on the old one must not keep this one alive.
        self._entries[key] = Entry(value, now)
        self._store(key, value)
        self._changed(key)
        self._site.journal(self, key)
        return True

    def _remove(self, key: K) -> bool:
        if self._entries.pop(key, None) is None:
            return False
        self._forget(key)
        self._changed(key)
        self._site.journal(self, key)
        return True

    def _store(self, key: K, value: V) -> None:
        """Keep an entry elsewhere too."""

    def _forget(self, key: K) -> None:
        """Forget an entry elsewhere too."""

    def _changed(self, key: Any) -> None:
        """Have the flows decided again that hang on an entry, and those that hang on all."""
        for concerned in (key, ALL):
            flows = self.dependents(concerned)
            if flows:
                self._site.mark_stale(flows)

    def expire(self, now: float) -> int:
        """Remove the entries whose time is over; return how many."""
        if self._follows:
            return 0
        with self._site.lock:
            over = [
                key
                for key, entry in self._entries.items()
                if (self.idle is not None and now - entry.used >= self.idle)
                or (self.hard is not None and now - entry.since >= self.hard)
            ]
            for key in over:
                self._remove(key)
            return len(over)

    def forget_port(self, number: int) -> None:
        """Remove the entries whose value is the number of a port that is gone."""
        with self._site.lock:
            gone = [
                key
                for key, entry in self._entries.items()
                if isinstance(entry.value, PortNumber) and entry.value == number
            ]
            for key in gone:
                self._remove(key)

    def adopt(self, other: Table[Any, Any] | None) -> None:
        """Take the entries of a table of the same kind, as they are, in place of its own."""
        if type(other) is type(self):
            self._entries = other._entries

    # -- in several processes (`replicas`) ---------------------------------------------------------------------

    def peek(self, key: Any, default: Any) -> Any:
        """Return the value of `key` and note nothing, `default` where there is none."""
        entry = self._entries.get(key)
        return default if entry is None else entry.value

    def replicate(self, key: Any, value: Any, *, gone: bool) -> None:
        """Make a change that was made elsewhere."""
        if gone:
            self._remove(key)
        else:
            self._put(key, value)

    def used_since(self, since: float) -> list[K]:
        """Return the keys of the entries that were of use since then, where entries may be idle too long."""
        return [key for key, entry in self._entries.items() if entry.used >= since] if self.idle is not None else []

    def follow(self) -> None:
        """From now on leave it to another process to forget what is old, and to keep files."""
        self._follows = True

    # -- who hangs on what -------------------------------------------------------------------------------------

    def dependents(self, key: Any) -> Collection[Megaflow]:
        """Return the flows that hang on an entry."""
        flows = self._dependents.get(key, ())
        return flows if isinstance(flows, (set, tuple)) else (flows,)

    def attach(self, key: Any, flow: Megaflow) -> None:
        """Note that a flow hangs on an entry."""
        flows = self._dependents.get(key)
        if flows is None:
            self._dependents[key] = flow
        elif isinstance(flows, set):
            flows.add(flow)
        elif flows is not flow:
            self._dependents[key] = {flows, flow}

    def detach(self, key: Any, flow: Megaflow) -> None:
        """Note that a flow does not hang on an entry any more."""
        flows = self._dependents.get(key)
        if isinstance(flows, set):
            flows.discard(flow)
        if not flows or flows is flow:
            self._dependents.pop(key, None)

    def refresh(self, key: Any, entry: Entry[V], now: float) -> None:
        """Keep an entry alive that traffic used, if it is still the one that the flow's function saw."""
        if self._entries.get(key) is entry:
            entry.used = now
