"""What a text costs grows with its length, not with the square of it: every parser, every view, every pattern.

Steps are counted, of Python lines; never time. What a regular expression does between two lines cannot be counted. So
every pattern is looked at: each repeat without a bound is possessive (``*+``), and gives nothing back to try again.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dpif
from dpif._lazy import _Pattern
from dpif.cli.commands.ct_limits import parse_zone_limit
from dpif.cli.commands.flow_file_lines import split_line
from dpif.cli.commands.ports import parse_interface
from dpif.cli.datapath_features import parse_features
from dpif.cli.errors import CommandError
from dpif.cli.numbers import read_number
from dpif.cli.output.colour import paint_doctor, paint_flow, paint_show
from dpif.conntrack.order import parse_order as parse_ct_order
from dpif.conntrack.parse import parse_match as parse_ct_match
from dpif.errors import DpifError
from dpif.odp.actions import parse_actions
from dpif.odp.filter.language import parse_filter
from dpif.odp.filter.order import parse_order
from dpif.odp.lines.fold import fold
from dpif.odp.model.key import format_key, parse_match
from dpif.odp.model.ufid import Ufid, split_ufid
from dpif.odp.openflow import openflow_mistake
from dpif.odp.text.flow_line import parse_flow_line
from dpif.odp.text.matches import encode_actions_text, encode_match_text
from dpif.packet.addresses import Mac
from dpif.packet.written import parse_packet

from .steps import steps_of

PARSERS: dict[str, Callable[[str], object]] = {
    "match": parse_match,
    "encoded match": encode_match_text,
    "encoded actions": encode_actions_text,
    "actions": parse_actions,
    "line of a dump": lambda text: parse_flow_line(f"in_port(1), packets:1, {text}, actions:{text}", 0),
    "match in the line of a dump": lambda text: parse_flow_line(
        f"{text}, packets:1, bytes:1, used:never, actions:", 0
    ),
    "filter": parse_filter,
    "order": parse_order,
    "UFID": Ufid,
    "flow with UFID": split_ufid,
    "MAC address": Mac,
    "line of a file": lambda text: split_line(text.strip() or "-", "add"),
    "conntrack match": lambda text: parse_ct_match(text.split(" ")),
    "port": parse_interface,
    "limit of a zone": parse_zone_limit,
    "features": parse_features,
    "number": read_number,
    "flow of OpenFlow": lambda text: openflow_mistake(text, text),
    "actions of OpenFlow": lambda text: openflow_mistake(None, text),
    "order of connections": parse_ct_order,
    "packet": parse_packet,
    "folded line": lambda text: list(fold(text, 80)),
    "coloured flow": paint_flow,
    "coloured port": paint_show,
    "coloured advice": paint_doctor,
}
STARTS = (
    "",
    "ipv6(src=",
    "encap(",
    "key99(",
    "ct_state(",
    "tunnel(geneve(",
    "tunnel(flags(",
    "nsh(",
    "mpls(",
    "ufid:",
    "set(",
    "clone(",
    "userspace(pid=1,userdata(",
    "userspace(pid=1,slow_path(",
    "ct(helper=",
    "ct(nat(src=",
    "psample(group=1,cookie=",
    "tnl_push(tnl_port(1),header(size=50,type=4,",
    "in_port == ",
    "ipv6.dst in ",
    "tcp,tp_dst=",
    "tcp,actions=load:",
    "ct(exec(",
    "udp 10.0.0.1:1>",
    "not ",
    "zone=1 ct_nw_src=",
    "h1,rx_pcap=",
)
UNITS = (
    ":",
    "a",
    "0",
    "9",
    "1.",
    "1:",
    " ",
    ",",
    "(",
    "()",
    "a(",
    "a(),",
    "+trk",
    "fin|",
    "a=1,",
    "a=(x),",
    "encap(",
    "clone(",
    "1,",
    "{}",
    "{class=1}",
    "not ",
    "tcp or ",
    "key1(),",
    "a/",
    "a-",
    "1=",
)
ENDS = ("", "=")
FEW, MANY = 200, 800


@pytest.mark.parametrize("name", PARSERS)
def test_every_parser_grows_with_the_text(name: str) -> None:
    """Four times the text takes four times the steps; with the square it would take sixteen."""
    read = PARSERS[name]
    for start in STARTS:
        for unit in UNITS:
            for end in ENDS:
                few, many = (steps(lambda n=n: read(start + unit * n + end)) for n in (FEW, MANY))  # noqa: B023
                assert many < 5 * few + 200, (start, unit, end)


@pytest.mark.parametrize("verbose", [False, True])
def test_every_view_grows_with_the_flow(verbose: bool) -> None:
    matches = {
        "options": lambda n: f"tunnel(dst=1.1.1.1,geneve({'{class=1,type=2,len=4,0x1}' * n}))",
        "bytes": lambda n: f"key99({'00 ' * n})",
        "attributes": lambda n: ",".join(f"key{number}(00)" for number in range(40, 40 + n)),
    }
    for name, match in matches.items():
        shown = [format_steps(lambda n=n: parse_match(match(n)), verbose) for n in (50, 200)]  # noqa: B023
        assert shown[1] < 5 * shown[0] + 200, name
    actions = {
        "outputs": lambda n: ",".join(["1"] * n),
        "clones": lambda n: ",".join(["clone(1,2)"] * n),
        "sets": lambda n: ",".join(["set(ipv4(src=10.0.0.1/255.0.0.0))"] * n),
        "one in one": lambda n: "clone(" * 15 + ",".join(["ct(commit)"] * n) + ")" * 15,
    }
    for name, text in actions.items():
        made = [parse_actions(text(n)) for n in (50, 200)]
        for show in (str, lambda one: one.format(verbose=verbose), lambda one: one.plain()):
            few, many = (steps(lambda one=one: show(one)) for one in made)  # noqa: B023
            assert many < 5 * few + 200, name


def format_steps(read: Callable[[], Any], verbose: bool) -> int:
    """Return the steps that it takes to show a key in each way."""
    key, mask = read()
    return steps(lambda: (format_key(key, mask, verbose=verbose), key.plain_pair(mask), str(key)))


def steps(work: Callable[[], object]) -> int:
    """Return the steps of some work, which may fail as it says it does."""

    def attempt() -> None:
        with contextlib.suppress(DpifError, CommandError):
            work()

    return steps_of(attempt)


def modules() -> Iterator[Any]:
    """Import all of dpif but the lab and what is for tests; leave out what needs a package that is not there."""
    for found in pkgutil.walk_packages(dpif.__path__, "dpif."):
        if not found.name.startswith(("dpif.lab", "dpif.testing", "dpif.__main__")):
            with contextlib.suppress(ModuleNotFoundError):
                yield importlib.import_module(found.name)


def patterns() -> dict[str, str | bytes]:
    """Return the regular expressions of all modules."""
    found: dict[str, str | bytes] = {}
    for module in modules():
        values = dict(vars(module))
        for name, value in list(values.items()):
            values |= {f"{name}[{key!r}]": one for key, one in value.items()} if isinstance(value, dict) else {}
        for name, value in values.items():
            if isinstance(value, re.Pattern):
                found[f"{module.__name__}.{name}"] = value.pattern
            elif isinstance(value, _Pattern):
                found[f"{module.__name__}.{name}"] = value._text
    return found


def test_no_pattern_tries_again() -> None:
    found = patterns()
    assert len(found) > 40
    for name, pattern in found.items():
        assert not list(_giving_back(parser.parse(pattern))), f"{name}: {pattern!r}"


@pytest.mark.parametrize("pattern", ["a*b", "(?:a|b)+", "(?:ab*)*+c", "a{2,}", "(?=a*b)", "a|b+"])
def test_one_that_does_is_found(pattern: str) -> None:
    assert list(_giving_back(parser.parse(pattern)))


def _giving_back(tree: Any) -> Iterator[Any]:
    """Yield the repeats that have no bound and are not possessive."""
    for operation, argument in tree:
        if operation in (sre.MAX_REPEAT, sre.MIN_REPEAT) and argument[1] == sre.MAXREPEAT:
            yield argument
        for part in _trees(argument):
            yield from _giving_back(part)


def _trees(argument: Any) -> Iterator[Any]:
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, (tuple, list)):
        for one in argument:
            yield from _trees(one)
