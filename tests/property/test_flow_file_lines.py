"""Lines of files of flows mean the same whichever way they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.cli.commands import flow_file_lines, flow_texts
from dpif.cli.commands.flow_file_lines import LineReader
from dpif.cli.commands.flow_texts import FlowReader
from dpif.client.datapath import Datapath
from dpif.client.operations import Delete, Put
from dpif.testing.userspace import UserspaceHarness

MATCHES = [
    "in_port({}),eth(src=02:00:00:00:00:{:02x}),eth_type(0x0806)",
    "in_port(1),eth(),eth_type(0x0800),ipv4(src=10.0.0.{}/255.255.255.0,frag=no)",
    "udp(src={}/{:#x})",
    "tunnel(tun_id={},geneve({{class=0x102,type=0x80,len=4,{:#x}}}),flags(df|key)),in_port(1)",
    "in_port(nobody),eth()",
    "ufid:00000000-0000-0000-0000-000000000001,in_port({})",
    "key99(00 01)",
    "in_port(",
    "",
    "#",
]
VERBS = ["", "", "", "add ", "mod ", "delete ", "d,", "\t"]
ACTIONS = [
    "",
    " 2",
    " 2",
    " drop",
    " set(ipv4(ttl=3)),2",
    " 1, 2",
    "  3 ",
    " 2 # a comment",
    "\t4",
    " nonsense",
    " \xa05",
    "# 2",
    " \ud800",
]
ENDS = ["", "", "\r", " ", "#"]


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    numbers = st.integers(0, 5) | st.integers(0, 70_000)
    match = draw(st.sampled_from(MATCHES)).format(draw(numbers), draw(numbers))
    line = draw(st.sampled_from(VERBS)) + match + draw(st.sampled_from(ACTIONS)) + draw(st.sampled_from(ENDS))
    return line.encode(errors="surrogatepass")


def slow_reader(patch: pytest.MonkeyPatch, dp: Datapath, verb: str) -> LineReader:
    """Return a reader that parses every text."""
    for module in (flow_file_lines, flow_texts):
        patch.setattr(module, "encode_match_text", lambda text: None)
        patch.setattr(module, "encode_actions_text", lambda text: None)
    flow_texts._encode_actions.cache_clear()
    return LineReader(FlowReader(dp), verb)


def said(operation: Put | Delete | str | None) -> object:
    """Return what two operations that are the same have in common."""
    if not isinstance(operation, Put | Delete):
        return operation
    request = operation.request(7)
    return type(operation), request.payload, request.kind.flags


@given(st.lists(lines(), max_size=8), st.sampled_from(["add", "modify", "delete"]))
def test_both_ways_agree(texts: list[bytes], verb: str) -> None:
    with UserspaceHarness() as harness:
        dp = harness.open("lines", create=True)
        fast = LineReader(FlowReader(dp), verb)
        numbered = [(line, number) for number, line in enumerate([*texts, *texts])]
        found = [said(fast.read(*line)) for line in numbered]
        with pytest.MonkeyPatch.context() as patch:
            slow = slow_reader(patch, dp, verb)
            expected = [said(slow.read(*line)) for line in numbered]
    assert found == expected


@given(st.lists(st.lists(lines(), max_size=20), max_size=5), st.sampled_from(["add", "modify", "delete"]))
def test_lines_together_are_lines_by_themselves(reads: list[list[bytes]], verb: str) -> None:
    with UserspaceHarness() as harness, pytest.MonkeyPatch.context() as patch:
        dp = harness.open("lines", create=True)
        fast = LineReader(FlowReader(dp), verb)
        found = [said(operation) for read in reads for operation in fast.read_all(read, 1)]
        slow = slow_reader(patch, dp, verb)
        expected = [said(slow.read(line, number)) for read in reads for number, line in enumerate(read, 1)]
    assert found == expected


def test_a_line_like_the_one_before_takes_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = LineReader(FlowReader(None), "add")  # type: ignore[arg-type]
    first = reader.read(b"in_port(1),eth(src=02:00:00:00:00:01) 2", 1)
    monkeypatch.setattr(LineReader, "_read_slowly", None)
    second = reader.read(b"in_port(1),eth(src=02:00:00:00:00:01) 2", 2)
    assert said(first) == said(second)
    assert isinstance(reader.read(b"in_port(1),eth(src=02:00:00:00:00:02) 2\r", 3), Put)
