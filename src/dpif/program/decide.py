"""One run of a program's function, from a packet's key to the actions that a flow would have."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Hashable

from dpif._typing import TYPE_CHECKING, Any
from dpif.netlink.attributes import attribute
from dpif.odp.actions import Action, Actions, Output
from dpif.odp.constants import ActionAttr
from dpif.program.contexts import Contexts
from dpif.program.decision import checked
from dpif.program.errors import ProgramError
from dpif.program.flow import Shape
from dpif.program.packet import Packet
from dpif.program.tables import plain
from dpif.program.trace import Trace

if TYPE_CHECKING:
    from dpif.program.layout import Layout
    from dpif.program.program import Program

__all__ = ["Decider", "Outcome", "Stranger"]

_U32 = struct.Struct("=I")


class Stranger(Exception):  # nobody's mistake
    """A packet goes on by a recirculation id that this program did not give."""


class Outcome:
    """What a run came to: the mask and what else it read (``trace``), and the shape of a flow for it.

    ``cached`` is whether the decision may become a flow.
    """

    __slots__ = ("cached", "shape", "trace")

    def __init__(self, trace: Trace, shape: Shape, cached: bool) -> None:
        self.trace = trace
        self.shape = shape
        self.cached = cached


class Decider:
    """Runs the function of a program, or the continuation that a recirculation id stands for."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.contexts = Contexts(program.name)
        self.coarse = False
        """Whether whole fields are matched where bits would do: fewer masks, more flows."""
        self._site = program.site
        self._named: list[int] = []

    def decide(
        self, layout: Layout, number: int, data: bytes | None = None, *, live: bool = False, explain: bool = False
    ) -> Outcome:
        """Run the function over a packet's key. Only a `live` run changes anything; others raise `WouldChange`.

        What the function raises gets through; ``site.trace`` is then the trace of the run that failed, since the
        flow of an error has its mask too.
        """
        trace = Trace(layout, number, live=live, coarse=self.coarse, explain=explain)
        function, arguments = self._function(layout, number)
        site = self._site
        with site.lock:
            site.trace = trace
            self._named = []
            try:
                packet = Packet(trace, data)
                decision = checked(function(packet, *arguments), packet)
                actions = decision.actions(self, packet.rewrites())
            except Exception as error:
                error.__dict__["dpif_trace"] = trace
                raise
            finally:
                site.trace = None
        shape = Shape(
            encode(actions),
            tuple(trace.deps),
            tuple(trace.touched),
            tuple(self._named),
            decision.idle,
            decision.hard,
        )
        return Outcome(trace, shape, decision.cached and not trace.uncached)

    def _function(self, layout: Layout, number: int) -> tuple[Callable[..., Any], tuple[Hashable, ...]]:
        place = layout.places.get("recirc_id")
        recirc_id = place.number(number) if place else 0
        if not recirc_id:
            return self.program.function, ()
        context = self.contexts.get(recirc_id)
        if context is None:
            raise Stranger(f"recirculation id {recirc_id:#x}")
        return context

    # -- what steps of decisions ask for (`decision.Site`) ------------------------------------------------------

    def port(self, port: Any) -> int | None:
        """Return the number of a port, None when there is none such."""
        found = plain(port)
        if isinstance(found, str):
            return self.program.port_numbers.get(found)
        return int(found) if self.program.ports.look(found) is not None else None

    def other_ports(self) -> list[int]:
        """Return the numbers of all ports but that of the packet."""
        trace = self._site.trace
        assert trace is not None
        in_port = trace.layout.places["in_port"].number(trace.key)
        return sorted([number for number in self.program.ports if number != in_port])

    def need_ip(self, what: str) -> None:
        """Note that the packet must be IP, which is matched, as datapaths want it."""
        trace = self._site.trace
        assert trace is not None
        if not (trace.ask("ipv4") or trace.ask("ipv6")):
            raise ProgramError(f"only IP packets have {what}: look at packet.ip first")

    def recirculation(self, then: Callable[..., Any], arguments: tuple[Hashable, ...]) -> int:
        """Return the id for packets that are to go on with `then`."""
        number = self.contexts.id_of(then, arguments)
        self._named.append(number)
        return number


def encode(actions: list[Action]) -> bytes:
    """Return actions as bytes; most lists are a few outputs."""
    if all(type(action) is Output for action in actions):
        return _encode_outputs(tuple([action.value for action in actions]))  # type: ignore[attr-defined]
    return Actions(actions).to_bytes()


@functools.lru_cache(maxsize=4096)
def _encode_outputs(ports: tuple[int, ...]) -> bytes:
    return b"".join([attribute(ActionAttr.OUTPUT, _U32.pack(port)) for port in ports])
