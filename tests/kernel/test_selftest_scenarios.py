"""The scenarios of the kernel's own selftests of Open vSwitch, told to the command line, with real traffic.

What is tested there (tools/testing/selftests/net/openvswitch/openvswitch.sh) is tested here in our own words, on
every kernel of the lab: a scenario whose feature a kernel was found not to have is left out there. The reasons of
drops, which the kernel of user-mode Linux has no means of telling, are in tests/qemu/test_drop_reasons.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import dpif
from dpif.cli import main
from dpif.odp.constants import DatapathCmd
from dpif.odp.messages.datapath import DatapathRecord
from dpif.packet import build
from dpif.packet.constants import ETH_P_ARP
from dpif.testing import netns, traffic
from dpif.testing.conformance.harness import need
from dpif.testing.kernel import release
from dpif.testing.netns import Host
from dpif.testing.waiting import eventually

DP = "scene0"
ARP = "eth(),eth_type(0x0806),arp()"
IPV4 = "eth(),eth_type(0x0800)"
BROADCAST = "ff:ff:ff:ff:ff:ff"
NOT_WITHIN = 0.5
"""Seconds to wait before a packet did not get through."""


def outcome(*words: str) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit status and what it printed."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = main(words)
    return status, stdout.getvalue(), stderr.getvalue()


def run(*words: str) -> str:
    """Run a command line, which must succeed without a word of failure; return what it printed."""
    status, stdout, stderr = outcome(*words)
    assert (status, stderr) == (0, ""), words
    return stdout


def refusal(*words: str) -> str:
    """Run a command line, which must be refused; return why."""
    status, stdout, stderr = outcome(*words)
    assert (status, stdout) == (1, ""), words
    return stderr


def add_flows(*lines: str) -> None:
    """Add flows, each a match and actions with a blank between."""
    for line in lines:
        run("add-flow", DP, *line.split(" "))


def forward(match: str) -> tuple[str, str]:
    """Return flows that bring what matches from either port to the other."""
    return f"in_port(1),{match} 2", f"in_port(2),{match} 1"


@contextlib.contextmanager
def printing(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command that prints packets until it has its count, from when it listens on."""
    command = [sys.executable, "-m", "dpif", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "Ctrl-C ends it" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def printed(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return the objects that a command printed by its end."""
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    return [json.loads(line) for line in stdout.splitlines()]


@pytest.fixture
def hosts(two_hosts: list[Host]) -> Iterator[list[Host]]:
    """Two hosts, 10.0.0.1 and 10.0.0.2, at ports 1 and 2 of a datapath, between which ARP is forwarded."""
    client, server = two_hosts
    run("add-dp", DP, client.port, server.port)
    try:
        add_flows(*forward(ARP))
        yield two_hosts
    finally:
        run("flush-conntrack", DP)
        run("del-dp", DP)


def mac(host: Host, device: str = "eth0") -> str:
    """Return the address of a host's device."""
    (link,) = json.loads(host.namespace.ip("-json", "link", "show", "dev", device))
    return str(link["address"])


def reaches(source: Host, target: Host, ttl: int | None = None) -> bool:
    """Tell whether a ping is answered; not to be answered takes half a second."""
    return traffic.ping(source, target, 1, ttl=ttl).received == 1


def is_cut_off(source: Host, target: Host, ttl: int | None = None) -> bool:
    """Tell whether a ping is not answered, of which its flow counts the packet all the same."""
    before = packets_of_flow()
    answered = traffic.ping(source, target, 1, ttl=ttl, patience=NOT_WITHIN).received
    eventually(lambda: packets_of_flow() > before)
    return not answered


def packets_of_flow() -> int:
    """Return how many IP packets the flow of port 1 saw."""
    flows = json.loads(run("--json", "dump-flows", DP, "filter=in_port=1,ip"))["flows"]
    return sum(flow["packets"] for flow in flows)


@contextlib.contextmanager
def listening_at(host: Host, port: int) -> Iterator[None]:
    """Accept connections to a host meanwhile."""
    with host.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((host.address, port))
        listener.listen()
        yield


def connects(source: Host, address: str, port: int, timeout: float = 30.0) -> bool:
    """Tell whether a TCP connection comes about."""
    with source.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        return client.connect_ex((address, port)) == 0


def ask_who_has(host: Host, address: str, sender: str | None = None, device: str = "eth0") -> bytes:
    """Send an ARP request for an address; return the reply, empty when none comes soon."""
    source = mac(host, device)
    with host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, ETH_P_ARP))
        raw.send(build.ethernet(source, BROADCAST, build.arp_request(source, sender or host.address, address)))
        raw.settimeout(NOT_WITHIN)
        with contextlib.suppress(TimeoutError):
            while True:
                frame, (_, _, kind, *_) = raw.recvfrom(2048)
                if kind != socket.PACKET_OUTGOING:
                    return frame
        return b""


# -- flows


def test_arp_is_answered_over_an_exact_flow(hosts: list[Host]) -> None:
    client, server = hosts
    run("del-flows", DP)
    told = f"sip={client.address},tip={server.address},sha={mac(client)},tha=00:00:00:00:00:00"
    add_flows(f"in_port(1),eth(),eth_type(0x0806),arp({told}) 2", f"in_port(2),{ARP} 1")
    reply = ask_who_has(client, server.address)
    assert reply[22:28].hex(":") == mac(server)
    run("del-flow", DP, f"in_port(1),eth(),eth_type(0x0806),arp({told},op=0)")
    assert ask_who_has(client, server.address) == b""


def test_pings_are_forwarded_by_their_source(hosts: list[Host]) -> None:
    client, server = hosts
    match = "in_port({}),eth(),eth_type(0x0800),ipv4(src={}) {}"
    add_flows(match.format(1, client.address, 2), match.format(2, server.address, 1))
    assert traffic.ping(client, server).received == 3


def test_a_flow_is_changed_and_keeps_its_actions_when_none_are_given(hosts: list[Host]) -> None:
    client, server = hosts
    named = f"ufid:00000001-0002-0003-0004-000500060007,in_port(1),{IPV4},ipv4()"
    add_flows(f"{named} 2", f"in_port(2),{IPV4},ipv4() 1")
    assert reaches(client, server)
    run("mod-flow", DP, named, "drop")
    assert is_cut_off(client, server)
    run("mod-flow", DP, named)
    (line,) = run("dump-flows", DP, "filter=in_port=1,ip").splitlines()
    assert line.endswith("actions:drop")
    assert is_cut_off(client, server)


def test_a_header_is_set(hosts: list[Host]) -> None:
    client, server = hosts
    add_flows(*forward(f"{IPV4},ipv4()"))
    assert reaches(client, server)
    run("mod-flow", DP, f"in_port(1),{IPV4},ipv4()", "set(ipv4(dst=10.0.0.99)),2")
    assert is_cut_off(client, server)
    run("mod-flow", DP, f"in_port(1),{IPV4},ipv4()", "2")
    assert reaches(client, server)


def test_the_time_to_live_is_counted_down(hosts: list[Host]) -> None:
    client, server = hosts
    with dpif.open(DP) as dp:
        need(dp.features().dec_ttl, "the action dec_ttl")
    add_flows(f"in_port(1),{IPV4},ipv4() dec_ttl(le_1()),2", f"in_port(2),{IPV4},ipv4() dec_ttl(le_1()),1")
    assert reaches(client, server)
    assert is_cut_off(client, server, ttl=1)
    assert reaches(client, server, ttl=2)


def test_a_vlan_tag_is_taken_off_and_put_on(hosts: list[Host]) -> None:
    client, server = hosts
    inner = Host(client.namespace, client.port, "10.1.0.1")
    outer = Host(server.namespace, server.port, "10.1.0.2")
    client.namespace.ip("link", "add", "link", "eth0", "name", "eth0.10", "type", "vlan", "id", "10")
    client.namespace.ip("address", "add", f"{inner.address}/24", "dev", "eth0.10")
    client.namespace.ip("link", "set", "eth0.10", "up")
    server.namespace.ip("address", "add", f"{outer.address}/24", "dev", "eth0")
    for host, other, device, address in (
        (client, outer, "eth0.10", mac(server)),
        (server, inner, "eth0", mac(client, "eth0.10")),
    ):
        host.namespace.ip("neighbour", "replace", other.address, "lladdr", address, "dev", device, "nud", "permanent")
    tagged = f"vlan(vid=10),encap(eth_type(0x0800),ipv4(src={inner.address},proto=1),icmp())"
    match = f"in_port(1),eth(),eth_type(0x8100),{tagged}"
    add_flows(f"{match} 2", f"in_port(2),{IPV4},ipv4() push_vlan(vid=10,pcp=0,tpid=0x8100),1")
    assert not traffic.ping(inner, outer, 1, patience=NOT_WITHIN).received
    run("mod-flow", DP, match, "pop_vlan,2")
    assert reaches(inner, outer)


# -- connections


def test_connections_are_opened_from_one_side_alone(hosts: list[Host]) -> None:
    client, server = hosts
    tracked = "recirc_id(0x1),ct_state({}),in_port({}),eth(),eth_type(0x0800),ipv4({}) {}"
    add_flows(
        f"ct_state(-trk),{IPV4},ipv4() ct(commit),recirc(0x1)",
        tracked.format("+trk+new", 1, f"src={client.address}", 2),
        tracked.format("+trk+est", 1, f"src={client.address}", 2),
        tracked.format("+trk+est", 2, f"dst={client.address}", 1),
        f"recirc_id(0x1),ct_state(+trk+inv),{IPV4},ipv4() drop",
    )
    assert traffic.ping(client, server).received == 3
    with listening_at(server, 4443), listening_at(client, 4443):
        assert connects(client, server.address, 4443)
        assert not connects(server, client.address, 4443, NOT_WITHIN)


def test_connections_to_a_translated_address(hosts: list[Host]) -> None:
    client, server = hosts
    public = Host(server.namespace, server.port, "192.168.0.20")
    client.namespace.ip("route", "add", "default", "via", server.address)
    there = f"ct_state(-trk),in_port(1),{IPV4},ipv4(dst={public.address})"
    add_flows(
        f"{there} ct(commit,nat(dst={server.address})),recirc(0x1)",
        f"ct_state(-trk),in_port(2),{IPV4},ipv4() ct(commit,nat),recirc(0x2)",
        f"recirc_id(0x1),ct_state(+trk-inv),in_port(1),{IPV4},ipv4() 2",
        f"recirc_id(0x2),ct_state(+trk-inv),in_port(2),{IPV4},ipv4() 1",
    )
    assert traffic.ping(client, public).received == 3
    with listening_at(server, 4443), listening_at(client, 4443):
        assert connects(client, public.address, 4443)
        assert not connects(client, server.address, 4443, NOT_WITHIN), "no flow knows its own address"


def test_an_error_about_a_translated_packet_is_translated_back(hosts: list[Host]) -> None:
    client, server = hosts
    public = "192.168.0.20"
    server.namespace.ip("route", "add", f"{public}/32", "via", client.address)
    related = "recirc_id(0x2),ct_state(+rel+trk),in_port(2),eth(),eth_type(0x0800),ipv4({},proto=1),icmp() {}"
    add_flows(
        f"ct_state(-trk),in_port(1),{IPV4},ipv4(dst={server.address}) ct(commit,nat(src={public})),recirc(0x1)",
        f"recirc_id(0x1),ct_state(+trk-inv),in_port(1),{IPV4},ipv4() 2",
        f"ct_state(-trk),in_port(2),{IPV4},ipv4() ct(commit,nat),recirc(0x2)",
        related.format(f"src={server.address},dst={client.address}", 1),
        related.format(f"dst={public}", "drop"),
    )
    with client.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(30)
        datagrams.connect((server.address, 10000))
        datagrams.send(b"a")
        with pytest.raises(ConnectionRefusedError):
            datagrams.recv(1)
    (dropping,) = [line for line in run("dump-flows", DP).splitlines() if line.endswith("actions:drop")]
    assert "packets:0," in dropping


# -- what is refused, and what goes


def test_what_netlink_refuses(hosts: list[Host]) -> None:
    _, server = hosts
    assert "File exists" in refusal("add-dp", DP)
    old = DatapathRecord(command=DatapathCmd.NEW, version=0, name=DP, upcall_pid=0)
    with dpif.open(DP) as dp, pytest.raises(dpif.AlreadyExists):
        dp.connection.transact(old.request("a client from before there were features"))
    assert run("show", DP).count("port ") == 3
    run("del-if", DP, server.port)
    assert run("show", DP).count("port ") == 2
    clones = f"{'clone(' * 17}drop{')' * 17}"
    assert "deep" in refusal("add-flow", DP, f"in_port(1),{IPV4},ipv4()", clones)
    said = refusal("add-flow", DP, f"in_port(2),{ARP}", "drop(0),1")
    assert "drop" in said
    assert "(Invalid argument)" in said


@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
def test_a_tunnel_s_device_goes_with_its_datapath(namespace: netns.Namespace, kind: str) -> None:
    def inside(*words: str) -> None:
        namespace.call(lambda: run(*words))

    def devices() -> set[str]:
        return {link["ifname"] for link in json.loads(namespace.ip("-json", "link"))}

    before = devices()
    inside("add-dp", f"dp-{kind}")
    inside("add-if", f"dp-{kind}", f"ovs-{kind}0,type=vport-{kind}")
    assert {f"dp-{kind}", f"ovs-{kind}0"} <= devices()
    inside("del-dp", f"dp-{kind}")
    assert not {f"dp-{kind}", f"ovs-{kind}0"} & devices()
    assert devices() >= before


# -- what a datapath tells


def test_a_miss_is_told(two_hosts: list[Host]) -> None:
    host, _ = two_hosts
    run("add-dp", "--features", "unaligned", DP, host.port)
    try:
        with printing("upcalls", "--count", "1", DP, host.port) as upcalls:
            ask_who_has(host, "10.0.0.20")
            stdout, stderr = upcalls.communicate(timeout=60)
    finally:
        run("del-dp", DP)
    assert (upcalls.returncode, stderr) == (0, "")
    assert stdout.startswith("miss: in_port(1),eth(")
    assert f"arp(sip={host.address},tip=10.0.0.20,op=1,sha={mac(host)}" in stdout


TUNNELS = [
    (1155332, 32, True, True),
    (1234567, 45, True, False),
    (1020304, 23, False, True),
    (1357986, 15, False, False),
]
"""VXLAN devices: network, time to live, whether their packets may not be cut up, whether they have checksums."""
UDP_PORT = 14789
"""Of the tunnels: who has made a device for the usual one may have left it, as ``ovs-dpctl del-dp`` does."""
TELLS_DF = release() > (6, 12)
"""Linux 6.1 and 6.12 do not tell whether an outer packet may be cut up, 7.2 does."""


def test_what_a_tunnel_s_packets_bring_along(namespace: netns.Namespace) -> None:
    here, there = "10.2.0.2", "10.2.0.1"
    far = Host(namespace, "wire", there)
    namespace.add_veth("eth0", far.port, f"{there}/24")
    run("add-dp", DP, far.port)
    try:
        run("del-if", DP, far.port)
        netns.ip("address", "add", f"{here}/24", "dev", far.port)
        run("add-if", DP, f"ovs-vxlan0,type=vport-vxlan,dst_port={UDP_PORT}")
        netns.ip("link", "set", "ovs-vxlan0", "up")
        with printing("upcalls", "--json-lines", "--count", str(len(TUNNELS)), DP, "ovs-vxlan0") as upcalls:
            for number, (vni, ttl, df, csum) in enumerate(TUNNELS):
                options = f"id {vni} ttl {ttl} df {'set' if df else 'unset'} {'' if csum else 'no'}udpcsum"
                device = f"link add vx{number} type vxlan remote {here} dstport {UDP_PORT} {options}"
                namespace.ip(*device.split())
                namespace.ip("link", "set", f"vx{number}", "up")
                ask_who_has(far, f"10.3.{number}.2", f"10.3.{number}.1", f"vx{number}")
            seen = printed(upcalls)
    finally:
        run("del-dp", DP)
        netns.delete_link(far.port)
    for number, (upcall, (vni, ttl, df, csum)) in enumerate(zip(seen, TUNNELS, strict=True)):
        tunnel = upcall["key"]["tunnel"]
        told = {"tun_id": vni, "src": there, "dst": here, "ttl": ttl, "tp_dst": UDP_PORT}
        assert {name: tunnel[name] for name in told} == told
        assert tunnel["tp_src"] > 0
        assert ("csum" in tunnel) is csum
        assert ("df" in tunnel) is df or not TELLS_DF
        assert upcall["key"]["arp"]["tip"] == f"10.3.{number}.2"


def test_packets_are_sampled(hosts: list[Host]) -> None:
    client, server = hosts
    with dpif.open(DP) as dp:
        need(dp.features().psample, "the action psample (Linux 6.11)")
    match = f"in_port(1),{IPV4},ipv4()"
    for wrong in ("group=1,cookie=1615141312111009080706050403020100", "cookie=abcd", ""):
        assert refusal("add-flow", DP, match, f"psample({wrong})").startswith("dpif: ")
    add_flows(f"{match} trunc(14),psample(group=1,cookie=c0ffee),2")
    upcalls = printing("upcalls", "--json-lines", "--count", "1", DP, server.port)
    samples = printing("psample", "--json-lines", "--count", "2", "1", "2")
    with upcalls as upcalls_process, samples as samples_process:
        with dpif.open(DP) as dp:
            (pid,) = dp.ports.get(server.port).upcall_pids
        copies = f"psample(group=2,cookie=eeff0c),userspace(pid={pid},userdata=eeff0c)"
        add_flows(f"in_port(2),{IPV4},ipv4() sample(sample=100%,actions({copies})),1")
        traffic.ping(client, server, 1, patience=NOT_WITHIN)
        (upcall,) = printed(upcalls_process)
        there, back = printed(samples_process)
    assert (upcall["kind"], upcall["userdata"]) == ("action", "eeff0c")
    assert (there["group"], there["cookie"], len(there["packet"]) // 2) == (1, "c0ffee", 14)
    assert (back["group"], back["cookie"], back["packet"]) == (2, "eeff0c", upcall["packet"])
    assert there["probability"] == back["probability"] == 1.0
