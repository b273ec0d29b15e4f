"""The loop of a program: packets come up, are decided on, become flows, and are sent on.

What came of a batch of packets is written in one go: first what is stale goes, then come the new flows, then the
packets (`keeper` has the flows). Timers and ports have their turn between batches. Once per sweep it is looked which
flows were hit, by UFID and counters alone.

Bounded are the flows (`Options.max_flows`, less while a look at them takes long), the share of a port (half of
what others leave), and the masks: from ``max_masks`` on the function is noted coarsely, by whole fields.
"""

from __future__ import annotations

import contextlib
import math
import select
from collections.abc import Callable, Iterable, Mapping

from dpif._typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias
from dpif.client import Datapath, Execute, Operation, Port, PortAdded, PortRemoved, Upcall
from dpif.client.dispatch import PER_VPORT
from dpif.errors import NoSuchObject
from dpif.odp.actions import Output
from dpif.program.decide import Decider, encode
from dpif.program.errors import ProgramError
from dpif.program.intake import Intake
from dpif.program.keeper import Keeper
from dpif.program.loop import Bell, on_signals
from dpif.program.meters import MeterKeeper
from dpif.program.options import Counters, Counts, Options
from dpif.program.program import Program
from dpif.program.reports import Reports

if TYPE_CHECKING:
    from dpif.program.workers import Workers

__all__ = ["Runner", "run", "run_async"]

Devices: TypeAlias = Iterable[str] | Mapping[str, Mapping[str, Any]]

_SWEEP_SHARE = 0.1
"""The part of its time that a runner with many flows spends on looking at them."""
_TICK = 0.25


class Source(Protocol):
    """Where upcalls come from: the datapath itself (`dpif.client.Upcalls`), or what `workers` has in its place."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when `poll` has something to do."""
        ...

    def poll(self, timeout: float) -> list[Upcall]:
        """Return the packets that came up."""
        ...

    def adopt(self, port: Port) -> None:
        """Have the misses of a port that was attached come here, too."""
        ...

    def close(self) -> None:
        """Let no more packets come up."""
        ...


class Runner:
    """A program at work on a datapath, all of whose ports take part.

    It takes over: misses come here, and of the flows that somebody left those stay which the program would have made
    itself (`Keeper.adopt`). `ports` are attached before, names of devices or a mapping from them to the settings that
    `Ports.add` takes. A context manager; leaving it removes its flows and the ports that it attached. `step` or `run`
    do the work.
    ``errors`` has what the function raised, one text for each line of source, and what the datapath refused.
    """

    def __init__(
        self,
        program: Program,
        datapath: Datapath,
        ports: Devices = (),
        options: Options | None = None,
        *,
        source: Callable[[], Source] | None = None,
        takes_over: bool = True,
    ) -> None:
        self.program = program
        self.datapath = datapath
        self.options = options or Options()
        self._new_source = source or self._source
        self._takes_over = takes_over
        self._workers: Workers | None = None
        self.decider = Decider(program)
        self._site = program.site
        self._counts = Counts()
        self._reports = Reports(self.options.report)
        self.errors = self._reports.told
        self.keeper = Keeper(self.decider, self.options, self._counts, self._reports.error)
        self._intake = self._new_intake()
        self._meters = MeterKeeper(datapath.meters)
        self._sends: list[Operation] = []
        self._added: list[str] = []
        now = self._site.clock()
        self._sweep_began = now
        self._next_sweep = now + self.options.sweep_interval
        self._timers = [(now + timer.seconds, timer) for timer in program.timers]
        try:
            self._attach(ports)
            self._take_over()
        except BaseException:
            self._detach()
            raise

    def _new_intake(self) -> Intake:
        return Intake(self.decider, self.keeper, self.options, self._counts, self._reports.error)

    def _attach(self, devices: Devices) -> list[Port]:
        present = {port.name: port for port in self.datapath.ports}
        settings = devices if isinstance(devices, Mapping) else {}
        ports = []
        for name in devices:
            port = present.get(name)
            if port is None:
                port = present[name] = self.datapath.ports.add(name, **settings.get(name, {}))
                self._added.append(port.name)  # which of a tunnel is another
            ports.append(port)
        return ports

    def _detach(self) -> None:
        while self._added:
            with contextlib.suppress(NoSuchObject):
                self.datapath.ports.delete(self._added.pop())

    def _take_over(self) -> None:
        with contextlib.ExitStack() as stack:
            self._watch = stack.enter_context(self.datapath.ports.watch())
            self._meters.bring(self.program.meters)
            self._upcalls = stack.enter_context(contextlib.closing(self._new_source()))
            self._bell = stack.enter_context(Bell())
            for number, port in self._watch.ports.items():
                self._add_port(number, port.name)
            if self._takes_over:
                self.keeper.adopt(self.datapath)
            self._resources = stack.pop_all()
        self._site.bell = self._bell.wake

    def _source(self) -> Source:
        if self.options.workers:
            from dpif.program.workers import Workers

            self._takes_over = False
            self._workers = Workers(self.program, self.datapath, self.options, self._reports.heard)
            return self._workers
        return self.datapath.upcalls(action=False, dispatch=PER_VPORT)

    # -- life --------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self, *, keep_ports: bool = False, keep_flows: bool = False) -> None:
        """Stop listening; remove the flows, and the ports that were attached here, but for what is to be kept.

        Flows that are kept go on forwarding, and nobody corrects them until a program is started again.
        """
        self._site.bell = lambda: None
        if keep_flows and self._workers:
            self._workers.keep_flows()
        with self._resources:
            self._upcalls.close()
            with contextlib.suppress(NoSuchObject):  # the datapath itself may be gone
                if not keep_flows:
                    self._remove_flows()
                if not keep_ports:
                    self._detach()

    def _remove_flows(self) -> None:
        self.keeper.remove_all("the program ended")
        while removals := self.keeper.changes()[0]:
            self.datapath.operate(removals)
        self._meters.bring(())

    def attach(self, devices: Devices) -> list[Port]:
        """Make network devices ports of the datapath, as `ports` at the start; return them.

        Raises what `Ports.add` does; the devices before are attached by then.
        """
        ports = self._attach(devices)
        self._follow_ports()
        return ports

    def stop(self) -> None:
        """End `run`; may be called from a signal handler and from another thread."""
        self._bell.ring()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._bell.rung

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until `until`, which is asked several times a second, says so, or `stop` is called."""
        while not (self._bell.rung or until()):
            self.step(_TICK)

    @property
    def counters(self) -> Counters:
        """The counters as they are now."""
        flows = self.keeper.flows
        own = self._counts.with_state(flows=len(flows), masks=len(flows.masks), ports=len(self._watch.ports))
        return own.with_workers(self._workers.counters if self._workers else ())

    def replace(self, program: Program) -> None:
        """Go on with another program, a new version of this one as a rule.

        Tables of the same names keep their entries. All flows are decided again, and those stay for which the new
        function reads and decides the same. Raises `ProgramError` where there are workers: they keep what they began
        with.
        """
        if self._workers:
            raise ProgramError("workers go on with the program that they were started with; start them anew")
        with self._site.lock, program.site.lock:
            for name, table in program.tables.items():
                table.adopt(self.program.tables.get(name))
            for table, old in (
                (program.ports, self.program.ports),
                (program.port_numbers, self.program.port_numbers),
            ):
                table.adopt(old)
            program.site.clock = self._site.clock  # by which the entries that it takes over have their times
            program.site.bell = self._bell.wake
            self._site.bell = lambda: None
            self.program, self._site = program, program.site
            self.decider = Decider(program)
            self._intake = self._new_intake()
            self.keeper.replace(self.decider)
            now = self._site.clock()
            self._timers = [(now + timer.seconds, timer) for timer in program.timers]

    # -- the loop ----------------------------------------------------------------------------------------------

    def step(self, timeout: float = 0.0) -> int:
        """Do what there is to do, waiting for it up to `timeout` seconds; return how many packets came up."""
        self._wait(min(timeout, self.patience))
        self._bell.hear()
        upcalls = self._upcalls.poll(0.0)
        self._follow_ports()  # after the upcalls were taken: a port is known before its packets are looked at
        if upcalls:
            self._sends += self._intake.take(upcalls, self._watch.ports)
        self._look_after()
        self._carry_out()
        self._plan_sweep()
        return len(upcalls)

    @property
    def sources(self) -> list[int]:
        """The descriptors to wait on: one is readable when `step` has something to do."""
        return [source.fileno() for source in (self._upcalls, self._watch, self._bell)]

    @property
    def patience(self) -> float:
        """Seconds until `step` is to be called in any case."""
        if self.keeper.has_work or self.program.outbox:
            return 0.0
        until = min([self._next_sweep, *(at for at, _ in self._timers)])
        return max(0.0, until - self._site.clock())

    def _wait(self, timeout: float) -> None:
        if timeout <= 0:
            return
        poll = select.poll()
        for source in self.sources:
            poll.register(source, select.POLLIN)
        poll.poll(timeout * 1000)

    def _look_after(self) -> None:
        """Call timers that are due, and sweep when it is time."""
        now = self._site.clock()
        for index, (at, timer) in enumerate(self._timers):
            if now >= at:
                self._timers[index] = (now + timer.seconds, timer)
                self._call(timer.function)
        if now >= self._next_sweep:
            self._sweep_began, self._next_sweep = now, math.inf
            self.keeper.begin_sweep(self.datapath)

    def _plan_sweep(self) -> None:
        took, self.keeper.swept = self.keeper.swept, None
        if took is not None:
            self._next_sweep = self._sweep_began + max(self.options.sweep_interval, took / _SWEEP_SHARE)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            self._reports.error(error)

    # -- ports -------------------------------------------------------------------------------------------------

    def _follow_ports(self) -> None:
        for event in self._watch.poll(0.0):
            if isinstance(event, PortAdded):
                with contextlib.suppress(NoSuchObject):  # gone again
                    self._upcalls.adopt(event.port)
                self._add_port(event.port.number, event.port.name)
            elif isinstance(event, PortRemoved):
                self._remove_port(event.port.number, event.port.name)

    def _add_port(self, number: int, name: str) -> None:
        self.program.ports[number] = name
        self.program.port_numbers[name] = number
        for function in self.program.added:
            self._call(function, number, name)

    def _remove_port(self, number: int, name: str) -> None:
        self.program.ports.discard(number)
        self.program.port_numbers.discard(name)
        for table in self.program.tables.values():
            table.forget_port(number)
        self.keeper.remove_port(number)
        for function in self.program.removed:
            self._call(function, number, name)

    # -- bringing the datapath in line --------------------------------------------------------------------------

    def _carry_out(self) -> None:
        """Take back what is stale, write what is new, send what waits, in one batch."""
        if self._meters.differs(self.program.meters):
            self._meters.bring(self.program.meters)
        self.keeper.revise()
        removals, unwritten = self.keeper.changes()
        sends, self._sends = self._sends, []
        todo = [*removals, *map(self.keeper.put, unwritten), *sends, *self._outgoing()]
        if not todo:
            return
        results = self.datapath.operate(todo)
        if not results.is_silent:
            self._reports.refusals(results)
        for flow, result in zip(unwritten, results[len(removals) : len(removals) + len(unwritten)], strict=True):
            self.keeper.written(flow, result.ok)

    def _outgoing(self) -> list[Operation]:
        """Return what sends the packets of the program's own."""
        with self._site.lock:
            waiting, self.program.outbox = self.program.outbox, []
            numbers = [(packet, self.decider.port(port)) for packet, port in waiting]
        return [Execute(packet, encode([Output(number)])) for packet, number in numbers if number is not None]


def run(program: Program, datapath: Datapath, ports: Devices = (), options: Options | None = None) -> Counters:
    """Run a program until Ctrl-C or SIGTERM; return what it did."""
    with Runner(program, datapath, ports, options) as runner, on_signals(runner.stop):
        runner.run()
        return runner.counters


async def run_async(
    program: Program, datapath: Datapath, ports: Devices = (), options: Options | None = None
) -> Counters:
    """Run a program in an event loop until the task is cancelled; return what it did."""
    import asyncio

    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    with Runner(program, datapath, ports, options) as runner:
        sources = runner.sources
        for source in sources:
            loop.add_reader(source, ready.set)
        try:
            while not runner.stopped:
                ready.clear()
                runner.step()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(runner.patience):  # wait_for of Python 3.11 loses a cancellation
                        await ready.wait()
            return runner.counters
        finally:
            for source in sources:
                loop.remove_reader(source)
