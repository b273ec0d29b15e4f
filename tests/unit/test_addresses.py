"""IP addresses and their texts."""

from __future__ import annotations

import copy
import ipaddress
import pickle

import pytest

import dpif
from dpif import _addresses
from dpif.odp.actions import parse_actions
from dpif.packet import build, headers


@pytest.mark.parametrize(
    ("name", "texts"), [("IPv4Address", ["10.0.0.1"]), ("IPv6Address", ["fc00::1", "FC00:0:0::1"])]
)
def test_an_address_equals_its_texts_and_that_of_the_standard_library(name: str, texts: list[str]) -> None:
    ours, theirs = getattr(_addresses, name)(texts[0]), getattr(ipaddress, name)(texts[0])
    for equal in (*texts, theirs, copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert ours == equal
        assert equal == ours
        assert (ours != equal) is False
    for other in ("10.0.0.2", "fc00::2", "", "nonsense", 5, None):
        assert ours != other
        assert (ours == other) is False
    assert hash(ours) == hash(theirs)
    assert repr(ours) == repr(theirs)
    assert ours in ipaddress.ip_network(f"{texts[0]}/24", strict=False)


def test_what_is_decoded_equals_texts() -> None:
    key = dpif.parse_key("eth(src=02:00:00:00:00:01),ipv4(src=10.0.0.1),ipv6(dst=fc00::1),arp(sip=10.0.0.7)")
    assert (key["eth"].src, key["ipv4"].src) == ("02:00:00:00:00:01", "10.0.0.1")
    assert (key["ipv6"].dst, key["arp"].sip) == ("fc00::1", "10.0.0.7")
    (ct,) = parse_actions("ct(commit,nat(src=10.0.0.1-10.0.0.9))")
    assert ct.nat.ip_min == "10.0.0.1"
    frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2))
    assert headers.Ipv4.read(frame, 14).dst == "10.0.0.2"
    assert headers.Ethernet.read(frame, 0).dst == "02:00:00:00:00:02"


def test_identifiers_and_actions_equal_texts() -> None:
    ufid = dpif.Ufid("ufid:00112233-4455-6677-8899-aabbccddeeff")
    assert ufid == str(ufid) == "ufid:00112233-4455-6677-8899-aabbccddeeff"
    assert ufid == "00112233-4455-6677-8899-AABBCCDDEEFF"
    assert ufid != "ufid:00"
    assert ufid != "nonsense"
    assert hash(ufid) == hash(bytes(ufid))
    actions = parse_actions("push_vlan(vid=5,pcp=0),2")
    assert actions == "push_vlan(vid=5,pcp=0),2"
    assert actions == "push_vlan(vid=0x5,pcp=0), 2"
    assert actions != "2"
    assert actions != "nonsense("
    assert parse_actions("") == "drop"
    assert actions in {tuple(actions): 1}
