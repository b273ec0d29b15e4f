"""Operations as values, and what they put on the wire."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import cast

import pytest

from dpif.client import Datapath
from dpif.client.operations import Delete, Execute, Get, Put, Results, explain_refusal
from dpif.errors import EncodeError, NetlinkError, NoSuchObject, netlink_error
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_ECHO
from dpif.odp.constants import FlowCmd, PacketCmd
from dpif.odp.kernel.rules import LINUX_6_1, NEWEST, Features
from dpif.odp.messages import FlowRecord, PacketRecord
from dpif.odp.model.key import FlowKey

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"


def datapath(rules: Features = NEWEST) -> Datapath:
    """Return all of a datapath that an explanation by rules looks at."""
    return cast("Datapath", SimpleNamespace(rules=rules))


@pytest.mark.parametrize(
    ("create", "modify", "command", "flags"),
    [
        (True, False, FlowCmd.NEW, NLM_F_CREATE),
        (True, True, FlowCmd.NEW, 0),
        (False, True, FlowCmd.SET, 0),
        (False, False, FlowCmd.SET, 0),
    ],
)
def test_what_is_allowed_chooses_command_and_flags(create: bool, modify: bool, command: FlowCmd, flags: int) -> None:
    """interface.md section 1.3; CREATE means "must not exist" and is not sent otherwise."""
    request = Put(ARP, "2", create=create, modify=modify).request(7)
    record = FlowRecord.from_payload(request.payload)
    assert (record.command, request.kind.flags, record.dp_ifindex) == (command, flags, 7)


def test_no_actions_are_sent_as_an_empty_attribute() -> None:
    """Leaving ACTIONS out would mean "keep" in a SET and is refused in a NEW."""
    assert FlowRecord.from_payload(Put(ARP, "drop").request(7).payload).actions == b""


def test_without_actions_none_are_sent() -> None:
    record = FlowRecord.from_payload(Put(ARP, None, create=False, clear=True).request(7).payload)
    assert (record.key is not None, record.actions, record.clear) == (True, None, True)
    with pytest.raises(EncodeError, match="an empty list of them drops packets"):
        Put(ARP, None)


def test_without_a_key_the_ufid_alone_is_sent() -> None:
    """An empty key is refused by the kernel, and so are actions beside a UFID without a key."""
    record = FlowRecord.from_payload(Put(None, None, ufid=b"name", create=False).request(7).payload)
    assert (record.key, record.mask, record.actions, record.ufid) == (None, None, None, b"name")


def test_clear_and_probe_are_flags() -> None:
    record = FlowRecord.from_payload(Put(ARP, "2", clear=True, probe=True).request(7).payload)
    assert (record.clear, record.probe) == (True, True)


def test_a_reply_is_asked_for_by_echo() -> None:
    assert Put(ARP, "2", modify=False).request(7, True).kind.flags == NLM_F_CREATE | NLM_F_ECHO
    assert Delete(ARP).request(7, True).kind.flags == NLM_F_ECHO
    assert Delete(ARP).request(7).kind.flags == 0


def test_a_flow_is_named_by_ufid_alone_where_it_has_one() -> None:
    by_ufid = FlowRecord.from_payload(Get(ARP, ufid=b"name").request(7).payload)
    by_key = FlowRecord.from_payload(Get(ARP).request(7).payload)
    assert (by_ufid.key, by_ufid.ufid) == (None, b"name")
    assert (by_key.key is not None, by_key.mask, by_key.ufid) == (True, None, None)
    assert FlowRecord.from_payload(Delete(ufid=b"name").request(7).payload).ufid == b"name"
    with pytest.raises(EncodeError, match="key or its UFID"):
        Get()


def test_execute_always_sends_a_key() -> None:
    record = PacketRecord.from_payload(Execute(b"frame", "1").request(7).payload)
    assert (record.command, record.packet, record.key) == (PacketCmd.EXECUTE, b"frame", b"")
    record = PacketRecord.from_payload(Execute(b"frame", "1", FlowKey(in_port=3)).request(7).payload)
    assert record.key == FlowKey(in_port=3).to_bytes()


def test_an_answer_becomes_a_result() -> None:
    put = Put(ARP, "2")
    answers = [None, FlowRecord(command=1), netlink_error(errno.ENOENT, "putting a flow")]
    results = Results(datapath())
    results.add([put], [None])
    results.add([put, put, put], answers)
    assert list(results[1:]) == [results[1], results[-2], results[3]]
    assert len(results) == 4
    with pytest.raises(IndexError):
        results[4]
    _, done, told, failed = results
    assert done.ok
    assert told.record == FlowRecord(command=1)
    assert isinstance(failed.error, NoSuchObject)
    assert not failed.ok


def test_a_refusal_names_the_rule_that_was_broken() -> None:
    error = explain_refusal(
        netlink_error(errno.EINVAL, "putting a flow"), Put("eth(),eth_type(0x0800)", "1"), datapath()
    )
    assert isinstance(error, NetlinkError)
    assert error.errno == errno.EINVAL
    assert "ipv4" in error.explanation


def test_a_refusal_names_the_action_that_broke_a_rule() -> None:
    error = explain_refusal(netlink_error(errno.EINVAL, "putting a flow"), Put(ARP, "set(ipv4(ttl=1))"), datapath())
    assert "eth_type(0x0800)" in error.explanation


def test_a_refusal_goes_by_the_rules_of_the_datapath() -> None:
    refused = netlink_error(errno.EINVAL, "putting a flow")
    put = Put(ARP, "psample(group=1),70000")
    assert "does not know the action psample" in explain_refusal(refused, put, datapath(LINUX_6_1)).explanation
    assert "port 70000 is out of range" in explain_refusal(refused, put, datapath()).explanation


def test_a_rule_with_another_errno_explains_nothing() -> None:
    refused = netlink_error(errno.ERANGE, "putting a flow")
    assert explain_refusal(refused, Put(ARP, "set(ipv4(ttl=1))"), datapath()) is refused


def test_what_cannot_be_explained_stays_as_it_is() -> None:
    plain = netlink_error(errno.EINVAL, "putting a flow")
    assert explain_refusal(plain, Execute(b"", "1"), datapath()) is plain
    busy = netlink_error(errno.EBUSY, "putting a flow")
    assert explain_refusal(busy, Put("eth(),eth_type(0x0800)", "1"), datapath()) is busy
