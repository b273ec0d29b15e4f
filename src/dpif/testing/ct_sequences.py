"""Sequences of packets that are tracked and translated, drawn at random: for comparing datapaths step by step.

Addresses and ports are few, so that packets meet the connections of others, and translations clash. A `Sequence` is
of values only, and its ``repr`` is Python that makes it again; `smaller` makes simpler ones of one that fails.
Everything is drawn from the `random.Random` that is given, so that a seed repeats a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random

from dpif._typing import Final, NamedTuple, TypeAlias
from dpif.packet import build
from dpif.packet.checksum import checksum

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
ADDRESSES: Final = {4: ("10.7.0.1", "10.7.0.2", "192.0.2.7"), 6: ("fc00:7::1", "fc00:7::2", "2001:db8::7")}
PORTS: Final = (1000, 53)
OTHER_PORT: Final = 5000
PROTOCOLS: Final = {"udp": 17, "tcp": 6, "icmp": 1, "icmpv6": 58, "other": 200}
"""``other`` is one of which conntrack knows nothing, without ports."""
SYN, SYN_ACK, ACK, RST, FIN_ACK = 0x02, 0x12, 0x10, 0x04, 0x11
_FLAGS: Final = (SYN, SYN_ACK, ACK, ACK, RST, FIN_ACK)
_PAYLOAD: Final = b"." * 32
"""Needs no padding."""


class Packet(NamedTuple):
    """A packet; for ICMP ``src_port`` is the identifier, for TCP ``flags`` are those of the segment.

    ``is_answer`` is told by an ICMP echo, and for TCP it chooses sequence numbers.
    """

    protocol: str
    src: str
    dst: str
    src_port: int
    dst_port: int
    is_answer: bool = False
    flags: int = 0

    def frame(self) -> bytes:
        """Return its bytes."""
        src, dst, src_port, dst_port = self[1:5]
        if self.protocol == "udp":
            layer = build.udp(src, dst, src_port, dst_port, _PAYLOAD)
        elif self.protocol == "other":
            layer = build.ip(src, dst, PROTOCOLS["other"], _PAYLOAD)
        elif self.protocol == "tcp":
            seq, ack = (501, 101) if self.is_answer else (101, 501)
            seq -= bool(self.flags & SYN)
            ack = ack if self.flags & ACK else 0
            layer = build.tcp(src, dst, src_port, dst_port, flags=self.flags, seq=seq, ack=ack)
        else:
            layer = build.echo(src, dst, reply=self.is_answer, ident=src_port, payload=_PAYLOAD)
        return build.ethernet(A, B, layer)

    def answer(self, frame: bytes, flags: int) -> Packet:
        """Return the answer to this packet, which has become `frame` on its way."""
        src, dst = ends(frame)
        src_port, dst_port = ports(frame)
        return Packet(self.protocol, dst, src, dst_port, src_port, not self.is_answer, flags)


def port_unreachable(frame: bytes) -> bytes:
    """Return the ICMP error "port unreachable" about the packet in `frame`."""
    src, dst = ends(frame)
    if _is_ipv4(frame):
        message = bytes([3, 3, 0, 0, 0, 0, 0, 0]) + frame[14:]
        return build.ethernet(A, B, build.ip(dst, src, 1, message[:2] + checksum(message).to_bytes(2) + message[4:]))
    return build.ethernet(A, B, build.icmpv6(dst, src, 1, 4, bytes(4) + frame[14:]))


# Frames, which are of IP, and have neither tags nor options.


def _is_ipv4(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00"


def ends(frame: bytes) -> tuple[str, str]:
    """Return the source and destination of a frame."""
    if _is_ipv4(frame):
        return str(IPv4Address(frame[26:30])), str(IPv4Address(frame[30:34]))
    return str(IPv6Address(frame[22:38])), str(IPv6Address(frame[38:54]))


def ports(frame: bytes) -> tuple[int, int]:
    """Return the ports of a frame; twice the identifier of an ICMP echo, (0, 0) where there are none."""
    protocol, l4 = (frame[23], 34) if _is_ipv4(frame) else (frame[20], 54)
    if protocol in (PROTOCOLS["icmp"], PROTOCOLS["icmpv6"]):
        return (int.from_bytes(frame[l4 + 4 : l4 + 6]),) * 2
    if protocol == PROTOCOLS["other"]:
        return 0, 0
    return int.from_bytes(frame[l4 : l4 + 2]), int.from_bytes(frame[l4 + 2 : l4 + 4])


Actions: TypeAlias = "tuple[str | Actions, ...]"
"""Actions as text; a tuple among them is a ``clone`` of those in it. `LOOK` sends the packet up, as it is then."""
LOOK: Final = "look"


def render(actions: Actions, look: str) -> str:
    """Return the text of actions, with `look` for `LOOK`."""
    parts = (f"clone({render(one, look)})" if isinstance(one, tuple) else one for one in actions)
    return ",".join(look if part == LOOK else part for part in parts)


class Answer(NamedTuple):
    """The answer to the last packet as it came out; for TCP with ``flags``."""

    flags: int


class Step(NamedTuple):
    """A packet that goes through actions, or a word.

    ``again`` is the last packet, ``error`` an ICMP error about it as it came out, ``flush`` removes all connections,
    ``delete`` one of them.
    """

    what: Packet | Answer | str
    actions: Actions = ()


class Sequence(NamedTuple):
    """Steps with packets of one protocol over one version of IP, and what is done with those that are recirculated.

    The first two of ``rules`` are for packets with ``recirc(1)``, one for those that are not new, one for those that
    are; the other two for packets with ``recirc(2)``.
    """

    version: int
    protocol: str
    rules: tuple[Actions, Actions, Actions, Actions]
    steps: tuple[Step, ...]

    def first(self) -> Packet:
        """Return the packet that there is at the beginning."""
        client, server, _ = ADDRESSES[self.version]
        return Packet(self.protocol, client, server, *PORTS, flags=SYN if self.protocol == "tcp" else 0)

    def matches(self) -> list[str]:
        """Return what the packets match that each of the rules is for."""
        ip, l4 = "ipv4" if self.version == 4 else "ipv6", self.protocol
        ports = {"other": "", "tcp": ",tcp(),tcp_flags(0/0)"}.get(l4, f",{l4}()")
        rest = f"eth_type({0x0800 if self.version == 4 else 0x86DD:#x}),{ip}(proto={PROTOCOLS[l4]},frag=no){ports}"
        return [
            f"recirc_id({number}),in_port(1),ct_state({state}),eth(),{rest}"
            for number in (1, 2)
            for state in ("-new", "+new")
        ]


def random_sequence(random: Random, *, zones: bool = False, copies: bool = True) -> Sequence:
    """Return a sequence; with `zones` some of it is in zone 5, without `copies` each packet stays one."""
    return _Drawing(random, zones, copies).sequence()


class _Drawing:
    """Draws the parts of one sequence."""

    def __init__(self, random: Random, zones: bool, copies: bool) -> None:
        self.random = random
        self.zones = zones
        self.copies = copies
        self.version = random.choice((4, 4, 6))
        icmp = "icmp" if self.version == 4 else "icmpv6"
        self.protocol = random.choice(("udp", "udp", "udp", "tcp", "tcp", icmp, icmp, "other"))
        self.addresses = ADDRESSES[self.version]

    def sequence(self) -> Sequence:
        first = Step("again", (self.ct(commits=True), LOOK, *self.actions((1, 2))))
        steps = (first, *(self.step() for _ in range(self.random.choice((1, 3, 7)))))
        rules = tuple(self.actions(recircs) for recircs in ((2,), (2,), (), ()))
        return Sequence(self.version, self.protocol, rules, steps)  # type: ignore[arg-type]  # they are four

    def step(self) -> Step:
        kind = self.random.random()
        if kind < 0.06:
            return Step("flush" if kind < 0.03 else "delete")
        actions = self.actions((1, 2))
        if kind < 0.25:
            return Step(self.packet(), actions)
        if kind < 0.7:
            return Step(Answer(self.flags()), actions)
        return Step("again" if kind < 0.9 else "error", actions)

    def packet(self) -> Packet:
        src, dst = self.random.sample(self.addresses[: self.random.choice((2, 3))], 2)
        ports = self.random.choice((self.random.sample(PORTS, 2), self.random.choices(PORTS, k=2)))
        return Packet(self.protocol, src, dst, ports[0], ports[1], self.random.random() < 0.2, self.flags())

    def flags(self) -> int:
        return self.random.choice(_FLAGS) if self.protocol == "tcp" else 0

    def actions(self, recircs: tuple[int, ...]) -> Actions:
        """Return a list that may recirculate to `recircs`."""
        recircs = recircs if self.copies else ()
        if self.copies and self.random.random() < 0.08:
            return self.looking(iter(("ct", ("ct_clear", self.ct(commits=True)), self.ct(commits=True))))
        found: list[str | Actions] = []
        for _ in range(self.random.choice((1, 1, 2, 3))):
            if self.copies and self.random.random() < 0.15:
                found.append(self.looking(self.action(recircs) for _ in range(self.random.choice((1, 2)))))
            else:
                found.append(self.action(recircs))
        return self.looking(iter(found))

    def looking(self, actions: Iterator[str | Actions]) -> Actions:
        """Return `actions` with a look behind most of them."""
        found: list[str | Actions] = []
        for action in actions:
            found += [action, LOOK] if self.random.random() < 0.8 else [action]
        return tuple(found)

    def action(self, recircs: tuple[int, ...]) -> str:
        kind = self.random.random()
        if kind < 0.7:
            return self.ct(commits=self.random.random() < 0.5)
        if kind < 0.77:
            return "ct_clear"
        if kind < 0.85 and recircs:
            return f"recirc({self.random.choice(recircs)})"
        end = self.random.choice(("src", "dst"))
        if kind < 0.92 and self.protocol in ("udp", "tcp"):
            return f"set({self.protocol}({end}={self.random.choice(PORTS)}))"
        return f"set(ipv{self.version}({end}={self.random.choice(self.addresses)}))"

    def ct(self, *, commits: bool) -> str:
        parts = [self.random.choice(("commit", "commit", "force_commit"))] if commits else []
        if self.zones and self.random.random() < 0.5:
            parts.append("zone=5")
        if commits and self.random.random() < 0.3:
            parts.append(self.random.choice(("mark=0x1/0x1", "mark=0x6/0xf")))
        if commits and self.random.random() < 0.2:
            parts.append(self.random.choice(("label=0x3/0x3", "label=0x6/0xf")))
        if self.random.random() < 0.5:
            parts.append(self.nat(commits))
        return f"ct({','.join(parts)})" if parts else "ct"

    def nat(self, commits: bool) -> str:
        if not commits or self.random.random() < 0.3:
            return "nat"
        end = self.random.choice(("src", "dst"))
        if self.random.random() < 0.1:
            return f"nat({end})"
        address = self.random.choice(self.addresses)
        if self.version == 6:
            address = f"[{address}]"
        return f"nat({end}={address}{self.random.choice(('', '', f':{OTHER_PORT}', f':{PORTS[1]}'))})"


# Simpler ones.


def smaller(sequence: Sequence) -> Iterator[Sequence]:
    """Yield sequences with a little less in them."""
    steps, rules = sequence.steps, sequence.rules
    for at, step in enumerate(steps):
        yield sequence._replace(steps=steps[:at] + steps[at + 1 :])
        for actions in _less(step.actions):
            yield sequence._replace(steps=(*steps[:at], step._replace(actions=actions), *steps[at + 1 :]))
    for at, rule in enumerate(rules):
        for actions in _less(rule):
            yield sequence._replace(rules=(*rules[:at], actions, *rules[at + 1 :]))  # type: ignore[arg-type]  # four


def _less(actions: Actions) -> Iterator[Actions]:
    for at, action in enumerate(actions):
        before, behind = actions[:at], actions[at + 1 :]
        yield before + behind
        if isinstance(action, tuple):
            yield before + action + behind
            yield from ((*before, one, *behind) for one in _less(action))
        elif action.startswith("ct("):
            arguments = action[3:-1].split(",")
            for number in range(len(arguments)):
                rest = ",".join(arguments[:number] + arguments[number + 1 :])
                yield (*before, f"ct({rest})" if rest else "ct", *behind)
