"""Each command on a userspace datapath that is served."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dpif.testing.waiting import eventually
from dpif.userspace import UserspaceSystem

from .conftest import Ran, Run

CAPTURES = Path(__file__).parents[2] / "captures"
ARP = "in_port(1),eth(),eth_type(0x0806),arp()"
FRAME = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002")
UFID = "ufid:00112233-4455-6677-8899-aabbccddeeff"


def failed(ran: Ran, *parts: str) -> None:
    """Assert that a command said in one line what was wrong."""
    assert ran.status == 1
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("dpif: ")
    for part in parts:
        assert part in ran.stderr


# -- datapaths


def test_datapaths_come_and_go(system: UserspaceSystem, run: Run) -> None:
    assert run("dump-dps") == (0, "", "")
    assert run("add-dp", "netdev@br1") == (0, "", "")
    assert run("add-dp", "netdev@br0") == (0, "", "")
    assert run("dump-dps") == (0, "netdev@br0\nnetdev@br1\n", "")
    assert run("del-dp", "netdev@br1") == (0, "", "")
    assert run("dump-dps").stdout == "netdev@br0\n"


def test_a_datapath_with_features_and_an_index(system: UserspaceSystem, run: Run) -> None:
    assert run("add-dp", "--features", "unaligned,vport-pids", "--ifindex", "4711", "netdev@br1") == (0, "", "")
    (shown,) = json.loads(run("--json", "show", "netdev@br1").stdout)["datapaths"]
    assert shown["features"] == ["unaligned", "vport-pids"]
    assert system.device("br1").ifindex == 4711
    assert run("add-dp", "--features=0x1", "netdev@br2") == (0, "", "")
    (shown,) = json.loads(run("--json", "show", "netdev@br2").stdout)["datapaths"]
    assert shown["features"] == ["unaligned"]
    failed(run("add-dp", "--ifindex=4711", "netdev@br3"), "add_dp (File exists)")
    failed(run("add-dp", "--features=0x80000000", "netdev@br3"), "add_dp (")
    assert run("dump-dps") == (0, "netdev@br1\nnetdev@br2\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--features", "unalinged"), "unknown feature 'unalinged'; there are unaligned, vport-pids"),
        (("--features", ""), "unknown feature ''"),
        (("--features", "0x100000000"), "unknown feature '0x100000000'"),
        (("--ifindex", "x"), "--ifindex"),
        (("--ifindex", "-1"), "--ifindex"),
    ],
)
def test_features_and_an_index_that_cannot_be(system: UserspaceSystem, run: Run, words: list[str], said: str) -> None:
    ran = run("add-dp", *words, "netdev@br1")
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert run("dump-dps").stdout == ""


def test_a_name_that_is_taken(br0: str, run: Run) -> None:
    failed(run("add-dp", br0), "add_dp (File exists)")


def test_a_datapath_that_is_not_there(br0: str, run: Run) -> None:
    failed(run("del-dp", "netdev@br1"), "opening datapath (No such device)", "but there is netdev@br0")
    failed(run("dump-flows", "netdev@br1"), "datapath not found (Invalid argument)", "but there is netdev@br0")


def test_a_datapath_of_an_unknown_type(br0: str, run: Run) -> None:
    failed(run("show", "foo@br0"), "opening datapath foo@br0 failed", "one of: system, netdev")
    failed(run("dump-flows", "foo@br0"), "there is no type foo of datapaths; there are system, netdev")


def test_no_server(tmp_path: Path, run: Run) -> None:
    failed(run("--socket", str(tmp_path / "none"), "show", "netdev@br0"), "dpif serve")


def test_read_only_refuses_what_writes(br0: str, run: Run) -> None:
    failed(run("--read-only", "del-dp", br0), "'del-dp' command does not work in read only mode")
    assert run("--read-only", "show", br0).status == 0


# -- show


def test_show(br0: str, run: Run) -> None:
    lines = run("show", br0).stdout.splitlines()
    assert lines[0] == "netdev@br0:"
    assert lines[1] == "  lookups: hit:0 missed:0 lost:0"
    assert lines[2] == "  flows: 0"
    assert lines[-3:] == ["  port 0: br0 (internal)", "  port 1: h1", "  port 2: h2"]


def test_show_all_goes_by_name(br0: str, run: Run) -> None:
    run("add-dp", "netdev@a")
    shown = run("show").stdout
    assert [line for line in shown.splitlines() if not line.startswith(" ")] == ["netdev@a:", "netdev@br0:"]


def test_show_goes_on_after_an_error(br0: str, run: Run) -> None:
    ran = run("show", "netdev@nope", br0)
    assert ran.status == 1
    assert ran.stderr.startswith("dpif: opening datapath netdev@nope failed (No such device)")
    assert ran.stdout.startswith("netdev@br0:\n")


def test_show_counts(system: UserspaceSystem, br0: str, run: Run) -> None:
    run("add-flow", br0, ARP, "2")
    for _ in range(30):
        system.device("h1").send(FRAME)
    shown = run("-s", "show", br0).stdout
    assert "  lookups: hit:30 missed:0 lost:0\n  flows: 1\n" in shown
    assert (
        "  port 1: h1\n"
        "    RX packets:30 errors:0 dropped:0 overruns:? frame:?\n"
        "    TX packets:0 errors:0 dropped:0 aborted:? carrier:?\n"
        "    collisions:?\n"
        "    RX bytes:1260 (1.2 KiB)  TX bytes:0\n"
    ) in shown


# -- ports


def test_ports_come_and_go(br0: str, run: Run) -> None:
    assert run("add-if", br0, "int0,type=internal,port_no=9", "h3") == (0, "", "")
    assert run("show", br0).stdout.endswith("  port 3: h3\n  port 9: int0 (internal)\n")
    assert run("del-if", br0, "int0", "3") == (0, "", "")
    assert run("show", br0).stdout.endswith("  port 2: h2\n")


@pytest.mark.parametrize(
    ("interface", "message"),
    [
        ("h1", "adding h1 to netdev@br0 failed (File exists): it is port 1 of br0 already"),
        ("h1,type=internal", "h1: failed to open network device (File exists)"),
        ("h3,port_no=1", "adding h3 to netdev@br0 failed (Device or resource busy)"),
        ("h3,port_no=65535", "adding h3 to netdev@br0 failed (File too large)"),
        ("nosuchdevice", "nosuchdevice: failed to open network device (No such device)"),
        ("h3,type=bogus", "adding h3 to netdev@br0 failed (Invalid argument): unknown port type 'bogus'; one of:"),
        ("h3,port_no=x", "h3: port_no=x is not a number"),
        ("h3,=x", "h3: Invalid option format"),
        ("h3,a=1,a=2", 'h3: duplicate "a" option'),
        ("h3,a=1", "h3: arguments provided to device that is not configurable"),
        ("h3,ifindex=5", "the interface index of an internal port alone can be chosen"),
        ("i0,type=internal,ifindex=x", "i0: ifindex=x is not a number"),
        ("t0,type=vport-vxlan,a=1", "t0"),
        ("t0,type=vport-lisp", "unknown port type 'vport-lisp'"),
        (",", "not a valid network device name"),
    ],
)
def test_ports_that_cannot_be_added(br0: str, run: Run, interface: str, message: str) -> None:
    failed(run("add-if", br0, interface), message)
    assert run("show", br0).stdout.endswith("  port 2: h2\n")


def test_ports_under_a_name_and_with_an_index_of_their_own(system: UserspaceSystem, br0: str, run: Run) -> None:
    assert run("add-if", br0, "t0,type=vport-vxlan,dst_port=4790", "i0,type=internal,ifindex=4711") == (0, "", "")
    assert run("show", br0).stdout.endswith(
        ": t0 (vxlan: dst_port=4790, packet_type=ptap)\n  port 4: i0 (internal)\n"
    )
    assert system.device("i0").ifindex == 4711
    assert run("del-if", br0, "t0") == (0, "", "")


def test_a_port_that_plays_a_capture(br0: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CAPTURES)
    waits = "played plays its capture when somebody listens to what misses; --play does so at once"
    assert run("add-if", br0, "played,type=dummy,rx_pcap=dnscap.pcap") == (0, "", f"dpif: {waits}\n")
    assert "lookups: hit:0 missed:0 lost:0\n" in run("show", br0).stdout
    run("del-if", br0, "played")
    assert run("add-if", "--play", br0, "played,type=dummy,rx_pcap=dnscap.pcap") == (0, "", "")
    eventually(lambda: "lookups: hit:0 missed:390 lost:390\n" in run("show", br0).stdout)
    failed(run("add-if", br0, "p,type=dummy,rx_pcap=nosuchfile"), "p: failed to open network device (No such file")
    failed(run("add-if", br0, "p,type=dummy,bogus=1"), "unknown port option 'bogus'")
    assert "  port 3: played (dummy)\n" in run("show", br0).stdout


def test_one_port_that_fails_does_not_stop_the_others(system: UserspaceSystem, run: Run) -> None:
    ran = run("add-dp", "netdev@br0", "nosuchdevice", "h1")
    assert ran.status == 1
    assert run("show").stdout.endswith("  port 1: h1\n")
    ran = run("del-if", "netdev@br0", "h2", "7", "h1")
    assert ran.status == 1
    assert ran.stderr.splitlines()[0] == "dpif: no port named h2; netdev@br0 has: br0, h1"
    assert ran.stderr.splitlines()[1].startswith("dpif: deleting port 7 from netdev@br0 failed (No such device)")
    assert run("show").stdout.endswith("  port 0: br0 (internal)\n")


def test_the_local_port_stays(br0: str, run: Run) -> None:
    failed(run("del-if", br0, "br0"), "deleting port br0 from netdev@br0 failed (Invalid argument)")


@pytest.mark.parametrize(
    ("interface", "message"),
    [
        ("h1,type=internal", "h1: can't change type from system to internal"),
        ("h1,port_no=2", "h1: can't change port number from 1 to 2"),
        ("h1,a=b", "h1: arguments provided to device that is not configurable"),
        ("h3", "h3: failed to query port in netdev@br0 (No such device)"),
    ],
)
def test_ports_cannot_be_changed(br0: str, run: Run, interface: str, message: str) -> None:
    failed(run("set-if", br0, interface), message)
    assert run("set-if", br0, "h1", "h2,type=system,port_no=2") == (0, "", "")


# -- flows


def test_flows_come_and_go(system: UserspaceSystem, br0: str, run: Run) -> None:
    assert run("add-flow", br0, ARP, "2") == (0, "", "")
    line = "in_port(1),eth(),eth_type(0x0806), packets:0, bytes:0, used:never, actions:2\n"
    assert run("dump-flows", br0) == (0, line, "")
    system.device("h1").send(FRAME)
    used = r"in_port\(1\),eth\(\),eth_type\(0x0806\), packets:1, bytes:42, used:\d+\.\d{3}s, actions:2\n"
    assert re.fullmatch(used, run("dump-flows").stdout)
    assert run("mod-flow", br0, "--clear", ARP, "1,2") == (0, "", "")
    assert run("dump-flows").stdout == line.replace("actions:2", "actions:1,2")
    assert run("del-flow", br0, ARP) == (0, "", "")
    assert run("dump-flows") == (0, "", "")


def test_port_names(br0: str, run: Run) -> None:
    run("add-flow", br0, ARP.replace("1", "h1", 1), "2")
    assert run("dump-flows").stdout.startswith("in_port(1)")
    assert run("dump-flows", "--names").stdout.startswith("in_port(h1)")
    assert ",in_port(h1)," in run("dump-flows", "-m").stdout
    assert ",in_port(1)," in run("dump-flows", "-m", "--no-names").stdout
    assert run("dump-flows", "--names").stdout.endswith("actions:h2\n")


def test_statistics_of_one_flow(system: UserspaceSystem, br0: str, run: Run) -> None:
    assert run("-s", "add-flow", br0, ARP, "2").stdout == "packets:0, bytes:0, used:never\n"
    system.device("h1").send(FRAME)
    assert run("-s", "mod-flow", br0, ARP, "1").stdout.startswith("packets:1, bytes:42, used:")
    assert run("-s", "del-flow", br0, ARP).stdout.startswith("packets:1, bytes:42, used:")


def test_a_flow_with_a_ufid(br0: str, run: Run) -> None:
    assert run("add-flow", br0, f"{UFID} {ARP}", "2").status == 0
    assert run("get-flow", br0, UFID).stdout == "in_port(1),eth(),eth_type(0x0806), " + (
        "packets:0, bytes:0, used:never, actions:2\n"
    )
    shown = run("-m", "get-flow", UFID).stdout
    assert shown.startswith(f"{UFID}, ")
    assert ", dp:ovs, actions:h2\n" in shown
    assert run("del-flow", UFID) == (0, "", "")
    failed(run("get-flow", UFID), "getting flow (No such file or directory)")


def test_a_flow_that_is_not_there(br0: str, run: Run) -> None:
    failed(run("mod-flow", br0, ARP, "2"), "updating flow table (No such file or directory)")
    assert run("mod-flow", "--may-create", br0, ARP, "2").status == 0
    run("del-flow", br0, ARP)
    ran = run("del-flow", br0, ARP)
    assert ran.stdout == "Perhaps you need to specify a UFID?\n"
    failed(ran._replace(stdout=""), "deleting flow (No such file or directory)")
    failed(run("del-flow", br0, UFID), "deleting flow (No such file or directory)")


@pytest.mark.parametrize(
    ("flow", "actions", "parts"),
    [
        ("in_port(1),eth_tpe(1)", "2", ["parsing flow key (syntax error at eth_tpe(1): ", "did you mean 'eth_type'"]),
        ("in_port(1),eth(", "2", ["parsing flow key (", "(Invalid argument)"]),
        ("in_port(nope)", "2", ["parsing flow key (syntax error at nope): ", "unknown port 'nope'"]),
        ("ufid:123", "2", ["parsing flow ufid (", "(Invalid argument)"]),
        (ARP, "bogus", ["parsing actions (syntax error at bogus: unknown action 'bogus'"]),
        (ARP, "1;2", ["parsing actions (syntax error at ;2: ", "(Invalid argument)"]),
        ("in_port(1)", "2", ["updating flow table (Invalid argument): "]),
    ],
)
def test_flows_that_cannot_be_added(br0: str, run: Run, flow: str, actions: str, parts: list[str]) -> None:
    failed(run("add-flow", br0, flow, actions), *parts)
    assert run("dump-flows", br0).stdout == ""


def test_a_flow_that_exists(br0: str, run: Run) -> None:
    run("add-flow", br0, ARP, "2")
    there = f"{ARP.removesuffix(',arp()')}, actions:2"
    failed(run("add-flow", br0, ARP, "2"), "updating flow table (File exists)", f"is there already: {there}")
    narrow = ARP.replace("eth()", "eth(src=02:00:00:00:00:01)")
    failed(run("add-flow", br0, narrow, "1"), "updating flow table (File exists)", f"is there already: {there}")
    assert f"same packets: {there}" in run("del-flow", br0, narrow).stderr


def test_a_change_without_actions_keeps_them(system: UserspaceSystem, br0: str, run: Run) -> None:
    run("add-flow", br0, f"{UFID},{ARP}", "2")
    system.device("h1").send(FRAME)
    assert run("mod-flow", br0, f"{UFID},{ARP}") == (0, "", "")
    assert "packets:1, " in (line := run("dump-flows", br0).stdout)
    assert line.endswith(", actions:2\n")
    assert run("mod-flow", "--clear", br0, UFID) == (0, "", "")
    assert run("dump-flows", br0).stdout.endswith("packets:0, bytes:0, used:never, actions:2\n")
    assert run("mod-flow", "-s", br0, UFID) == (0, "packets:0, bytes:0, used:never\n", "")


def test_a_flow_that_may_be_made_needs_actions(br0: str, run: Run) -> None:
    for words in (("mod-flow", "--may-create", br0, ARP), ("add-flow", br0, ARP)):
        ran = run(*words)
        assert (ran.status, ran.stdout) == (2, "")
        assert "a flow and actions" in ran.stderr
    failed(run("mod-flow", br0, ARP), "updating flow table (No such file or directory)")


@pytest.mark.parametrize("words", [["add-flow", "1"], ["del-flow"], ["get-flow"]])
def test_a_datapath_in_the_place_of_a_flow(br0: str, run: Run, words: list[str]) -> None:
    ran = run(words[0], br0, *words[1:])
    assert ran.status == 2
    assert f"must follow the datapath; usage: dpif {words[0]} [dp] " in ran.stderr


def test_which_datapath(br0: str, run: Run) -> None:
    run("add-dp", "netdev@br1")
    failed(run("dump-flows"), "multiple datapaths, specify one of: netdev@br0, netdev@br1")
    run("del-dp", "netdev@br1")
    run("del-dp", br0)
    failed(run("dump-flows"), "no datapaths exist", "dpif add-dp")


@pytest.mark.parametrize("word", ["type=ovs", "pmd=x", "pmd=", "filter=tcp,tp_dts=80"])
def test_settings_of_dump_flows_that_cannot_be(br0: str, run: Run, word: str) -> None:
    failed(run("dump-flows", br0, word))


def test_a_filter_picks_flows(br0: str, run: Run) -> None:
    run("add-flow", br0, ARP, "2")
    run("add-flow", br0, "in_port(2),eth(),eth_type(0x0800),ipv4(dst=10.1.0.0/255.255.0.0)", "1")
    arp, ipv4 = sorted(run("dump-flows").stdout.splitlines(keepends=True))
    assert run("dump-flows", br0, "filter=ipv4.dst in 10.0.0.0/8") == (0, ipv4, "")
    assert run("dump-flows", "filter=in_port == h1 and not ipv4") == (0, arp, "")
    assert run("dump-flows", "filter=packets > 0") == (0, "", "")
    assert run("dump-flows", "--names", "filter=output == h1").stdout.startswith("in_port(h2)")
    assert run("dump-flows", "filter=arp,in_port=h1") == (0, arp, "")
    assert run("dump-flows", "filter=ip") == (0, ipv4, "")
    failed(run("dump-flows", "filter=ipv4.dst in 10.0.0.0/99"), "syntax error at 99: ", "at most /32")


def test_pmd_selects_nothing(br0: str, run: Run) -> None:
    run("add-flow", br0, ARP, "2")
    assert run("dump-flows", "pmd=1") == (0, "", "")


# -- files of flows


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "flows"


def test_a_file_of_flows(br0: str, run: Run, file: Path) -> None:
    other = ARP.replace("(1)", "(2)", 1)
    file.write_text(f"# flows\n\n{ARP} 2 # and so on\n  add {other} 1,2\r\n")
    assert run("add-flows", br0, str(file)) == (0, "", "")
    actions = sorted(line.rpartition(":")[2] for line in run("dump-flows").stdout.splitlines())
    assert actions == ["1,2", "2"]
    file.write_text(f"{ARP}\n")
    assert run("del-flows", str(file)) == (0, "", "")
    assert run("dump-flows").stdout.startswith("in_port(2)")
    assert run("del-flows", br0) == (0, "", "")
    assert run("dump-flows").stdout == ""


def test_each_line_of_a_file_that_fails_is_told(br0: str, run: Run, file: Path) -> None:
    file.write_text(
        f"{ARP} 2\nin_prt(1) 2\n\nadd {ARP}\n{ARP} 1\nmod in_port(2),eth(),eth_type(2054),arp() 1\nd {ARP}"
    )
    ran = run("add-flows", br0, str(file))
    assert ran.status == 1
    assert ran.stdout == ""
    lines = ran.stderr.splitlines()
    assert [re.sub(r" \(.*", "", line) for line in lines] == [
        f"dpif: {file}:2: parsing flow key",
        f"dpif: {file}:4: Failed parsing line number 4, skipped!",
        f"dpif: {file}:5: updating flow table",
        f"dpif: {file}:6: updating flow table",
    ]
    assert run("dump-flows").stdout == ""


def test_actions_that_no_message_has_room_for_fail_by_themselves(br0: str, run: Run, file: Path) -> None:
    file.write_text(f"{ARP} {'pop_vlan,' * 16383}\n{ARP} 2\n")
    ran = run("add-flows", br0, str(file))
    assert ran.stderr == (
        f"dpif: {file}:1: updating flow table (Invalid argument): 65532 bytes are too long for an attribute, "
        "which holds up to 65531\n"
    )
    assert run("dump-flows").stdout.endswith("actions:2\n")
    assert run("parse-actions", "pop_vlan," * 16383).status == 0


def test_statistics_of_the_flows_of_a_file(br0: str, run: Run, file: Path) -> None:
    file.write_text(f"{ARP} 2\nmod {ARP} 1\n")
    assert run("-s", "add-flows", str(file)).stdout == "packets:0, bytes:0, used:never\n" * 2


def test_mod_flows(br0: str, run: Run, file: Path) -> None:
    run("add-flow", ARP, "2")
    file.write_text(f"{ARP} 1\n")
    assert run("mod-flows", str(file)) == (0, "", "")
    assert run("dump-flows").stdout.endswith("actions:1\n")


def test_a_file_that_is_not_there(br0: str, run: Run) -> None:
    for command in ("add-flows", "mod-flows", "del-flows"):
        failed(run(command, "nosuchfile"), 'Opening file "nosuchfile" failed (No such file or directory)')


def test_a_file_longer_than_one_read(br0: str, run: Run, file: Path) -> None:
    flow = "in_port(1),eth(),eth_type(0x0800),ipv4(src=10.0.{}.{})"
    lines = [f"{flow.format(number >> 8, number & 255)} 2" for number in range(2000)]
    file.write_text("\n".join([*lines, "in_port(1),oops 2"]))
    assert file.stat().st_size > 65536
    ran = run("add-flows", br0, str(file))
    assert ran.stderr.startswith(f"dpif: {file}:2001: parsing flow key")
    assert ran.stderr.count("\n") == 1
    assert len(run("dump-flows").stdout.splitlines()) == 2000


# -- without a datapath


def test_parse_actions(run: Run) -> None:
    assert run("parse-actions", "1,2", "drop", "push_vlan(vid=5,pcp=1),3").stdout == (
        "1,2\ndrop\npush_vlan(vid=5,pcp=1),3\n"
    )
    ran = run("parse-actions", "1", "bogus", "2")
    assert ran.stdout == "1\n"
    failed(ran._replace(stdout=""), "odp_actions_from_string (syntax error at bogus: unknown action 'bogus'")


def test_the_bare_name_shows_how_to_begin(run: Run) -> None:
    bare = run()
    assert (bare.status, bare.stdout) == (2, "")
    assert bare.stderr.startswith("usage: dpif [options] command")
    assert "dpif doctor" in bare.stderr
    assert "'dpif help' lists the commands" in bare.stderr


def test_list_commands(run: Run) -> None:
    lines = run("list-commands").stdout.splitlines()
    assert lines[:2] == ["The available commands are:", "  add-dp                  dp [iface...]"]


def test_help_of_a_command(run: Run) -> None:
    assert run("help", "show") == run("show", "--help")
    assert run("help") == run("--help")
    assert "did you mean 'show'" in run("help", "shw").stderr


def test_a_long_file_is_carried_out_to_its_end(br0: str, run: Run, tmp_path: Path) -> None:
    """It takes several reads, and what is told of each is handed over."""
    count = 1500
    path = tmp_path / "flows.txt"
    path.write_text("".join(f"recirc_id({n}),{ARP} 2\n" for n in range(1, count + 1)))
    added = json.loads(run("--json", "-s", "add-flows", br0, str(path)).stdout)
    assert (len(added["lines"]), added["carried_out"], added["complete"]) == (count, count, True)
    assert len(run("dump-flows", br0).stdout.splitlines()) == count
    again = json.loads(run("--json", "add-flows", br0, str(path)).stdout)  # each is there
    assert (len(again["lines"]), again["failed"], again["complete"]) == (count, count, False)


def test_many_ports_are_all_shown_behind_a_failure(system: UserspaceSystem, br0: str, run: Run) -> None:
    names = [f"p{number}" for number in range(300)]
    for name in names:
        system.device(name)
    assert run("add-if", br0, *names) == (0, "", "")
    shown = run("show", br0, "netdev@nowhere", *[br0] * 5).stdout
    assert re.findall(r"port \d+: (p\d+)$", shown, re.MULTILINE) == names * 6
