"""Requests to the userspace datapath as messages: what the conformance suite cannot ask by way of the client."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from dpif.errors import NetlinkError
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_ECHO
from dpif.netlink.policy import Decoded
from dpif.odp.actions import parse_actions
from dpif.odp.constants import (
    DatapathCmd,
    DatapathFeature,
    DummyAttr,
    FlowCmd,
    PacketCmd,
    UfidFlag,
    VportCmd,
    VportType,
)
from dpif.odp.messages import DatapathRecord, FlowRecord, PacketRecord, Record, VportRecord
from dpif.odp.model.key import FlowKey, parse_match
from dpif.packet import build
from dpif.userspace.system import UserspaceSystem

KEY, MASK = (part.to_bytes() for part in parse_match("in_port(1),eth(),eth_type(0x0800),ipv4()"))
DROP = b""
TUNNEL_POP = parse_actions("tnl_pop(1)").to_bytes()
UDP = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"x"))


class Peer:
    """A system, a connection to it, and a datapath ``dp0`` with the number `dp`."""

    def __init__(self) -> None:
        self.system = UserspaceSystem(clock=lambda: 5.25)
        self.connection = Connection(self.system.transport)
        self.dp = self.datapath(DatapathCmd.NEW, name="dp0", upcall_pid=0).dp_ifindex

    def ask(self, record: Record, flags: int = NLM_F_ECHO) -> Any:
        return self.connection.transact(record.request("ask", flags))

    def refused(self, record: Record, flags: int = NLM_F_ECHO) -> int | None:
        """Return the errno that `record` is refused with."""
        with pytest.raises(NetlinkError) as caught:
            self.ask(record, flags)
        return caught.value.errno

    def datapath(self, command: int, **values: Any) -> Any:
        return self.ask(DatapathRecord(command=command, **values))

    def vport(self, command: int, **values: Any) -> VportRecord:
        return VportRecord(command=command, **{"dp_ifindex": self.dp, **values})

    def flow(self, command: int, **values: Any) -> FlowRecord:
        return FlowRecord(command=command, **{"dp_ifindex": self.dp, **values})

    def packet(self, **values: Any) -> PacketRecord:
        values = {"packet": UDP, "key": b"", "actions": DROP, "dp_ifindex": self.dp, **values}
        return PacketRecord(command=PacketCmd.EXECUTE, **values)


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    with made.system, made.connection:
        yield made


# ovs_datapath


def test_the_settings_of_a_datapath_are_told(peer: Peer) -> None:
    record = peer.datapath(
        DatapathCmd.SET,
        name="dp0",
        user_features=DatapathFeature.DISPATCH_UPCALL_PER_CPU,
        per_cpu_pids=(7, 8),
        masks_cache_size=0,
    )
    assert (record.user_features, record.per_cpu_pids, record.masks_cache_size) == (8, (7,), 0)
    later = peer.datapath(DatapathCmd.SET, name="dp0")
    assert (later.user_features, later.per_cpu_pids, later.masks_cache_size) == (0, None, 0)


def test_a_program_that_knows_no_features_switches_them_off(peer: Peer) -> None:
    peer.datapath(DatapathCmd.SET, name="dp0", user_features=DatapathFeature.UNALIGNED)
    again = DatapathRecord(command=DatapathCmd.NEW, name="dp0", upcall_pid=0)
    assert peer.refused(again) == errno.EEXIST
    assert peer.datapath(DatapathCmd.GET, name="dp0").user_features == DatapathFeature.UNALIGNED
    again.version = 1
    assert peer.refused(again) == errno.EEXIST
    assert peer.datapath(DatapathCmd.GET, name="dp0").user_features == 0


def test_the_wanted_number_of_a_datapath(peer: Peer) -> None:
    assert peer.datapath(DatapathCmd.NEW, name="dp1", upcall_pid=0, ifindex=77).dp_ifindex == 77
    bad = DatapathRecord(command=DatapathCmd.NEW, name="dp2", upcall_pid=0, ifindex=-1)
    assert peer.refused(bad) == errno.ERANGE


def test_a_refusal_says_why(peer: Peer) -> None:
    with pytest.raises(NetlinkError, match="there is a device dp0 already"):
        peer.datapath(DatapathCmd.NEW, name="dp0", upcall_pid=0)


# ovs_vport


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, errno.EINVAL),
        ({"port_no": 65535}, errno.EFBIG),
        ({"port_no": 9}, errno.ENODEV),
        ({"port_no": 0, "dp_ifindex": 999}, errno.ENODEV),
        ({"name": "nowhere"}, errno.ENODEV),
        ({"name": "dp0", "dp_ifindex": 999}, errno.ENODEV),
        ({"name": "dp0", "ifindex": 2}, errno.EOPNOTSUPP),
    ],
)
def test_ports_that_are_not_found(peer: Peer, values: dict[str, Any], code: int) -> None:
    for command in (VportCmd.GET, VportCmd.SET, VportCmd.DEL):
        assert peer.refused(peer.vport(command, **values)) == code


def test_a_name_finds_its_port_in_any_datapath_and_wins_over_a_number(peer: Peer) -> None:
    record = peer.ask(peer.vport(VportCmd.GET, name="dp0", port_no=9, dp_ifindex=0))
    assert (record.port_no, record.dp_ifindex, record.type) == (0, peer.dp, VportType.INTERNAL)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"name": None}, errno.EINVAL),
        ({"type": None}, errno.EINVAL),
        ({"upcall_pid": None}, errno.EINVAL),
        ({"upcall_pid": ()}, errno.EINVAL),
        ({"upcall_pid": (1, 2)}, errno.EINVAL),
        ({"port_no": 65535}, errno.EFBIG),
        ({"dp_ifindex": 999}, errno.ENODEV),
        ({"type": VportType.DUMMY, "ifindex": 9}, errno.EOPNOTSUPP),
        ({"ifindex": 1 << 31}, errno.ERANGE),
        ({"type": VportType.LISP}, errno.EAFNOSUPPORT),
    ],
)
def test_ports_that_are_not_made(peer: Peer, values: dict[str, Any], code: int) -> None:
    values = {"name": "p1", "type": VportType.INTERNAL, "upcall_pid": (0,), **values}
    assert peer.refused(peer.vport(VportCmd.NEW, **values)) == code


def test_changing_a_port(peer: Peer) -> None:
    assert peer.ask(peer.vport(VportCmd.SET, port_no=0, upcall_pid=(5,))).upcall_pid == (5,)
    assert peer.refused(peer.vport(VportCmd.SET, port_no=0, type=VportType.NETDEV)) == errno.EINVAL
    assert peer.refused(peer.vport(VportCmd.SET, port_no=0, upcall_pid=())) == errno.EINVAL
    options = Decoded({DummyAttr.TX_PCAP: "x"})
    assert peer.refused(peer.vport(VportCmd.SET, port_no=0, options=options)) == errno.EOPNOTSUPP
    assert peer.refused(peer.vport(VportCmd.DEL, port_no=0)) == errno.EINVAL


def test_the_options_of_a_port_are_told(peer: Peer, tmp_path: Any) -> None:
    path = str(tmp_path / "out.pcap")
    options = Decoded({DummyAttr.TX_PCAP: path})
    peer.ask(peer.vport(VportCmd.NEW, name="cap", type=VportType.DUMMY, upcall_pid=(0,), options=options))
    record = peer.ask(peer.vport(VportCmd.GET, name="cap"))
    assert record.options.values == {DummyAttr.TX_PCAP: path}
    missing = Decoded({DummyAttr.RX_PCAP: str(tmp_path / "no.pcap")})
    bad = peer.vport(VportCmd.NEW, name="cap2", type=VportType.DUMMY, upcall_pid=(0,), options=missing)
    with pytest.raises(NetlinkError, match=r"no\.pcap"):
        peer.ask(bad)


def test_an_internal_device_transmits_what_the_datapath_receives(peer: Peer) -> None:
    peer.system.device("dp0").send(UDP)
    stats = peer.ask(peer.vport(VportCmd.GET, port_no=0)).stats
    assert (stats.rx_packets, stats.tx_packets, stats.tx_bytes) == (0, 1, len(UDP))


# ovs_flow


def put(peer: Peer, flags: int = NLM_F_CREATE | NLM_F_ECHO, **values: Any) -> FlowRecord:
    values = {"key": KEY, "mask": MASK, "actions": DROP, **values}
    record: FlowRecord = peer.ask(peer.flow(FlowCmd.NEW, **values), flags)
    return record


@pytest.mark.parametrize(
    ("command", "values", "code"),
    [
        (FlowCmd.NEW, {"actions": DROP}, errno.EINVAL),
        (FlowCmd.NEW, {"key": KEY}, errno.EINVAL),
        (FlowCmd.NEW, {"key": b"", "actions": DROP}, errno.EINVAL),
        (FlowCmd.NEW, {"key": KEY, "actions": b"\1\2\3"}, errno.EINVAL),
        (FlowCmd.NEW, {"key": KEY, "actions": DROP, "ufid": b""}, errno.ERANGE),
        (FlowCmd.NEW, {"key": KEY, "actions": DROP, "dp_ifindex": 999}, errno.ENODEV),
        (FlowCmd.SET, {}, errno.EINVAL),
        (FlowCmd.SET, {"ufid": b"name", "actions": DROP}, errno.EINVAL),
        (FlowCmd.SET, {"ufid": b"name"}, errno.ENOENT),
        (FlowCmd.SET, {"key": KEY}, errno.ENOENT),
        (FlowCmd.GET, {}, errno.EINVAL),
        (FlowCmd.GET, {"key": KEY}, errno.ENOENT),
        (FlowCmd.GET, {"key": KEY, "dp_ifindex": 999}, errno.ENODEV),
        (FlowCmd.DEL, {"ufid": b"name"}, errno.ENOENT),
        (FlowCmd.DEL, {"dp_ifindex": 999}, errno.ENODEV),
    ],
)
def test_flow_requests_that_are_refused(peer: Peer, command: int, values: dict[str, Any], code: int) -> None:
    assert peer.refused(peer.flow(command, **values)) == code


def test_an_action_that_there_is_not_is_refused(peer: Peer) -> None:
    assert peer.refused(peer.flow(FlowCmd.NEW, key=KEY, actions=TUNNEL_POP)) == errno.EINVAL


def test_a_rule_that_is_broken_is_named(peer: Peer) -> None:
    with pytest.raises(NetlinkError, match=r"needs ipv4\("):
        peer.ask(peer.flow(FlowCmd.NEW, key=FlowKey(eth={}, eth_type=0x800).to_bytes(), actions=DROP))


def test_an_identifier_that_is_too_long_is_as_good_as_none(peer: Peer) -> None:
    assert put(peer, ufid=bytes(17)).ufid is None
    assert peer.ask(peer.flow(FlowCmd.GET, key=KEY)).key is not None


def test_what_a_reply_leaves_out(peer: Peer) -> None:
    named = put(peer, ufid=b"name", ufid_flags=int(UfidFlag.OMIT_KEY | UfidFlag.OMIT_MASK | UfidFlag.OMIT_ACTIONS))
    assert (named.ufid, named.key, named.mask, named.actions) == (b"name", None, None, None)
    other = FlowKey(in_port=2, eth={}, eth_type=0x800, ipv4={}).to_bytes()
    plain = put(peer, key=other, mask=None, ufid_flags=int(UfidFlag.OMIT_KEY | UfidFlag.OMIT_MASK))
    assert plain.key is not None
    assert (plain.mask, plain.actions) == (None, DROP)


def test_clearing_comes_after_the_reply(peer: Peer) -> None:
    device = peer.system.device("h1")
    peer.ask(peer.vport(VportCmd.NEW, name="h1", type=VportType.NETDEV, upcall_pid=(0,)))
    put(peer)
    device.send(UDP)
    before = peer.ask(peer.flow(FlowCmd.SET, key=KEY, clear=True))
    assert before.stats == (1, len(UDP))
    assert (before.command, before.used, before.tcp_flags) == (FlowCmd.SET, 5250, None)
    after = peer.ask(peer.flow(FlowCmd.GET, key=KEY))
    assert (after.stats, after.used) == (None, None)


def test_setting_without_actions_keeps_them(peer: Peer) -> None:
    two = parse_actions("2").to_bytes()
    put(peer, actions=two)
    assert peer.ask(peer.flow(FlowCmd.SET, key=KEY)).actions == two


def test_flushing_says_nothing(peer: Peer) -> None:
    put(peer)
    assert peer.ask(peer.flow(FlowCmd.DEL)) is None
    assert list(peer.connection.dump(peer.flow(FlowCmd.GET).request("dump"))) == []


@pytest.mark.parametrize("record", [VportRecord(command=3, dp_ifindex=999), FlowRecord(command=3, dp_ifindex=999)])
def test_a_dump_of_no_datapath_ends_with_the_error(peer: Peer, record: Record) -> None:
    with pytest.raises(NetlinkError) as caught:
        list(peer.connection.dump(record.request("dump")))
    assert caught.value.errno == errno.ENODEV


# ovs_packet


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"packet": UDP[:13]}, errno.ERANGE),
        ({"packet": UDP[:13], "key": None}, errno.ERANGE),
        ({"packet": None}, errno.EINVAL),
        ({"key": None}, errno.EINVAL),
        ({"actions": None}, errno.EINVAL),
        ({"actions": TUNNEL_POP}, errno.EINVAL),
        ({"actions": parse_actions("set(tcp(src=1,dst=2))").to_bytes()}, errno.EINVAL),
        ({"dp_ifindex": 999}, errno.ENODEV),
    ],
)
def test_packets_that_are_not_executed(peer: Peer, values: dict[str, Any], code: int) -> None:
    assert peer.refused(peer.packet(**values), 0) == code


def test_a_packet_of_no_port_comes_from_the_local_one(peer: Peer) -> None:
    peer.ask(peer.vport(VportCmd.SET, port_no=0, upcall_pid=(0,)))
    peer.ask(peer.packet(actions=parse_actions("0").to_bytes()), 0)
    assert peer.system.device("dp0").recv() == UDP


def test_a_packet_without_ethernet_header_gets_one(peer: Peer) -> None:
    actions = parse_actions("0,push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),0").to_bytes()
    peer.ask(peer.packet(packet=UDP[14:], key=FlowKey(eth_type=0x800).to_bytes(), actions=actions), 0)
    device = peer.system.device("dp0")
    assert (device.recv(), device.recv()) == (UDP, None)
