"""Random programs, and packets for them: functions drawn by Hypothesis, of everything that a function may do.

A program is a tree: it looks at the packet or at a table, goes on by what it saw, may write, and ends in a decision.
All values are from tiny pools, so that packets, constants and entries meet. `run` carries a tree out over anything
that has the fields of a packet: one that notes its use, or a `PlainPacket`, which does not.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, ip_network

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from dpif._typing import Any, NamedTuple
from dpif.odp.model.key import FlowKey
from dpif.packet import build
from dpif.program import Decision, Program, drop, flood, mirror, output
from dpif.program.tables import Table

__all__ = ["PORTS", "PlainPacket", "Tree", "frames", "make_program", "run", "trees"]

PORTS = ("h1", "h2", "h3")
_MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02", "03:00:00:00:00:01", "ff:ff:ff:ff:ff:ff")
_ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "192.168.0.1")
_NETWORKS = [ip_network(text) for text in ("10.0.0.0/24", "10.0.0.0/8", "10.0.0.0/31", "192.168.0.0/16", "0.0.0.0/0")]
_PORTS = (53, 80, 1000, 1001)
_FIELDS: dict[str, tuple[Any, ...]] = {
    "eth.src": _MACS,
    "eth.dst": _MACS,
    "ipv4.src": _ADDRESSES,
    "ipv4.dst": _ADDRESSES,
    "ipv4.ttl": (1, 64),
    "ipv4.tos": (0, 4),
    "tcp.src": _PORTS,
    "tcp.dst": _PORTS,
    "udp.dst": _PORTS,
    "arp.op": (1, 2),
    "vlan.vid": (1, 2),
    "in_port": (1, 2, 3),
}
_NUMBERS = ("ipv4.ttl", "ipv4.tos", "tcp.src", "tcp.dst", "udp.dst", "arp.op", "vlan.vid", "in_port")
_HEADERS = ("ipv4", "tcp", "udp", "arp", "vlan", "cvlan")


class Tree(NamedTuple):
    """A node of a program: what it does, with what, and how it goes on."""

    kind: str
    arguments: tuple[Any, ...]
    then: tuple[Any, ...] = ()


def _node(
    kind: str, count: int, *arguments: SearchStrategy[Any]
) -> Callable[[SearchStrategy[Any]], SearchStrategy[Tree]]:
    def make(below: SearchStrategy[Any]) -> SearchStrategy[Tree]:
        return st.builds(Tree, st.just(kind), st.tuples(*arguments), st.tuples(*[below] * count))

    return make


def _of_field(kind: str, names: tuple[str, ...], count: int) -> Callable[[SearchStrategy[Any]], SearchStrategy[Tree]]:
    def make(below: SearchStrategy[Any]) -> SearchStrategy[Tree]:
        return st.sampled_from(names).flatmap(
            lambda name: _node(kind, count, st.just(name), st.sampled_from(_FIELDS[name]))(below)
        )

    return make


_ALL = tuple(_FIELDS)
_INNER = (
    _of_field("equal", _ALL, 2),
    _of_field("less", _NUMBERS, 2),
    _of_field("masked", _NUMBERS, 2),
    _node("within", 2, st.sampled_from(("ipv4.src", "ipv4.dst")), st.sampled_from(_NETWORKS)),
    _node("present", 2, st.sampled_from(_HEADERS)),
    _node("flag", 2, st.sampled_from(("syn", "ack", "fin"))),
    _node("has", 2, st.sampled_from(_ALL)),
    _node("get", 2, st.sampled_from(_ALL)),
    _node("lookup", 2, st.sampled_from(("ipv4.src", "ipv4.dst"))),
    _node("learn", 1, st.sampled_from(("eth.src", "ipv4.src"))),
    _node("count", 2),
    _node("parity", 2, st.sampled_from(_NUMBERS)),
    _node("rewrite", 1, st.sampled_from(("eth.dst", "ipv4.dst"))),
)
_LEAVES = st.sampled_from(
    [Tree(kind, (port,)) for kind in ("output", "mirror") for port in PORTS]
    + [Tree(kind, ()) for kind in ("flood", "drop", "seen")]
)
trees: SearchStrategy[Tree] = st.recursive(
    _LEAVES, lambda below: st.one_of([make(below) for make in _INNER]), max_leaves=12
)
"""Programs of up to a dozen decisions."""


def _get(packet: Any, name: str) -> Any:
    """Return a field, None where the packet lacks its header."""
    header, _, field = name.partition(".")
    found = getattr(packet, header)
    return found if not field or found is None else getattr(found, field)


def run(
    tree: Tree,
    packet: Any,
    table: Table[Any, Any],
    routes: Any,
    note: Callable[[bool], object] = lambda answer: None,
) -> Decision:
    """Carry a tree out; `note` is called with each answer that it comes to."""
    seen: Any = None
    while tree.then:
        answer = False
        kind, arguments = tree.kind, tree.arguments
        field = _get(packet, arguments[0]) if arguments and arguments[0] in _FIELDS else None
        if kind == "present":
            answer = getattr(packet, arguments[0]) is not None
        elif kind == "flag":
            answer = packet.tcp is not None and getattr(packet.tcp.flags, arguments[0])
        elif kind == "count":
            answer = len(table) > 2
        elif field is None:
            answer = False
        elif kind == "equal":
            answer = field == arguments[1]
        elif kind == "less":
            answer = field < arguments[1]
        elif kind == "masked":
            answer = field & arguments[1] == arguments[1]
        elif kind == "within":
            network: IPv4Network = arguments[1]
            answer = field in network
        elif kind == "parity":
            answer = int(field) % 2 == 1
        elif kind == "has":
            answer = field in table
        elif kind == "get":
            seen = table.get(field)
            answer = seen is not None
        elif kind == "lookup":
            seen = routes.lookup(field)
            answer = seen is not None
        elif kind == "learn":
            table[field] = packet.in_port
        elif kind == "rewrite":
            (packet.eth if arguments[0] == "eth.dst" else packet.ipv4).dst = _FIELDS[arguments[0]][0]
        note(bool(answer))
        tree = tree.then[0] if answer or len(tree.then) == 1 else tree.then[1]
    return _decision(tree, seen)


def _decision(tree: Tree, seen: Any) -> Decision:
    if tree.kind == "output":
        return output(*tree.arguments)
    if tree.kind == "mirror":
        return mirror(*tree.arguments) + output("h1")
    if tree.kind == "flood":
        return flood()
    return output(seen) if tree.kind == "seen" and seen is not None else drop()


def make_program(tree: Tree) -> tuple[Program, Table[Any, Any], Any]:
    """Return a program for a tree, with its table and its table of networks."""
    program = Program()
    table, routes = program.table("table"), program.lpm("routes")
    program.forward(lambda packet: run(tree, packet, table, routes))
    return program, table, routes


class PlainPacket:
    """A packet of plain values, as no program gets it: what decisions are compared with."""

    def __init__(self, key: FlowKey) -> None:
        self.in_port = key.in_port
        self.vlan = _Header(key.vlan) if key.vlan is not None and key.vlan.cfi else None
        inner = key.encap if key.encap is not None else key
        self.cvlan = _Header(inner.vlan) if inner is not key and inner.vlan is not None and inner.vlan.cfi else None
        while inner.encap is not None:
            inner = inner.encap
        self.eth = _Header(key.eth)
        for name in ("ipv4", "tcp", "udp", "arp"):
            value = getattr(inner, name)
            setattr(self, name, None if value is None else _Header(value))
        if inner.tcp is not None:
            self.tcp.flags = _Flags(inner.tcp_flags)  # type: ignore[attr-defined]


class _Header:
    def __init__(self, value: Any) -> None:
        for field in type(value).FIELDS:
            plain = getattr(value, field.name)
            self.__dict__[field.name] = _Text(plain) if hasattr(plain, "is_multicast") else plain

    def __setattr__(self, name: str, value: Any) -> None:
        before = self.__dict__.get(name)
        self.__dict__[name] = _Text(type(before.value)(value)) if isinstance(before, _Text) else value


class _Flags:
    def __init__(self, flags: int | None) -> None:
        self.syn = bool((flags or 0) & 2)
        self.ack = bool((flags or 0) & 16)
        self.fin = bool((flags or 0) & 1)


class _Text:
    """An address that equals its text, as a program's does."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return str(self.value) == str(other.value if isinstance(other, _Text) else other)

    def __hash__(self) -> int:
        return hash(self.value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.value, name)


def _frame(src: str, dst: str, payload: build.Layer, tags: tuple[int, ...]) -> bytes:
    for vid in tags:
        payload = build.vlan(vid, payload)
    return build.ethernet(src, dst, payload)


_payloads = st.one_of(
    st.builds(build.tcp, st.sampled_from(_ADDRESSES), st.sampled_from(_ADDRESSES), st.sampled_from(_PORTS),
              st.sampled_from(_PORTS), flags=st.sampled_from((2, 16, 18, 17))),
    st.builds(build.udp, st.sampled_from(_ADDRESSES), st.sampled_from(_ADDRESSES), st.sampled_from(_PORTS),
              st.sampled_from(_PORTS), st.just(b"x")),
    st.builds(build.arp_request, st.sampled_from(_MACS[:2]), st.sampled_from(_ADDRESSES),
              st.sampled_from(_ADDRESSES)),
)  # fmt: skip
frames: SearchStrategy[bytes] = st.builds(
    _frame, st.sampled_from(_MACS), st.sampled_from(_MACS), _payloads, st.sampled_from([(), (), (1,), (2,), (1, 2)])
)
"""Frames whose values are those that programs ask for."""
