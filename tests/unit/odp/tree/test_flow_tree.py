"""Flows as a tree of recirculations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.odp.actions import Actions, parse_actions
from dpif.odp.constants import KeyAttr
from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_match
from dpif.odp.tree.crowd import Crowd
from dpif.odp.tree.facts import Facts
from dpif.odp.tree.tree import MAX_DEPTH, Node, Tree, grow, targets


class Sample(NamedTuple):
    """A flow as a tree reads it."""

    name: str
    key: FlowKey | None
    mask: FlowMask | None
    actions: Actions | None
    packets: int = 0
    bytes: int = 0
    tcp_flags: int = 0
    used: float | None = None
    ufid: bytes | None = None


def sample(name: str, match: str, actions: str) -> Sample:
    return Sample(name, *parse_match(match), parse_actions(actions))


def shape(nodes: list[Node[Sample]]) -> str:
    """Return names, the flows of each branch in brackets behind; ``!`` is that there are none, ``^`` elsewhere."""
    shown = []
    for node in nodes:
        below = "".join(
            f"[{shape(branch.nodes)}{'^' if branch.elsewhere else '' if branch.nodes else '!'}]"
            for branch in node.branches
        )
        shown.append(node.flow.name + below)
    return " ".join(shown)


def shapes(tree: Tree[Sample]) -> dict[str, str]:
    ports = {f"port {port}": shape(nodes) for port, nodes in tree.ports.items()}
    return ports | {f"recirc {number}": shape(nodes) for number, nodes in tree.unreached.items()}


IP = "eth(),eth_type(0x0800),ipv4(frag=no)"


def test_levels_ports_and_dangling_ids() -> None:
    tree = grow(
        [
            sample("a", f"recirc_id(0),in_port(2),{IP}", "ct,recirc(0x1)"),
            sample("b", f"recirc_id(0x1),in_port(2),ct_state(+new),{IP}", "ct(commit),recirc(0x2)"),
            sample("c", f"recirc_id(0x1),in_port(2),ct_state(+est),{IP}", "3"),
            sample("d", f"recirc_id(0x2),in_port(2),{IP}", "clone(recirc(0x9)),3"),
            sample("e", "recirc_id(0),in_port(1),eth(),eth_type(0x0806)", "drop"),
            sample("f", "eth(),eth_type(0x88b5)", "1"),
            sample("g", f"recirc_id(0x7),{IP}", "1"),
        ]
    )
    assert shapes(tree) == {"port 1": "e", "port 2": "a[b[d[!]] c]", "port None": "f", "recirc 7": "g"}


def test_a_flow_stands_below_the_first_that_leads_to_it() -> None:
    tree = grow(
        [
            sample("a", f"recirc_id(0),in_port(1),{IP}", "recirc(0x1)"),
            sample("b", f"recirc_id(0),in_port(2),{IP}", "recirc(0x1)"),
            sample("c", f"recirc_id(0x1),in_port(2),{IP}", "1"),
            sample("d", f"recirc_id(0x1),{IP}", "1"),
        ]
    )
    assert shapes(tree) == {"port 1": "a[d]", "port 2": "b[c^]"}


def test_loops_end() -> None:
    tree = grow(
        [
            sample("a", f"recirc_id(0),in_port(1),{IP}", "recirc(0x1)"),
            sample("b", f"recirc_id(0x1),{IP}", "recirc(0x2)"),
            sample("c", f"recirc_id(0x2),{IP}", "recirc(0x1),recirc(0)"),
            sample("x", f"recirc_id(0x8),{IP}", "recirc(0x9)"),
            sample("y", f"recirc_id(0x9),{IP}", "recirc(0x8)"),
            sample("z", f"recirc_id(0xa),{IP}", "recirc(0xa)"),
        ]
    )
    assert shapes(tree) == {"port 1": "a[b[c[^][^]]]", "recirc 8": "x[y[^]]", "recirc 10": "z[^]"}


@pytest.mark.parametrize(
    ("match", "actions", "below", "is_below"),
    [
        (f"in_port(1),{IP}", "recirc(1)", f"in_port(2),{IP}", False),
        (f"in_port(1),{IP}", "recirc(1)", "in_port(1),eth(),eth_type(0x0806)", False),
        (f"in_port(1),{IP}", "recirc(1)", IP, True),
        ("eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0)", "recirc(1)", f"{IP[:-1]},dst=10.1.2.3)", True),
        ("eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0)", "recirc(1)", f"{IP[:-1]},dst=11.1.2.3)", False),
        (f"{IP[:-1]},dst=10.0.0.1)", "set(ipv4(dst=10.0.0.2)),recirc(1)", f"{IP[:-1]},dst=10.0.0.2)", True),
        (f"{IP[:-1]},dst=10.0.0.1)", "ct,recirc(1)", f"{IP[:-1]},dst=10.0.0.2)", False),
        (f"{IP[:-1]},dst=10.0.0.1)", "ct(nat),recirc(1)", f"{IP[:-1]},dst=10.0.0.2)", True),
        ("eth(),eth_type(0x0800),ipv4(frag=later)", "ct,recirc(1)", IP, True),
        ("eth(),eth_type(0x0800),ipv4(frag=later)", "recirc(1)", IP, False),
        (f"ct_state(-trk),{IP}", "ct,recirc(1)", f"ct_state(+trk),{IP}", True),
        (f"ct_state(+trk),{IP}", "ct_clear,recirc(1)", f"ct_state(-trk),{IP}", True),
        (f"ct_state(+trk),{IP}", "recirc(1)", f"ct_state(-trk),{IP}", False),
        (f"dp_hash(0x1),{IP}", "hash(l4(0)),recirc(1)", f"dp_hash(0x2),{IP}", True),
        (f"in_port(1),{IP}", "push_vlan(vid=5,pcp=0),recirc(1)", "eth(),eth_type(0x8100),vlan(vid=5,pcp=0)", True),
        (f"in_port(1),{IP}", "push_vlan(vid=5,pcp=0),recirc(1)", "in_port(2),eth(),eth_type(0x8100)", False),
        ("tunnel(tun_id=1,src=1.2.3.4),eth()", "recirc(1)", "tunnel(tun_id=2,src=1.2.3.4),eth()", True),
    ],
)
def test_where_a_packet_may_come_to(match: str, actions: str, below: str, is_below: bool) -> None:
    tree = grow([sample("a", match, actions), sample("b", f"recirc_id(0x1),{below}", "1")])
    assert len(tree.unreached) == (not is_below)


def test_what_a_flow_above_matches_is_left_out() -> None:
    tree = grow(
        [
            sample("a", f"recirc_id(0),in_port(1),skb_mark(0x5),{IP}", "ct,recirc(0x1)"),
            sample(
                "b", f"recirc_id(0x1),in_port(1),skb_mark(0x5),ct_state(+new),{IP}", "set(skb_mark(0x6)),recirc(0x2)"
            ),
            sample("c", f"recirc_id(0x2),in_port(1),skb_mark(0x6),ct_state(+new),{IP[:-1]},ttl=5)", "1"),
        ]
    )
    assert [format_key(*node.match) for node in tree.walk()] == [
        "skb_mark(0x5),eth_type(0x0800),ipv4(frag=no)",
        "recirc_id(0x1),ct_state(+new)",
        "recirc_id(0x2),skb_mark(0x6),ipv4(ttl=5,frag=no)",
    ]


def test_pruning_keeps_paths() -> None:
    flows = [
        sample("a", f"recirc_id(0),in_port(1),{IP}", "recirc(0x1),recirc(0x2)"),
        sample("b", f"recirc_id(0x1),{IP}", "recirc(0x3)"),
        sample("c", f"recirc_id(0x2),{IP}", "1"),
        sample("d", f"recirc_id(0x3),{IP}", "1"),
        sample("e", f"recirc_id(0),in_port(2),{IP}", "1"),
        sample("f", f"recirc_id(0x9),{IP}", "1"),
    ]
    for wanted, left in {"d": "a[b[d]]", "b": "a[b[d]]", "c": "a[c]", "a": "a[b[d]][c]"}.items():
        assert shapes(grow(flows).pruned(lambda flow: flow.name == wanted)) == {"port 1": left}  # noqa: B023
    assert shapes(grow(flows).pruned(lambda flow: flow.name in "ef")) == {"port 2": "e", "recirc 9": "f"}


def test_the_first_at_the_top() -> None:
    tree = grow(
        [sample(name, f"recirc_id(0),in_port({port}),{IP}", "1") for name, port in zip("abcd", "1223", strict=True)]
    )
    for limit, left in enumerate(([], ["a"], ["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"])):
        kept, hidden = tree.first(limit)
        assert [node.flow.name for node in kept.walk()] == left
        assert hidden == 4 - limit
    assert tree.first(None) == (tree, 0)


def test_long_chains_go_on_at_the_end() -> None:
    length = 3 * MAX_DEPTH
    tree = grow([sample(str(at), f"recirc_id({at:#x}),{IP}", f"recirc({at + 1:#x})") for at in range(length)])
    assert len(list(tree.walk())) == length


def test_targets_are_found_within_actions() -> None:
    nested = "clone(recirc(1)),check_pkt_len(size=9,gt(recirc(2)),le(drop)),sample(sample=50%,actions(recirc(3)))"
    assert targets(parse_actions(f"{nested},recirc(1)")) == [1, 2, 3]
    assert targets(None) == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(["", "in_port(1),", "in_port(2),"]),
            st.lists(st.integers(0, 5), max_size=2),
        ),
        max_size=12,
    )
)
def test_every_flow_stands_in_the_tree_once(rows: list[tuple[int, str, list[int]]]) -> None:
    flows = [
        sample(str(place), f"recirc_id({number:#x}),{port}{IP}", ",".join(f"recirc({to})" for to in leads) or "drop")
        for place, (number, port, leads) in enumerate(rows)
    ]
    assert sorted(int(node.flow.name) for node in grow(flows).walk()) == list(range(len(flows)))


Row = tuple[int, str, list[int]]
ROWS: dict[str, Callable[[int], list[Row]]] = {
    "in a row": lambda n: [(k, IP, [k + 1]) for k in range(n)],
    "a row that no port leads to": lambda n: [(k, IP, [k + 1]) for k in range(1, n + 1)],
    "a row backwards": lambda n: [(k + 1, IP, [k]) for k in range(1, n + 1)],
    "unreached": lambda n: [(k, IP, []) for k in range(1, n + 1)],
    "a loop": lambda n: [(k, IP, [k % n + 1]) for k in range(1, n + 1)],
    "loops": lambda n: [(k, IP, [k ^ 1]) for k in range(2, n + 2)],
    "one below many": lambda n: [(0, IP, [1]) for _ in range(n)] + [(1, IP, [])],
    "many below one": lambda n: [(0, IP, [1])] + [(1, IP, []) for _ in range(n)],
    "one of many ports": lambda n: [(at, f"in_port({k}),{IP}", [1]) for k in range(n) for at in (0, 1)],
    "one of many sources": lambda n: [
        (at, IP.replace("frag", f"src=10.0.{k // 256}.{k % 256},frag"), [1]) for k in range(n) for at in (0, 1)
    ],
    "below others by one attribute, and apart by another": lambda n: [
        (at, f"{f'in_port({k}),' if at else ''}{IP},tcp(dst={k})", [1]) for k in range(n) for at in (0, 1)
    ],
    "of two masks, of which each tells half apart": lambda n: [
        (at, f"in_port({k}),{IP}" if k % 2 else f"{IP},tcp(dst={k})", [1]) for k in range(n) for at in (0, 1)
    ],
    "below others by some bits": lambda n: [
        (at, f"{IP},tcp(dst={k}{'' if at else '/0x0fff'})", [1]) for k in range(n) for at in (0, 1)
    ],
}


@pytest.mark.parametrize("name", ROWS)
def test_it_grows_with_the_number_of_flows(name: str) -> None:
    """Four times the flows take four times the steps; with the square they would take sixteen."""
    few, many = (steps(ROWS[name](count)) for count in (100, 400))
    assert many < 6 * few


_ATTRIBUTES = (KeyAttr.IN_PORT, KeyAttr.SKB_MARK, KeyAttr.DP_HASH)
_MATCH = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=3, max_size=3)


def facts(match: list[tuple[int, int]]) -> Facts:
    """Return what is known of three attributes, of each a value and a mask of two bits."""
    pairs = list(zip(_ATTRIBUTES, match, strict=True))
    key = FlowKey.of_kept({int(number): value for number, (value, _) in pairs})
    return Facts.of(key, FlowMask.of_kept({int(number): bits for number, (_, bits) in pairs}))


@given(st.lists(_MATCH, max_size=12), st.lists(_MATCH, max_size=6))
def test_a_crowd_finds_all_that_do_not_contradict(members: list[list[tuple[int, int]]], asked: list[Any]) -> None:
    items = [SimpleNamespace(place=place) for place in range(len(members))]
    crowd = Crowd(items, [facts(match) for match in members])
    taken: set[int] = set()
    for known in asked:
        fit = {
            place
            for place, match in enumerate(members)
            if not any((a ^ b) & bits & mine for (a, bits), (b, mine) in zip(match, known, strict=True))
        }
        assert crowd.has_taken(facts(known)) == bool(fit & taken)
        found = crowd.free(facts(known))
        assert [item.place for item in found] == sorted(fit - taken)
        for item in found[::2]:
            crowd.take(item)
            taken.add(item.place)
    assert [item.place for item in crowd.free()] == sorted(set(range(len(members))) - taken)
    assert crowd.has_free == (len(taken) < len(members))


def steps(rows: list[Row]) -> int:
    """Return how many lines of Python it takes to grow a tree of flows by recirculation id, match, and targets."""
    texts = [
        (f"recirc_id({number}),{match}", ",".join(f"recirc({to})" for to in leads)) for number, match, leads in rows
    ]
    flows = [sample("", match, actions) for match, actions in texts]
    count = 0

    def trace(*_: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        grow(flows)
    finally:
        sys.settrace(before)
    return count
