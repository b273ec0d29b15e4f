"""What ``--json`` and ``--json-lines`` print, of every command that prints something, fits the schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpif import FlowKey, FlowMask, parse_actions
from dpif.cli.command_table import BY_NAME, COMMANDS
from dpif.odp.model.key import parse_match

from .conftest import Run
from .examples import examples

UFID = "ufid:00112233-4455-6677-8899-aabbccddeeff"
TCP = (
    "ct_state(+est-new),ct_label(0x5/0xff),in_port(1),eth(src=00:01:02:03:04:05),eth_type(0x0800),"
    "ipv4(dst=10.0.0.0/255.0.0.0,proto=6,frag=no),tcp(dst=80),tcp_flags(+syn-ack)"
)
ACTIONS = (
    "set(ipv4(ttl=5/0xff)),push_vlan(vid=5,pcp=1),ct(commit,zone=3,mark=0x1/0xf,nat(src=10.0.0.1)),"
    "clone(2),sample(sample=50.0%,actions(userspace(pid=7,slow_path(cfm)))),recirc(0x1)"
)
FILE = "in_port(2),eth(),eth_type(0x0806),arp() 1\nnonsense\n\ndelete in_port(3),eth(),eth_type(0x0806),arp()\n"
ADD = ("add-flow", "netdev@br0", "in_port(2),eth(),eth_type(0x0800),ipv4()", "1")
DEL = ("del-flow", "netdev@br0", "in_port(2),eth(),eth_type(0x0800),ipv4()")

BY_HAND = [
    ("add-flow", "-s", "netdev@br0", "in_port(1),eth(),eth_type(0x0800),ipv4(dst=11.0.0.0/255.0.0.0)", "1"),
    ("add-flows", "netdev@br0", "FILE"),
    ("add-flows", "-s", "netdev@br0", "FILE"),
    ("batch", "--keep-going", "BATCH"),
    ("cache-set-size", "netdev@br0", "masks-cache", "100"),
    ("ct-get-limits", "netdev@br0"),
    ("del-flow", "-s", "netdev@br0", f"{UFID},in_port(1),eth(),eth_type(0x0800),ipv4()"),
    ("del-flows", "-s", "netdev@br0", "FILE"),
    ("doctor", "netdev@br0"),
    ("dump-conntrack", "netdev@br0"),
    ("dump-flows",),
    ("dump-flows", "-m", "netdev@br0"),
    ("dump-flows", "netdev@br0", "filter=tcp"),
    ("dump-flows", "netdev@br0", "--sort=packets", "--limit=1"),
    ("dump-flows", "netdev@br0", "--tree"),
    ("dump-flows", "netdev@br0", "pmd=1"),
    ("execute", "netdev@br0", "icmp 10.0.0.1 > 10.0.0.2 in h1", "recirc(0)"),
    ("get-flow", "netdev@br0", UFID),
    ("help",),
    ("help", "show", "version"),
    ("--help",),
    ("show", "--help"),
    ("mod-flow", "-s", "netdev@br0", f"{UFID},{TCP}", "2"),
    ("mod-flows", "netdev@br0", "FILE"),
    ("normalize-actions", "eth(),eth_type(0x1234)", "push_vlan(vid=9,pcp=0),2,pop_vlan,1"),
    ("normalize-actions", "-m", "eth(),eth_type(0x8847),mpls(label=5,tc=0,ttl=9,bos=1)", "2"),
    ("parse-actions", "drop", ACTIONS),
    ("send", "netdev@br0", "h1", "arp who-has 10.0.0.2 tell 10.0.0.1"),
    ("show",),
    ("show", "-s", "netdev@br0"),
    ("--version",),
]
"""Of these commands more is tried than their examples, or something else."""
SILENT = {"add-dp", "del-dp", "add-if", "del-if", "set-if", "flush-conntrack", "ct-set-limits", "ct-del-limits"}
EMPTY = {("dump-conntrack", "netdev@br0"), ("dump-flows", "netdev@br0", "pmd=1")}
ON_THE_KERNEL_ALONE = {"ct-bkts"}
ELSEWHERE = {words[0] for words in BY_HAND} | SILENT | ON_THE_KERNEL_ALONE
"""Those that are tried by hand, print nothing, or cannot be tried here; test_listening.py has those that run on."""
PRINTING = BY_HAND + [
    words
    for command in COMMANDS
    if not (command.text_only or command.runs_on or command.refused) and command.name not in ELSEWHERE
    for words in examples(command)
]
"""Other commands are tried by the examples of the table: one that is new needs no place here."""


@pytest.fixture
def flows(br0: str, run: Run, tmp_path: Path) -> Callable[[str], str]:
    """Two flows in netdev@br0; return what puts files in the place of their names."""
    assert run("add-flow", br0, f"{UFID},{TCP}", ACTIONS) == (0, "", "")
    assert run("add-flow", br0, "in_port(2),eth(),eth_type(0x0806),arp(op=1)", "drop") == (0, "", "")
    assert run("add-flow", br0, "recirc_id(1),in_port(1),eth(),eth_type(0x0800),ipv4()", "2") == (0, "", "")
    paths = {"FILE": tmp_path / "flows.txt", "BATCH": tmp_path / "commands.txt"}
    paths["FILE"].write_text(FILE)
    paths["BATCH"].write_text(
        "show\ndump-flows\nget-flow nowhere\nadd-if netdev@br0 h1\nadd-flows netdev@br0 nowhere\n"
    )
    return lambda word: str(paths.get(word, word))


def test_only_commands_are_named() -> None:
    assert ELSEWHERE - {"--help", "--version"} <= set(BY_NAME)


@pytest.mark.parametrize("words", PRINTING, ids=" ".join)
def test_a_document(run: Run, flows: Callable[[str], str], check_json: Any, words: tuple[str, ...]) -> None:
    ran = run("--json", *map(flows, words))
    document = check_json.document(ran.stdout)
    assert document.get("complete", ran.status == 0) == (ran.status == 0)


@pytest.mark.parametrize("words", [words for words in PRINTING if "--tree" not in words], ids=" ".join)
def test_lines(run: Run, flows: Callable[[str], str], check_json: Any, words: tuple[str, ...]) -> None:
    command = {"--help": "help", "--version": "version"}.get(words[-1], words[0])
    assert check_json.lines(run("--json-lines", *map(flows, words)).stdout, command) or words in EMPTY


def test_flows_are_told_whole(run: Run, flows: Callable[[str], str], check_json: Any) -> None:
    flows_told = check_json.document(run("--json", "dump-flows", "-m", "--no-names").stdout)["flows"]
    (told,) = [flow for flow in flows_told if flow["ufid"] == UFID]
    key, mask = FlowKey(**told["key"]), FlowMask(**told["mask"])
    assert key.format(mask, verbose=True) == told["match"]
    assert parse_actions(told["actions"]).plain() == told["action_list"]


def test_what_is_matched(run: Run, flows: Callable[[str], str], check_json: Any) -> None:
    told = check_json.document(run("--json", "get-flow", "netdev@br0", UFID).stdout)
    assert told["key"]["ipv4"] == {"dst": "10.0.0.0", "proto": 6, "frag": "no"}
    assert told["mask"]["ipv4"] == {"dst": "255.0.0.0", "proto": 255, "frag": 255}
    assert told["key"]["tcp_flags"] == ["syn"]
    assert told["mask"]["tcp_flags"] == ["syn", "ack"]
    assert told["key"]["ct_label"] == "0x5"
    assert parse_match(told["match"]) == (FlowKey(**told["key"]), FlowMask(**told["mask"]))


def test_lines_of_a_file(run: Run, flows: Callable[[str], str], check_json: Any) -> None:
    path = flows("FILE")
    ran = run("--json", "add-flows", "-s", "netdev@br0", path)
    document = check_json.document(ran.stdout)
    assert ran.status == 1
    assert ran.stderr == f"dpif: {path}: 2 of 3 lines failed\n"
    assert [(line["line"], line["operation"], line["errno"]) for line in document["lines"]] == [
        (1, "add", None),
        (2, "add", "EINVAL"),
        (4, "delete", "ENOENT"),
    ]
    assert document["lines"][0]["statistics"]["packets"] == 0
    assert (document["carried_out"], document["failed"], document["complete"]) == (1, 2, False)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("dump-flows", "netdev@br9"), 1),
        (("dump-flows", "netdev@br0", "filter=nonsense"), 1),
        (("parse-actions",), 2),
        (("ct-get-nconns", "netdev@br0"), 1),
        (("serve",), 2),
        (("switch", "netdev@br0"), 2),
    ],
)
def test_a_command_that_fails_prints_nothing(run: Run, br0: str, words: tuple[str, ...], status: int) -> None:
    ran = run("--json", *words)
    assert (ran.status, ran.stdout, ran.stderr.count("\n")) == (status, "", 1)


@pytest.mark.parametrize("words", [ADD, DEL, ("add-if", "netdev@br0", "h3"), ("del-flows", "netdev@br0")])
def test_what_has_nothing_to_tell_prints_nothing(run: Run, br0: str, words: tuple[str, ...]) -> None:
    run(*ADD) if words is DEL else None
    assert run("--json", *words) == (0, "", "")


def test_advice_is_no_part_of_it(run: Run, br0: str) -> None:
    ran = run("--json", *DEL)
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.startswith("dpif: Perhaps you need to specify a UFID?\ndpif: deleting flow (No such file")


def test_the_first_of_many_that_is_wrong_ends_the_array(run: Run, check_json: Any) -> None:
    ran = run("--json", "parse-actions", "1", "x")
    assert check_json.document(ran.stdout)["complete"] is False
    assert len(json.loads(ran.stdout)["parsed"]) == 1
    assert ran.status == 1


def test_a_dump_takes_no_memory_to_speak_of(run: Run, br0: str, tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "many.txt"
    rule = "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.{}.{}) 1\n"
    path.write_text("".join(rule.format(number >> 8, number & 255) for number in range(3000)))
    assert run("add-flows", br0, str(path)).status == 0
    peaks = []
    for limit in ("100", "3000"):
        with open(tmp_path / "out.json", "w") as out, pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            tracemalloc.start()
            run("--json", "dump-flows", "--limit", limit, br0)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert len(json.loads((tmp_path / "out.json").read_text())["flows"]) == int(limit)
    assert peaks[1] < 2 * peaks[0] + 500_000
