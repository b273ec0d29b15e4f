"""Plays `ct_sequences` on datapaths, and tells where two of them differ."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import cache, partial

from dpif._typing import Final, NamedTuple
from dpif.client import Datapath
from dpif.client.upcalls import Upcalls
from dpif.conntrack import Entry
from dpif.conntrack.tuples import Tuple
from dpif.errors import NetlinkError
from dpif.netlink.attributes import attribute
from dpif.odp.actions import parse_actions
from dpif.odp.constants import KeyAttr
from dpif.odp.model.key import FlowKey
from dpif.testing.conformance.harness import Harness, two_ports
from dpif.testing.ct_sequences import (
    ADDRESSES,
    OTHER_PORT,
    PORTS,
    Actions,
    Answer,
    Packet,
    Sequence,
    Step,
    port_unreachable,
    ports,
    render,
    smaller,
)

_KEY: Final = FlowKey(in_port=1)
_NO_ZONE: Final = attribute(KeyAttr.CT_ZONE, bytes(2))
"""What a kernel without conntrack zones leaves out of keys."""
_KNOWN_PORTS: Final = frozenset({*PORTS, OTHER_PORT, 0})
_TOO_LONG: Final = 0.8
"""Seconds after which the clock may have changed what a sequence does: what is hidden lives for one."""
_ABOUT: Final = 5
"""Seconds by which life times may differ."""


class Connection(NamedTuple):
    """What is compared of an entry."""

    zone: int
    orig: Tuple
    reply: Tuple
    status: int
    mark: int
    labels: int
    protoinfo: object

    @classmethod
    def of(cls, entry: Entry) -> Connection:
        """Leave out what may differ."""
        return cls(entry.zone, entry.orig, entry.reply, entry.status, entry.mark, entry.labels, entry.protoinfo)


class Outcome(NamedTuple):
    """What became of a step: the errno, keys and packets where one looked, the connections and their time left."""

    errno: int
    seen: tuple[tuple[bytes, bytes], ...]
    connections: dict[Connection, int]

    def differences(self, other: Outcome) -> list[str]:
        """Return a line for each difference from another datapath's."""
        lines = []
        if self.errno != other.errno:
            lines.append(f"errno {self.errno}, {other.errno}")
        if self.seen != other.seen:
            lines += [f"  {show(one)}" for one in self.seen] + ["but"] + [f"  {show(one)}" for one in other.seen]
        for connection in self.connections.keys() ^ other.connections.keys():
            lines.append(f"only {'first' if connection in self.connections else 'second'}: {connection}")
        for connection in self.connections.keys() & other.connections.keys():
            times = self.connections[connection], other.connections[connection]
            if abs(times[0] - times[1]) > _ABOUT:
                lines.append(f"lives {times} seconds: {connection}")
        return lines

    @property
    def has_chance(self) -> bool:
        """Whether a port was free to choose, which may differ."""
        numbers = {number for _, packet in self.seen for number in ports(packet)}
        for connection in self.connections:
            for names in (connection.orig, connection.reply):
                numbers |= {names.src_port or 0, names.dst_port or 0, names.icmp_id or 0}
        return not numbers <= _KNOWN_PORTS


def show(seen: tuple[bytes, bytes]) -> str:
    """Return key and packet to be read."""
    return f"{FlowKey.from_bytes(seen[0])} {seen[1].hex()}"


def _errno(request: Callable[[], object]) -> int:
    """Return the errno that a request is refused with, 0 if it is not."""
    try:
        request()
    except NetlinkError as error:
        return error.errno or 0
    return 0


class Player:
    """Plays on one datapath, which has a port 1; its upcalls are those of `upcalls`."""

    def __init__(self, dp: Datapath, upcalls: Upcalls) -> None:
        self.dp = dp
        self._upcalls = upcalls
        self._encode = cache(self._encode_anew)

    def _encode_anew(self, actions: Actions) -> bytes:
        return parse_actions(render(actions, f"userspace(pid={self._upcalls.port_id})")).to_bytes()

    def begin(self, sequence: Sequence) -> Outcome:
        """Forget all connections, and put the rules."""
        self.dp.conntrack.flush()
        errno = 0
        for match, actions in zip(sequence.matches(), sequence.rules, strict=True):
            errno = errno or _errno(partial(self.dp.flows.put, match, self._encode(actions)))
        return self.outcome(errno)

    def send(self, frame: bytes, actions: Actions) -> Outcome:
        """Send a packet through actions."""
        return self.outcome(_errno(partial(self.dp.execute, frame, self._encode(actions), _KEY)))

    def flush(self) -> Outcome:
        """Remove all connections."""
        self.dp.conntrack.flush()
        return self.outcome()

    def delete(self) -> Outcome:
        """Remove a connection, the same on every datapath."""
        entries = sorted(self.dp.conntrack, key=lambda entry: (entry.zone, str(entry.orig)))
        if entries:
            self.dp.conntrack.delete(entries[0])
        return self.outcome()

    def copies_share(self) -> bool:
        """Tell whether a connection that a copy of a packet commits is the packet's, too.

        Linux 6.12.113 has the copy begin another one.
        """
        self.flush()
        packet = Packet("udp", *ADDRESSES[4][:2], *PORTS)
        outcome = self.send(packet.frame(), ("ct", ("ct(commit,mark=0x1/0x1)",), "ct(commit,mark=0x2/0x2)"))
        return [connection.mark for connection in outcome.connections] == [3]

    def outcome(self, errno: int = 0) -> Outcome:
        """Return what there is to see now."""
        seen = []
        while upcalls := self._upcalls.poll(0.0):
            seen += [((one.record.key or b"").replace(_NO_ZONE, b""), one.packet) for one in upcalls]
        return Outcome(errno, tuple(seen), {Connection.of(entry): entry.timeout for entry in self.dp.conntrack})


def play(sequence: Sequence, players: list[Player]) -> Iterator[tuple[Step, list[Outcome]]]:
    """Play a sequence on some datapaths side by side; yield each step and what became of it on each."""
    yield Step("begin"), [player.begin(sequence) for player in players]
    packet = sequence.first()
    out = packet.frame()
    for step in sequence.steps:
        if step.what in ("flush", "delete"):
            yield step, [player.flush() if step.what == "flush" else player.delete() for player in players]
            continue
        if isinstance(step.what, Answer):
            packet = packet.answer(out, step.what.flags)
        elif isinstance(step.what, Packet):
            packet = step.what
        frame = port_unreachable(out) if step.what == "error" else packet.frame()
        outcomes = [player.send(frame, step.actions) for player in players]
        yield step, outcomes
        if outcomes[0].seen and step.what != "error":
            out = outcomes[0].seen[-1][1]


@contextlib.contextmanager
def side_by_side(first: Harness, second: Harness) -> Iterator[Comparison]:
    """Compare a new datapath of each."""
    with contextlib.ExitStack() as stack:
        players = []
        for harness in (first, second):
            dp, _, _ = two_ports(harness)
            players.append(Player(dp, stack.enter_context(dp.upcalls(miss=False))))
        yield Comparison(players)


class Comparison:
    """Two datapaths; ``compared`` counts the steps after which they were."""

    def __init__(self, players: list[Player]) -> None:
        self.players = players
        self.compared = 0

    def difference(self, sequence: Sequence) -> str:
        """Return where the datapaths differ over a sequence, "" where they do not.

        One that takes too long, or comes to where chance decides, is not looked at any further.
        """
        started = time.monotonic()
        for number, (step, (first, second)) in enumerate(play(sequence, self.players)):
            if time.monotonic() - started > _TOO_LONG or (first.has_chance and second.has_chance):
                return ""
            lines = first.differences(second)
            if lines:
                return "\n".join([f"step {number}, {step}:", *lines])
            self.compared += 1
        return ""

    def simplify(self, sequence: Sequence) -> Sequence:
        """Return a sequence over which they still differ, with nothing in it that it can do without."""
        for simpler in smaller(sequence):
            if self.difference(simpler):
                return self.simplify(simpler)
        return sequence
