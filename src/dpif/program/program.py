"""`Program`: a function that forwards, with its tables, timers and continuations; it knows no datapath."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from dpif._typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from dpif.program.errors import ProgramError
from dpif.program.lpm import LpmTable
from dpif.program.meters import ProgramMeter
from dpif.program.tables import Site, Table

if TYPE_CHECKING:
    from dpif.client import Datapath
    from dpif.client.meters import Unit
    from dpif.program.options import Counters, Options

__all__ = ["Program", "Timer"]

F = TypeVar("F", bound=Callable[..., Any])


class Timer(NamedTuple):
    """A function that is called every so many seconds."""

    seconds: float
    function: Callable[[], Any]


class Program:
    """Forwarding as a function; see `dpif.program`.

    `name` is part of the recirculation ids, so two programs on one datapath want two names. `clock` tells the time in
    seconds; tests have one of their own.
    """

    def __init__(self, name: str = "program", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.site = Site(clock)
        self.tables: dict[str, Table[Any, Any]] = {}
        self.ports: Table[int, str] = Table(self.site, "ports")
        """The names of the datapath's ports, by number. A read of it makes the decision hang on what was read."""
        self.port_numbers: Table[str, int] = Table(self.site, "port_numbers")
        """The same, the other way round."""
        self.meters: list[ProgramMeter] = []
        self.timers: list[Timer] = []
        self.added: list[Callable[[int, str], Any]] = []
        self.removed: list[Callable[[int, str], Any]] = []
        self.outbox: list[tuple[bytes, int | str]] = []
        self._function: Callable[[Any], Any] | None = None

    # -- what it is made of ------------------------------------------------------------------------------------

    def forward(self, function: F) -> F:
        """Make `function` the one that decides on packets; it takes a `Packet` and returns a `Decision`."""
        self._function = function
        return function

    @property
    def function(self) -> Callable[[Any], Any]:
        """The function that decides."""
        if self._function is None:
            raise ProgramError(
                "the program has no function: put @program.forward in front of one that takes a packet"
            )
        return self._function

    def table(
        self,
        name: str,
        *,
        idle: float | None = None,
        hard: float | None = None,
        limit: int = 65536,
        persist: str | None = None,
    ) -> Table[Any, Any]:
        """Return the table of that name, made when it is not there yet; see `Table`.

        With `persist`, a file, its entries are there again after a restart.
        """
        if name in self.tables:
            return self.tables[name]
        if persist is not None:
            from dpif.program.persist import StoredTable

            table: Table[Any, Any] = StoredTable(self.site, name, persist, idle=idle, hard=hard, limit=limit)
        else:
            table = Table(self.site, name, idle=idle, hard=hard, limit=limit)
        self.tables[name] = table
        return table

    def lpm(self, name: str, *, limit: int = 1_000_000) -> LpmTable[Any]:
        """Return the table of networks of that name, made when it is not there yet; see `LpmTable`."""
        table = self.tables.setdefault(name, LpmTable(self.site, name, limit=limit))
        if not isinstance(table, LpmTable):
            raise TypeError(f"the table {name} is there already, and no table of networks")
        return table

    def meter(self, rate: int, unit: Unit = "kbps", *, burst: int | None = None) -> ProgramMeter:
        """Return a new meter, for `meter` to let packets pass: what exceeds `rate` is dropped.

        `rate` is in kilobits or packets (``"pktps"``) per second; `burst`, in kilobits or packets, is how much may
        come at once, by default as much as in a second.
        """
        if self.site.trace is not None:
            raise ProgramError(
                "make meters outside of the function, and keep them in a table: each call makes one more"
            )
        with self.site.lock:
            made = ProgramMeter(len(self.meters) + 1, rate, unit, burst)
            self.meters = [*self.meters, made]
        self.site.bell()
        return made

    def every(self, seconds: float) -> Callable[[F], F]:
        """Call the function that follows every so many seconds, between packets; it may change tables."""

        def note(function: F) -> F:
            self.timers.append(Timer(seconds, function))
            return function

        return note

    def on_port_added(self, function: F) -> F:
        """Call ``function(number, name)`` for each port, those that are there at the start too."""
        self.added.append(function)
        return function

    def on_port_removed(self, function: F) -> F:
        """Call ``function(number, name)`` when a port is gone; entries of tables that name it went by themselves."""
        self.removed.append(function)
        return function

    def send(self, packet: bytes, port: Any) -> None:
        """Send a packet of the program's own out of a port, by number or name, once the function is done."""
        from dpif.program.tables import plain

        with self.site.lock:
            if self.site.trace is None or self.site.trace.live:
                self.outbox.append((bytes(packet), plain(port)))
        self.site.bell()

    # -- running it --------------------------------------------------------------------------------------------

    def run(self, datapath: Datapath, ports: Iterable[str] = (), options: Options | None = None) -> Counters:
        """Forward by this program until Ctrl-C or SIGTERM; return what it did. See `Runner`."""
        from dpif.program.runner import run

        return run(self, datapath, ports, options)

    async def run_async(
        self, datapath: Datapath, ports: Iterable[str] = (), options: Options | None = None
    ) -> Counters:
        """Forward by this program until the task is cancelled; return what it did."""
        from dpif.program.runner import run_async

        return await run_async(self, datapath, ports, options)

    def explain(self, packet: bytes, in_port: int = 1, **metadata: Any) -> Any:
        """Return what the function makes of a packet, and which reads made the mask; nothing is changed."""
        from dpif.program.explain import explain

        return explain(self, packet, in_port, **metadata)
