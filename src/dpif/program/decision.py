"""Decisions: what a function returns, and the actions that it becomes.

A decision is a value: a list of steps, and how long its flow may last. Decisions are added to do one after the other,
``mirror(9) + output(2)``. What the function changed in the packet is done before the steps, but not for a `mirror`,
whose copy is the packet as it came in.

A step that ends in another look-up names the function that goes on then (``then``), its *continuation*: it sees the
packet after connection tracking, with its hash, or without the headers that were taken off.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable

from dpif._typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from dpif.odp.actions import Action, CheckPktLen, Ct, CtClear, DecTtl, Hash, Meter, Output, Recirc, Set, parse_actions
from dpif.odp.model.key import FlowKey
from dpif.odp.model.tunnel import Tunnel
from dpif.program.errors import ProgramError
from dpif.program.values import Value

if TYPE_CHECKING:
    from dpif.program.meters import ProgramMeter
    from dpif.program.packet import Packet

__all__ = [
    "Decision",
    "act",
    "check_pkt_len",
    "consume",
    "ct",
    "ct_clear",
    "dec_ttl",
    "drop",
    "flood",
    "meter",
    "mirror",
    "output",
    "recirculate",
    "select",
    "tunnel",
]

Port: TypeAlias = "int | str | Value"
"""A port by its number or by its name."""
Continuation: TypeAlias = Callable[..., Any]


class Site(Protocol):
    """What steps need of the program that decides, to become actions."""

    def port(self, port: Port) -> int | None:
        """Return the number of a port, None when there is none such; the decision hangs on it."""
        ...

    def other_ports(self) -> list[int]:
        """Return the numbers of all ports but that of the packet; the decision hangs on them."""
        ...

    def need_ip(self, what: str) -> None:
        """Note that the packet must be IP; raise `ProgramError` for another, which has no `what`."""
        ...

    def recirculation(self, then: Continuation, arguments: tuple[Hashable, ...]) -> int:
        """Return the id for packets that are to go on with `then`."""
        ...


Step: TypeAlias = Callable[[Site], Iterable[Action]]


class Decision:
    """What is to be done with the packets of a flow; ``idle`` and ``hard`` are seconds that the flow may last.

    ``cached`` is false where the decision is for one packet alone, which makes no flow.
    """

    __slots__ = ("before", "cached", "hard", "idle", "steps")

    def __init__(
        self,
        steps: tuple[Step, ...] = (),
        *,
        before: tuple[Step, ...] = (),
        idle: float | None = None,
        hard: float | None = None,
        cached: bool = True,
    ) -> None:
        self.steps = steps
        self.before = before
        self.idle = idle
        self.hard = hard
        self.cached = cached

    def __add__(self, other: object) -> Decision:
        if not isinstance(other, Decision):
            return NotImplemented
        return Decision(
            self.steps + other.steps,
            before=self.before + other.before,
            idle=_shorter(self.idle, other.idle),
            hard=_shorter(self.hard, other.hard),
            cached=self.cached and other.cached,
        )

    def actions(self, site: Site, rewrites: Iterable[Action]) -> list[Action]:
        """Return the actions: copies, what changes the packet, and where it goes."""
        actions = [action for step in self.before for action in step(site)]
        going = [action for step in self.steps for action in step(site)]
        return [*actions, *rewrites, *going] if going else actions


def _shorter(one: float | None, other: float | None) -> float | None:
    return min(one, other) if one is not None and other is not None else other if one is None else one


@functools.lru_cache(1024)
def _output(number: int) -> Output:
    return Output(number)


def output(*ports: Port, idle: float | None = None, hard: float | None = None) -> Decision:
    """Send the packet out of `ports`, given by number or by name; a port that is not there is left out."""

    def step(site: Site) -> list[Action]:
        return [_output(number) for port in ports if (number := site.port(port)) is not None]

    return Decision((step,), idle=idle, hard=hard)


def flood(*, but: Iterable[Port] = ()) -> Decision:
    """Send the packet out of every port but the one it came in through, and those in `but`."""
    left_out = tuple(but)

    def step(site: Site) -> list[Action]:
        without = {site.port(port) for port in left_out}
        return [_output(number) for number in site.other_ports() if number not in without]

    return Decision((step,))


def drop(*, idle: float | None = None, hard: float | None = None) -> Decision:
    """Drop the packet, and those like it as long as the flow lasts: until it is idle, or for `hard` seconds."""
    return Decision(idle=idle, hard=hard)


def consume() -> Decision:
    """Make no flow: the program has dealt with the packet, and wants to see the next one too."""
    return Decision(cached=False)


def mirror(*ports: Port) -> Decision:
    """Send a copy of the packet, as it came in, out of `ports`; add what is to be done with the packet."""

    def step(site: Site) -> list[Action]:
        return [_output(number) for port in ports if (number := site.port(port)) is not None]

    return Decision(before=(step,))


def tunnel(
    port: Port, dst: Any, id: int | None = None, *, src: str | None = None, ttl: int = 64, **more: Any
) -> Decision:
    """Send the packet out of a tunnel port, to the tunnel's other end at `dst`; arguments as of `Packet.set_tunnel`.

    Added to others, it makes of each a copy with an outer header of its own.
    """
    header = encapsulation(dst, id, src=src, ttl=ttl, **more)

    def step(site: Site) -> list[Action]:
        number = site.port(port)
        return [] if number is None else [header, _output(number)]

    return Decision((step,))


def encapsulation(dst: Any, id: int | None = None, *, src: str | None = None, ttl: int = 64, **more: Any) -> Action:
    """Return the action that says with what outer header a tunnel port is to send the packet."""
    names = ("ipv6_src", "ipv6_dst") if ":" in str(dst) else ("src", "dst")
    values = {"tun_id": None if id is None else int(id), names[0]: src, names[1]: str(dst)}
    given = {name: value for name, value in values.items() if value is not None}
    return Set(FlowKey(tunnel=Tunnel(**given, ttl=ttl, **more)))


def meter(which: int | ProgramMeter) -> Decision:
    """Let the packet pass a meter, which may drop it; add what follows.

    It is one that `Program.meter` made, or the number of one of the datapath's (`Datapath.meters`).
    """
    number = which if isinstance(which, int) else which.number
    return Decision((lambda site: [Meter(number)],))


def act(actions: str) -> Decision:
    """Do the actions of a text in the datapath's syntax (``"set(eth(dst=…)),2"``)."""
    parsed = tuple(parse_actions(actions))
    return Decision((lambda site: parsed,))


def ct_clear() -> Decision:
    """Forget what connection tracking found; add what follows."""
    return Decision((lambda site: [CtClear()],))


def recirculate(then: Continuation, *arguments: Hashable) -> Decision:
    """Look the packet up again as it is now, and go on with ``then(packet, *arguments)``."""
    values = _plain(arguments)
    return Decision((lambda site: [Recirc(site.recirculation(then, values))],))


def ct(
    zone: int = 0,
    *,
    commit: bool = False,
    force: bool = False,
    nat: str | None = None,
    mark: int | tuple[int, int] | None = None,
    label: int | tuple[int, int] | None = None,
    helper: str | None = None,
    timeout: str | None = None,
    then: Continuation | None = None,
    arguments: tuple[Hashable, ...] = (),
) -> Decision:
    """Track the packet's connection in `zone`, and go on with `then`, which may read ``packet.ct``.

    `commit` remembers the connection, with `mark` and `label` (a number, or a number and the bits to set); `nat` is a
    text as in ``ct(nat(…))``: ``"src=10.0.0.1-10.0.0.9:1024-65535"``, or empty to translate as the connection is.
    Without `then` add what follows.
    """
    values: dict[str, Any] = {"mark": mark, "labels": label, "helper": helper, "timeout": timeout}
    values = {name: value for name, value in values.items() if value is not None}
    if zone:
        values["zone"] = int(zone)
    if commit or force:
        values["force_commit" if force else "commit"] = True
    action = Ct(**values)
    if nat is not None:
        (translating,) = parse_actions(f"ct(nat({nat}))" if nat else "ct(nat)")
        assert isinstance(translating, Ct)
        action = action.replace(nat=translating.nat)
    plain = _plain(arguments)

    def step(site: Site) -> list[Action]:
        site.need_ip("connections")
        return [action] if then is None else [action, Recirc(site.recirculation(then, plain))]

    return Decision((step,))


def select(then: Continuation, *arguments: Hashable, symmetric: bool = False, basis: int = 0) -> Decision:
    """Let the datapath compute a hash of the packet's addresses and ports, and go on with `then`.

    There ``packet.dp_hash & 15`` chooses one of 16 ways, with one flow for each instead of one for each connection.
    A `symmetric` hash is the same for both directions; kernels before 6.5 have none.
    """
    values = _plain(arguments)

    def step(site: Site) -> list[Action]:
        return [Hash(alg=1 if symmetric else 0, basis=basis), Recirc(site.recirculation(then, values))]

    return Decision((step,))


def check_pkt_len(size: int, larger: Decision, otherwise: Decision) -> Decision:
    """Do `larger` with packets of more than `size` bytes, Ethernet header included, and `otherwise` with others."""

    def step(site: Site) -> list[Action]:
        return [
            CheckPktLen(size=size, greater=larger.actions(site, ()), less_equal=otherwise.actions(site, ())),
        ]

    return Decision((step,), cached=larger.cached and otherwise.cached)


def dec_ttl(expired: Decision | None = None) -> Decision:
    """Take one off the TTL of an IP packet; do `expired` with one whose TTL was 1, or drop it. Add what follows.

    As it is the datapath that looks, the TTL is not matched. Linux before 5.7 has no such action.
    """
    over = drop() if expired is None else expired

    def step(site: Site) -> list[Action]:
        site.need_ip("a TTL")
        return [DecTtl(actions=over.actions(site, ()))]

    return Decision((step,), cached=over.cached)


def _plain(arguments: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    """Return arguments of a continuation as plain values: they are part of what the id stands for."""
    return tuple([argument.value if isinstance(argument, Value) else argument for argument in arguments])


def checked(decision: object, packet: Packet) -> Decision:
    """Return what a function returned, where that is a decision; None, as of a function without a return, drops."""
    if decision is None:
        return drop()
    if not isinstance(decision, Decision):
        raise ProgramError(f"expected a decision such as output(1), flood() or drop(), not {decision!r}")
    return decision
