"""Behaviour of the flow table: installing, changing, finding, removing flows; which are refused."""

from __future__ import annotations

import errno
import re
import struct

import pytest

import dpif
from dpif._typing import Any
from dpif.client import Put
from dpif.errors import NetlinkError
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NETLINK_GENERIC, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_ECHO, NLM_F_REQUEST, NLMSG_DONE
from dpif.netlink.message import pack_message
from dpif.netlink.transport import Transport
from dpif.odp.actions import Output, Psample
from dpif.odp.constants import OVS_FLOW_FAMILY, FlowCmd
from dpif.odp.messages import FlowRecord
from dpif.odp.model.key import FlowKey, format_key
from dpif.odp.model.ufid import Ufid
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, refused, two_ports
from dpif.testing.waiting import PATIENCE

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"
IPV4 = "in_port(1),eth(),eth_type(0x0800),ipv4()"
UDP = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(dst=53)"
LONG = 4080
"""As many outputs as a flow takes, and more than the kernel puts into a list."""
FRAME = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"x"))


class FlowTable:
    """``ovs_flow``, wire.md section 5."""

    def test_a_flow_is_installed_found_and_removed(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(ARP, "2")
        flow = dp.flows.get(ARP)
        assert str(flow.actions) == "2"
        assert (flow.packets, flow.bytes, flow.used, flow.ufid) == (0, 0, None, None)
        assert dp.stats().flows == 1
        assert str(dp.flows.delete(ARP).actions) == "2"
        assert list(dp.flows) == []

    def test_key_and_mask_are_told_whole(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(UDP, "2")
        (flow,) = dp.flows
        assert flow.key is not None
        shown = format_key(flow.key, flow.mask)
        # The fields that the text left out read back wildcarded, and that is not shown.
        shown = re.sub(r"tunnel\(\),?|key32\([^)]*\),?", "", shown)
        assert shown == "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(dst=53)"

    def test_the_original_key_of_a_flow_is_told_unmasked(self, harness: Harness) -> None:
        """Trap T10: key-identified flows keep their key, UFID flows tell the masked one."""
        dp, _, _ = two_ports(harness)
        text = "in_port(1),eth(src=02:00:00:00:00:01/00:00:00:00:00:00),eth_type(0x0806),arp()"
        plain = dp.flows.add(text, "2")
        dp.flows.flush()
        named = dp.flows.add(text, "2", ufid=bytes(16))
        assert str(plain.key.eth.src) == "02:00:00:00:00:01"  # type: ignore[union-attr]
        assert str(named.key.eth.src) == "00:00:00:00:00:00"  # type: ignore[union-attr]

    def test_without_a_mask_what_the_key_names_is_exact(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        flow = dp.flows.put(dpif.parse_key(ARP), "2")
        assert flow.mask is not None
        assert flow.mask.in_port == 0xFFFFFFFF
        assert flow.mask.eth_type == 0xFFFF
        assert bytes(flow.mask.eth.to_bytes()) == b"\xff" * 12  # type: ignore[union-attr]
        assert flow.mask.recirc_id == 0  # what the key does not name is wildcarded

    def test_create_and_modify(self, harness: Harness) -> None:
        """The table of ``DPIF_FP_*`` flags, interface.md section 1.3."""
        dp, _, _ = two_ports(harness)
        with refused(errno.ENOENT):
            dp.flows.modify(ARP, "1")
        dp.flows.put(ARP, "1")
        with refused(errno.EEXIST):
            dp.flows.add(ARP, "2")
        dp.flows.put(ARP, "2")
        assert str(dp.flows.get(ARP).actions) == "2"
        dp.flows.modify(ARP, "1,2")
        assert str(dp.flows.get(ARP).actions) == "1,2"
        assert dp.stats().flows == 1

    def test_a_change_without_actions_keeps_them(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(ARP, "2")
        record = FlowRecord(command=FlowCmd.SET, dp_ifindex=dp.ifindex, key=dpif.parse_key(ARP).to_bytes())
        dp.connection.transact(record.request("set nothing", NLM_F_ECHO))
        assert str(dp.flows.get(ARP).actions) == "2"
        assert str(dp.flows.modify(ARP).actions) == "2"
        with refused(errno.ENOENT):
            dp.flows.modify(IPV4)

    def test_a_change_may_reset_the_counters_and_no_more(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        ufid = bytes(range(16))
        dp.flows.add(UDP, "2", ufid=ufid)
        first.send(FRAME)
        assert second.recv() == FRAME
        assert dp.flows.modify(ufid=ufid).packets == 1
        assert dp.flows.modify(ufid=ufid, clear=True).packets == 1
        assert dp.flows.modify(f"{Ufid(ufid)}").packets == 0
        assert str(dp.flows.get(ufid=ufid).actions) == "2"
        (result,) = dp.operate([Put(None, None, ufid=ufid, create=False)])
        assert result.ok
        with refused(errno.EINVAL):  # they are checked by the key
            dp.flows.modify(ufid=ufid, actions="1")

    def test_no_actions_drop(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP, "drop")
        first.send(FRAME)
        assert second.recv(NONE_WITHIN) is None
        assert dp.flows.get(UDP).packets == 1

    def test_counters_grow_and_are_cleared(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(UDP, "2")
        for _ in range(3):
            first.send(FRAME)
            assert second.recv() == FRAME
        flow = dp.flows.get(UDP)
        assert (flow.packets, flow.bytes) == (3, 3 * len(FRAME))
        assert flow.used is not None
        assert dp.stats().hit == 3
        before = dp.flows.modify(UDP, "2", clear=True)
        assert before.packets == 3  # the reply was made before they were cleared
        assert dp.flows.get(UDP).packets == 0

    def test_tcp_flags_are_gathered(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)", "2")
        for flags in (0x02, 0x10):
            segment = build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, flags=flags)
            first.send(build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", segment))
            assert second.recv() is not None
        (flow,) = dp.flows
        assert flow.tcp_flags == 0x12

    def test_a_narrower_flow_inside_an_installed_one_exists_already(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(IPV4, "2")
        narrow = "in_port(1),eth(),eth_type(0x0800),ipv4(src=10.0.0.1)"
        with refused(errno.EEXIST):
            dp.flows.add(narrow, "1")
        with refused(errno.ENOENT):
            dp.flows.put(narrow, "1")  # it may be modified, but it is not the flow that was found

    def test_masks_are_counted(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for text in (ARP, ARP.replace("0x0806", "0x8035"), IPV4, UDP):
            dp.flows.add(text.replace("ipv4()", "ipv4(src=10.0.0.0/255.0.0.0)"), "2")
        assert (dp.stats().flows, dp.stats().masks) == (4, 3)

    def test_flush_removes_everything(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(ARP, "2")
        dp.flows.add(UDP, "2")
        dp.flows.flush()
        assert list(dp.flows) == []
        assert dp.stats().flows == 0

    def test_flows_may_be_removed_while_they_are_listed(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        keys = [FlowKey(in_port=1, eth={}, eth_type=0x5000 + number) for number in range(300)]
        assert all(result.ok for result in dp.operate(Put(key, "2") for key in keys))
        for flow in dp.flows:
            dp.flows.delete(flow)
        assert dp.stats().flows == 0

    def test_a_long_list_is_complete(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        keys = [FlowKey(in_port=1, eth={}, eth_type=0x5000 + number) for number in range(2000)]
        assert all(result.ok for result in dp.operate(Put(key, "2") for key in keys))
        listed = sorted(flow.key.eth_type for flow in dp.flows)  # type: ignore[type-var]
        assert listed == [key.eth_type for key in keys]

    def test_a_ufid_names_a_flow(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        ufid = Ufid("00112233-4455-6677-8899-aabbccddeeff")
        dp.flows.add(ARP, "2", ufid=ufid)
        assert dp.flows.get(ufid=ufid).ufid == ufid
        with refused(errno.ENOENT):
            dp.flows.get(ARP)
        with refused(errno.ENOENT):
            dp.flows.get(ufid=Ufid.random())
        with refused(errno.EEXIST):
            dp.flows.add(ARP, "2", ufid=ufid)
        dp.flows.delete(ufid=ufid)
        assert list(dp.flows) == []

    def test_a_terse_list_names_ufid_flows_alone(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(ARP, "2", ufid=bytes(16))
        dp.flows.add(UDP, "2")
        by_ufid = {flow.ufid: flow for flow in dp.flows.dump(terse=True)}
        named, plain = by_ufid[Ufid(bytes(16))], by_ufid[None]
        assert (named.key, named.mask, named.actions) == (None, None, None)
        assert plain.key is not None  # a flow that only its key names always tells it
        assert (plain.mask, plain.actions) == (None, None)

    def test_actions_that_a_list_left_out_are_fetched(self, harness: Harness) -> None:
        """Row 25: the kernel leaves out actions that do not fit its buffer."""
        dp, _, _ = two_ports(harness)
        dp.flows.add(ARP, [Output(2)] * LONG)
        dp.flows.add(UDP, "2")
        lengths = {len(flow.actions) for flow in dp.flows}
        assert lengths == {1, LONG}

    def test_an_interrupted_list_is_repeated_and_then_flagged(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        dp.flows.add(ARP, "2")
        snapshot = dp.flows.snapshot()
        assert (len(snapshot.flows), snapshot.interrupted) == (1, False)
        dial = dp.connection.dial
        dp.connection.close()
        for interrupted, expected in ((3, False), (4, True)):
            left = [interrupted]

            def interrupting(protocol: int = NETLINK_GENERIC, left: list[int] = left) -> Transport:
                return Interrupting(dial(protocol), left)

            dp.connection = Connection(interrupting)
            snapshot = dp.flows.snapshot(retries=3)
            assert (len(snapshot.flows), snapshot.interrupted) == (1, expected)
            dp.connection.close()

    def test_success_may_be_silent(self, harness: Harness) -> None:
        """Trap T8: asked for neither an echo nor an acknowledgement, a command that succeeds says nothing."""
        dp, _, _ = two_ports(harness)
        record = FlowRecord(
            command=FlowCmd.NEW, dp_ifindex=dp.ifindex, key=dpif.parse_key(ARP).to_bytes(), actions=b""
        )
        transport = dp.connection.dial()
        type_id = dp.connection.family(OVS_FLOW_FAMILY).id
        for flags, answers in ((0, 0), (NLM_F_ECHO, 1), (NLM_F_ACK, 1), (NLM_F_ECHO | NLM_F_ACK, 2)):
            transport.send(pack_message(type_id, NLM_F_REQUEST | flags, 7, transport.port_id, record.to_payload()))
            for _ in range(answers):
                transport.recv(PATIENCE)
            with pytest.raises(BlockingIOError):
                transport.recv(0)
        transport.close()
        assert dp.flows.get(ARP).actions == dpif.Actions([])


class Interrupting:
    """A transport to a datapath that says of as many dumps as `left` holds that its table changed meanwhile."""

    def __init__(self, inner: Transport, left: list[int]) -> None:
        self._inner = inner
        self._left = left

    def recv(self, timeout: float | None = None) -> bytes:
        """Mark the last message of a dump."""
        datagram = bytearray(self._inner.recv(timeout))
        start = 0
        while start < len(datagram):
            length, kind, flags = struct.unpack_from("=IHH", datagram, start)
            if kind == NLMSG_DONE and self._left[0]:
                self._left[0] -= 1
                struct.pack_into("=H", datagram, start + 6, flags | NLM_F_DUMP_INTR)
            start += (length + 3) & ~3
        return bytes(datagram)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class FlowErrors:
    """What is refused, and how: wire.md sections 5 to 7."""

    def test_a_refusal_is_explained_by_the_rules_of_this_datapath(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        actions = [Psample(group=1), Output(70000)]
        known = dp.features().psample
        expected = "port 70000 is out of range" if known else "does not know the action psample"
        with pytest.raises(NetlinkError, match=expected):
            dp.flows.add(ARP, actions)
        (result,) = dp.operate([Put(ARP, actions)])
        assert isinstance(result.error, NetlinkError)
        assert expected in result.error.explanation

    def test_a_refusal_is_explained_when_it_is_looked_at_later(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        (result,) = results = dp.operate([Put(ARP, [Output(70000)])])
        dp.close()
        for refusal in (result, results[0]):
            assert isinstance(refusal.error, NetlinkError)
            assert "port 70000 is out of range" in refusal.error.explanation

    def test_what_is_not_there_is_not_found(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        with refused(errno.ENOENT):
            dp.flows.get(ARP)
        with refused(errno.ENOENT):
            dp.flows.delete(ARP)

    def test_keys_that_are_not_valid(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for text in (
            "in_port(1)",
            "in_port(1),eth(),eth_type(0x0800)",
            "in_port(1),eth(),eth_type(0x0806)",
            "in_port(1),eth(),eth_type(0x86dd)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=6),tcp()",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=1)",
            "in_port(65535),eth(),eth_type(0x1234)",
            "in_port(1),eth(),eth_type(0x8100)",
        ):
            with refused(errno.EINVAL, text):
                dp.flows.add(text, "2")
        assert list(dp.flows) == []

    def test_masks_that_are_not_valid(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for text in (
            "in_port(1),eth(),eth_type(0x0800/0),ipv4(src=10.0.0.1)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17/0xf),udp(dst=53)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17/0),udp(dst=53)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(),tcp(dst=53)",
            "in_port(1),eth(),eth_type(0x1234),ipv4(src=10.0.0.1)",
            "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17),udp(),tcp(dst=53)",
        ):
            with refused(errno.EINVAL, text):
                dp.flows.add(text, "2")

    def test_actions_that_are_not_valid(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for actions in (
            "65535",
            "trunc(13)",
            "userspace(pid=0)",
            "set(tcp(src=1,dst=2))",
            "set(ipv4(src=1.2.3.4,dst=1.2.3.5,proto=6,tos=0,ttl=1,frag=no))",
            "set(arp(sip=1.2.3.4))",
            "set(in_port(2))",
        ):
            with refused(errno.EINVAL, actions):
                dp.flows.add(UDP, actions)

    def test_a_new_flow_needs_key_and_actions(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        key = dpif.parse_key(ARP).to_bytes()
        for record in (
            FlowRecord(command=FlowCmd.NEW, dp_ifindex=dp.ifindex, key=key),
            FlowRecord(command=FlowCmd.NEW, dp_ifindex=dp.ifindex, actions=b""),
            FlowRecord(command=FlowCmd.SET, dp_ifindex=dp.ifindex),
            FlowRecord(command=FlowCmd.GET, dp_ifindex=dp.ifindex),
        ):
            with refused(errno.EINVAL):
                dp.connection.transact(record.request("incomplete"))
