"""Workloads: drawn from a seed, each flow with every value new, of whatever the kernel knows, and taken by it."""

from __future__ import annotations

import itertools
import re
from random import Random
from typing import Any

import pytest

from dpif import FlowKey, format_key, parse_actions, parse_match
from dpif.odp.actions import load_all
from dpif.odp.constants import TunnelKeyAttr
from dpif.odp.kernel.check import explain_actions
from dpif.odp.kernel.match import READ
from dpif.odp.kernel.rules import LINUX_6_1, NEWEST
from dpif.odp.lines.compiled import FlowLines
from dpif.odp.lines.text import format_flow_line
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.tunnel import Tunnel

NAMES = ("plain", "ovn", "openstack", "dumps", "random")
WITHOUT_ZONES = LINUX_6_1._replace(ct_zones=False)
NO_OPTIONS_OF_THE_KERNEL = {TunnelKeyAttr.PAD, TunnelKeyAttr.GTPU_OPTS}
NOW = 2_000_000_000
"""Milliseconds, later than any flow was used."""
_VALUE = re.compile(r"(?<=[(=])(?:(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|[0-9.]{7,15}|0x[0-9a-f]{6,})(?=[,)])")
"""Values so wide that no two flows have the same by chance."""


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_is_drawn_from_its_seed(name: str) -> None:
    from workloads import flows

    assert flows(name, 50, seed=3) == flows(name, 50, seed=3)
    assert flows(name, 50, seed=3) == flows(name, 60, seed=3)[:50]
    assert not {flow.match for flow in flows(name, 50, seed=3)} & {flow.match for flow in flows(name, 50, seed=4)}


@pytest.mark.parametrize("name", NAMES)
def test_each_flow_has_every_value_new(name: str) -> None:
    from workloads import WORKLOADS, fill, flows, forms

    assert name in WORKLOADS
    found = flows(name, 400)
    assert len({flow.match for flow in found}) == len({flow.ufid for flow in found if flow.ufid}) + sum(
        not flow.ufid for flow in found
    )
    form = forms(name)[0]
    fixed = {text.partition("=")[2] for text in form.fixed}
    some = list(itertools.islice(fill([form]), 50))
    values = [value for flow in some for value in set(_VALUE.findall(flow.line())) - fixed]
    assert len(values) >= 50
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("rules", [NEWEST, WITHOUT_ZONES], ids=["newest", "lab"])
@pytest.mark.parametrize("name", NAMES)
def test_each_form_is_one_that_the_kernel_takes_and_is_written_as_a_dump_writes_it(name: str, rules: object) -> None:
    from workloads import fill, forms

    given = [form._replace(share=1) for form in forms(name, 5, rules)]
    for flow in itertools.islice(fill(given), 2 * len(given)):
        key, mask = parse_match(flow.match)
        actions = parse_actions(flow.actions)
        assert explain_actions(actions, key, mask, rules) is None, flow.line()
        assert format_key(key, mask) == flow.shown
        assert actions.format() == flow.actions
        assert flow.shown in flow.dump_line()


@pytest.mark.parametrize("name", NAMES)
def test_a_message_tells_the_flow(name: str) -> None:
    from workloads import flows

    found = flows(name, 60)
    for flow in found:
        record = FlowRecord.from_reply(flow.message())
        assert record.ufid == flow.ufid
        actions = record.flow_actions()
        assert actions is not None
        assert _told(actions.format()) == _told(flow.actions)
        assert (record.stats.n_packets if record.stats else 0) == flow.packets
        assert (record.used or 0, record.tcp_flags or 0) == (flow.used, flow.tcp_flags)
        key, mask = record.flow_key(), record.flow_mask()
        assert key is not None
        told, shown = _told(format_key(key, mask)), _told(flow.shown)
        assert set(told) <= set(shown)
        assert told == shown or name == "random"  # of a tunnel the kernel leaves fields out that are zero
        assert flow.put().request(5).payload == flow.request()
    assert {flow.used > 0 for flow in found} == {True, False}


def _told(match: str) -> list[str]:
    """Return what a match tells, in whatever order; the kernel tells of extension headers though wildcarded."""
    return sorted(re.findall(r"[^,(){}]+", match.replace(",key32(00 00/00 00)", "")))


def test_shares_are_those_that_are_told() -> None:
    from workloads import flows, forms

    assert sum(form.share for form in forms("ovn")) == 100
    assert sum(form.share for form in forms("openstack")) == 100
    ovn = flows("ovn", 1000)
    assert sum("tunnel(" in flow.match for flow in ovn) == 350  # of 33 forms out of a tunnel, and two with ARP
    assert sum("geneve(" in flow.actions for flow in ovn) == 310
    openstack = flows("openstack", 1000)
    assert sum("vlan(" in flow.match for flow in openstack) == 300
    assert sum(flow.match.count("vlan(") == 2 for flow in openstack) == 80
    assert sum("tunnel(" in flow.match for flow in openstack) == 260


def test_random_flows_have_whatever_the_kernel_takes() -> None:
    from workloads import forms
    from workloads.random_forms import draw_form

    keys, tunnels, actions = set(), set(), set()
    for form in forms("random", 2) + forms("random", 3):
        key, _ = parse_match(form.match)
        keys |= _numbers(key)
        if key.tunnel is not None:
            tunnels |= {number for number, _ in key.tunnel.kept()}
        actions |= set(re.findall(r"[a-z_]+(?=[,()]|$)", form.actions))
    assert keys == READ
    assert tunnels == set(Tunnel.ATTRS) - NO_OPTIONS_OF_THE_KERNEL
    words = {cls.word for number, cls in load_all().by_number.items() if number <= NEWEST.newest_action and cls.word}
    assert words <= actions
    random = Random(1)
    assert len({draw_form(random, WITHOUT_ZONES) for _ in range(20)}) == 20


def _numbers(key: FlowKey) -> set[int]:
    found = {number for number, _ in key.kept()}
    return found if key.encap is None else found | _numbers(key.encap)


def test_there_is_a_kind_for_every_attribute_and_action() -> None:
    from workloads import fill
    from workloads.kinds import KINDS

    keys, tunnels, actions = set(), set(), set()
    for form in KINDS.values():
        flow = next(fill([form]))
        key, mask = parse_match(flow.match)
        assert explain_actions(parse_actions(flow.actions), key, mask) is None, flow.line()
        assert (format_key(key, mask), parse_actions(flow.actions).format()) == (flow.shown, flow.actions)
        keys |= _numbers(key)
        if key.tunnel is not None:
            tunnels |= {number for number, _ in key.tunnel.kept()}
        actions |= {type(action) for action in parse_actions(flow.actions)}
    assert keys == READ
    assert tunnels == set(Tunnel.ATTRS) - NO_OPTIONS_OF_THE_KERNEL
    known = {cls for number, cls in load_all().by_number.items() if number <= NEWEST.newest_action}
    assert {cls.__name__ for cls in known - actions} == {"Drop"}  # a list with no other action says the same


def test_a_template_keeps_what_is_fixed_and_draws_under_masks() -> None:
    from workloads import Template

    random = Random(1)
    template = Template(
        "in_port(1),ipv4(src=10.0.0.0/255.0.0.0,ttl=64,proto=6),sample(sample=50.0%)", frozenset({"ttl=64"})
    )
    text = template.fill(template.draw(random))
    assert re.fullmatch(
        r"in_port\(\d+\),ipv4\(src=\d+\.0\.0\.0/255\.0\.0\.0,ttl=64,proto=6\),sample\(sample=50\.0%\)", text
    )
    ranges = Template("nat(src=10.0.0.1-10.0.0.9:5-9)")
    ends = re.fullmatch(r"nat\(src=[\d.]+-[\d.]+:(\d+)-(\d+)\)", ranges.fill(ranges.draw(random)))
    assert ends is not None
    assert int(ends[1]) <= int(ends[2])


@pytest.mark.parametrize("name", ["random", "kinds"])
def test_the_fast_ways_and_the_slow_ones_agree(name: str) -> None:
    """Of each form some flows come, so that what was learnt from the first is used for the others."""
    from workloads import Form, fill
    from workloads.kinds import KINDS
    from workloads.random_forms import draw_form

    random = Random(11)
    given = list(KINDS.values()) if name == "kinds" else [draw_form(random, NEWEST) for _ in range(60)]
    assert isinstance(given[0], Form)
    names = {number: f"port{number}" for number in range(0, 0xFFFF, 2)}
    styles: list[dict[str, Any]] = [{}, {"verbose": True}, {"port_names": names}]
    renderers = [(style, FlowLines(**style, clock=lambda: NOW)) for style in styles]
    for flow in itertools.islice(fill(given), 6 * len(given)):
        message = flow.message()
        record = FlowRecord.from_reply(message)
        for style, renderer in renderers:
            assert renderer.lines([message]) == [format_flow_line(record, NOW, **style)]
        assert flow.put().request(5).payload == flow.request()
