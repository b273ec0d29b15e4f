"""What ``--json`` prints of the kernel's datapath, of every command that prints something."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dpif import Datapath, FlowKey, FlowMask
from dpif.cli import main
from dpif.packet import build
from dpif.testing.kernel import KernelHarness

GOLDEN = Path(__file__).parent.parent / "golden" / "odp" / "flows.txt"
IPV4 = "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)"
UFID = "ufid:00112233-4455-6677-8899-aabbccddeeff"
PRINTING = [
    ("add-flow", "-s", "json0", "in_port(7),eth(),eth_type(0x0806),arp()", "1"),
    ("add-flows", "json0", "FILE"),
    ("batch", "--keep-going", "BATCH"),
    ("cache-get-size",),
    ("cache-set-size", "json0", "masks-cache", "256"),
    ("ct-bkts", "json0"),
    ("ct-get-limits", "json0"),
    ("ct-stats-show", "-m", "json0"),
    ("del-flow", "-s", "json0", f"{UFID},in_port(1),eth(),eth_type(0x0806),arp()"),
    ("del-flows", "-s", "json0", "FILE"),
    ("doctor", "json0"),
    ("dump-conntrack", "-m", "-s", "json0"),
    ("dump-dps",),
    ("dump-flows", "-m", "json0"),
    ("get-flow", "json0", UFID),
    ("list-commands",),
    ("mod-flow", "-s", "json0", f"{UFID},in_port(1),eth(),eth_type(0x0806),arp()", "2"),
    ("mod-flows", "json0", "FILE"),
    ("normalize-actions", "eth(),eth_type(0x1234)", "push_vlan(vid=9,pcp=0),2,pop_vlan,1"),
    ("parse-actions", "drop", "1,2"),
    ("show", "-s"),
    ("version",),
]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def dp() -> Iterator[Datapath]:
    """A datapath that tracked connections of UDP, TCP and ICMP."""
    with KernelHarness() as harness:
        dp = harness.open("json0", create=True)
        first, second = harness.host(), harness.host()
        dp.ports.add(first.name, number=1)
        dp.ports.add(second.name, number=2)
        dp.ports.add("vx0", type="vxlan", number=3, options={"dst_port": 4790})
        dp.flows.add(IPV4, "ct(commit,mark=0x5/0xffffffff,label=0xabc0000000000000000),2")
        dp.flows.add(f"{UFID},in_port(1),eth(),eth_type(0x0806),arp()", "2")
        for payload in (
            build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"question"),
            build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, flags=2),
            build.echo("10.0.0.1", "10.0.0.2", ident=7),
        ):
            packet = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", payload)
            first.send(packet)
            assert second.recv() == packet
        yield dp
        dp.conntrack.flush()


@pytest.fixture
def run(dp: Datapath, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command line and return what it prints; with files in the place of their names."""
    paths = {"FILE": tmp_path / "flows.txt", "BATCH": tmp_path / "commands.txt"}
    paths["FILE"].write_text("in_port(2),eth(),eth_type(0x0806),arp() 1\nnonsense\n")
    paths["BATCH"].write_text("show\ndump-flows json0\nget-flow nowhere\nadd-if json0 nowhere\n")

    def run_words(*words: str) -> str:
        main([str(paths.get(word, word)) for word in words])
        return capsys.readouterr().out

    return run_words


@pytest.mark.parametrize("words", PRINTING, ids=lambda words: words[0])
def test_a_document(run: Run, check_json: Any, words: tuple[str, ...]) -> None:
    for switch in ("--json", "--json-lines"):
        run("del-flow", "json0", "in_port(7),eth(),eth_type(0x0806),arp()")
        run("add-flow", "json0", f"{UFID},in_port(1),eth(),eth_type(0x0806),arp()", "2")
        printed = run(switch, *words)
        if switch == "--json":
            check_json.document(printed)
        else:
            assert check_json.lines(printed, words[0])


def test_a_port(run: Run, check_json: Any) -> None:
    ((datapath),) = check_json.document(run("--json", "show", "-s", "json0"))["datapaths"]
    ports = {port["number"]: port for port in datapath["ports"]}
    assert ports[0]["type"] == "internal"
    assert ports[1]["statistics"]["rx_packets"] >= 3
    assert ports[1]["statistics"]["collisions"] == 0
    assert ports[3]["options"] == {"dst_port": 4790}


def test_connections(run: Run, check_json: Any) -> None:
    connections = check_json.document(run("--json", "dump-conntrack", "json0"))["connections"]
    told = {connection["protocol"]: connection for connection in connections}
    assert told["udp"]["orig"] | {"packets": 1} == {
        "src": "10.0.0.1",
        "dst": "10.0.0.2",
        "protocol": 17,
        "src_port": 1000,
        "dst_port": 53,
        "packets": 1,
    }
    assert (told["udp"]["mark"], told["udp"]["labels"]) == (5, "0xabc0000000000000000")
    assert told["tcp"]["tcp"]["state"] == "SYN_SENT"
    assert told["icmp"]["orig"]["icmp_id"] == 7
    assert "CONFIRMED" in told["udp"]["status"]


def test_the_flows_of_the_golden_data(dp: Datapath, run: Run, check_json: Any, tmp_path: Path) -> None:
    lines = [line.partition(" | ") for line in GOLDEN.read_text().splitlines() if " | " in line]
    (tmp_path / "golden.txt").write_text("".join(f"{flow} {actions or 'drop'}\n" for flow, _, actions in lines))
    dp.flows.flush()
    run("add-flows", "json0", str(tmp_path / "golden.txt"))
    told = check_json.document(run("--json", "dump-flows", "-m", "--no-names", "json0"))["flows"]
    flows = list(dp.flows)
    assert len(told) == len(flows) > 100
    found = {json.dumps([flow["key"], flow["mask"]], sort_keys=True) for flow in told}
    assert len(found) == len(told)
    told = [flow for flow in told if flow["mask"].get("mpls") != []]  # shown by the kernel, but not taken
    rebuilt = {(FlowKey(**flow["key"]), FlowMask(**flow["mask"])) for flow in told}
    assert len(rebuilt) == len(told)
    assert rebuilt <= {(flow.key, flow.mask) for flow in flows}


def test_flows_are_known_again_by_their_text(run: Run, tmp_path: Path) -> None:
    """Those with a UFID, whose key the kernel tells masked, and those without; of any kind that the datapath has."""
    run("del-flows", "json0")
    flows = [
        "in_port({}),eth(src=02:00:00:00:00:01/ff:ff:ff:00:00:00),eth_type(0x0800),ipv4(src=10.1.2.3/255.0.0.0,proto=6),"
        "tcp(dst=80),tcp_flags(0/0)",
        "recirc_id(5),in_port({}),ct_state(+trk),eth(),eth_type(0x86dd),ipv6(proto=58),icmpv6(type=135),nd()",
        "tunnel(tun_id=5,dst=1.2.3.4,ttl=0/0,flags(-df-csum+key)),in_port({}),eth(),eth_type(0x0806),arp(sip=10.0.0.7)",
        "in_port({}),eth(),eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x0800),ipv4(proto=17),udp(src=8/8))",
    ]
    lines = tmp_path / "flows"
    named = [f"{UFID[:-1]}{port},{flow.format(port)}" for port, flow in enumerate(flows)]
    lines.write_text("".join(f"{flow} 1\n" for flow in [*named, *(flow.format(9) for flow in flows)]))
    assert main(["add-flows", "json0", str(lines)]) == 0
    told = [json.loads(line) for line in run("dump-flows", "--json-lines", "json0").splitlines()]
    assert sorted(flow["ufid"] is None for flow in told) == [False] * len(flows) + [True] * len(flows)
    for verb, rest, left in (("mod-flow", " drop", ["drop"] * len(told)), ("del-flow", "", [])):
        lines = tmp_path / verb
        lines.write_text("".join(f"{verb} json0 {flow['flow']}{rest}\n" for flow in told))
        assert main(["batch", str(lines)]) == 0
        shown = run("dump-flows", "--json-lines", "json0").splitlines()
        assert [json.loads(line)["actions"] for line in shown] == left


def test_flows_are_deleted_by_a_filter(run: Run) -> None:
    run("del-flows", "json0")
    for port in range(1, 9):
        run("add-flow", "json0", f"in_port({port}),eth(),eth_type(0x0806),arp()", "1")
    assert (
        run("del-flows", "json0", "filter=in_port <= 3 and packets == 0") == "deleted 3 of 8 flows of system@json0\n"
    )
    assert run("del-flows", "filter=in_port==99", "json0") == "deleted 0 of 5 flows of system@json0\n"
    assert len(run("dump-flows", "json0").splitlines()) == 5


def test_connections_are_deleted_by_their_text(run: Run, check_json: Any) -> None:
    """One after the other, each alone."""

    def connections() -> list[str]:
        document = check_json.document(run("--json", "dump-conntrack", "json0"))
        return [connection["match"] for connection in document["connections"]]

    rest = connections()
    assert len(rest) >= 3
    while rest:
        run("flush-conntrack", "json0", *rest.pop(0).split())
        assert connections() == rest
