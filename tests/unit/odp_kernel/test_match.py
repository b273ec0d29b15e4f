"""What a flow's key and mask mean, flat; the expected masks were read back from Linux 6.1."""

from __future__ import annotations

import pytest

from dpif.odp.kernel.emit import mask_to_key, to_key
from dpif.odp.kernel.match import from_match, metadata
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.kernel.swkey import bits, get
from dpif.odp.model.key import FlowKey, FlowMask, parse_key, parse_match
from dpif.odp.model.layers import Mpls
from dpif.odp.model.tunnel import Tunnel
from dpif.testing.rule_cases import CASES, RuleCase

PLAIN = Features(ct_zones=False)
HEAD = "recirc_id(0),dp_hash(0),skb_priority(0)"
TAIL = "skb_mark(0),ct_state(0),ct_mark(0),ct_label(0)"


def shown(match: str) -> tuple[str, str]:
    """Return masked key and mask as they read back."""
    value, mask = from_match(*parse_match(match), PLAIN)
    return str(to_key(value & mask, PLAIN)), str(mask_to_key(value & mask, mask, PLAIN))


def test_what_is_left_out_is_wildcarded() -> None:
    key, mask = shown("in_port(1),eth(),eth_type(0x0806),arp()")
    zero = "eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)"
    arp = "arp(sip=0.0.0.0,tip=0.0.0.0,op=0,sha=00:00:00:00:00:00,tha=00:00:00:00:00:00)"
    assert key == f"{HEAD},in_port(1),{TAIL},{zero},eth_type(0x0806),{arp}"
    # The kernel always tells a tunnel in a mask, and in_port as 32 bits.
    tunnel = FlowMask(tunnel=Tunnel(ttl=0))
    assert mask == f"{HEAD},{tunnel},in_port(4294967295),{TAIL},{zero},eth_type(0xffff),{arp}"


def test_a_wildcarded_port_reads_back_with_its_upper_half_set() -> None:
    value, mask = from_match(parse_key("in_port(1),eth()"), FlowMask())
    assert mask_to_key(value & mask, mask).in_port == 0xFFFF0000


def test_a_key_without_a_port_has_none() -> None:
    value, mask = from_match(*parse_match("eth()"))
    assert get(value, "phy.in_port") == 65535
    assert to_key(value).in_port is None
    assert mask_to_key(value, mask).in_port is None
    assert mask_to_key(value & mask, mask).in_port == 0xFFFF0000


def test_the_tag_and_the_kind_of_packet_are_always_matched() -> None:
    _, mask = from_match(parse_key("eth(),eth_type(0x0806),arp()"), FlowMask())
    assert mask == bits("eth.vlan.tci", "eth.cvlan.tci", "mac_proto")


def test_without_a_mask_what_the_key_has_is_exact() -> None:
    _, mask = from_match(parse_key("eth(),eth_type(0x86dd),ipv6(proto=58),icmpv6(type=1,code=2)"), None)
    assert get(mask, "ipv6.label") == 0xFFFFFFFF
    assert (get(mask, "tp.src"), get(mask, "tp.dst")) == (0xFF, 0xFF)
    assert get(mask, "recirc_id") == 0
    assert get(mask, "phy.in_port") == 0


def test_without_a_mask_all_of_a_tunnel_is_exact_but_its_flags() -> None:
    key = FlowKey(tunnel=Tunnel(dst="10.0.0.1", ttl=64, csum=True), eth={})
    _, mask = from_match(key, None)
    tunnel = mask_to_key(from_match(key, None)[0], mask).tunnel
    assert tunnel == Tunnel(
        src="255.255.255.255", dst="255.255.255.255", tos=255, ttl=255, csum=True, tp_src=65535, tp_dst=65535
    )
    assert get(mask, "tun.id") == (1 << 64) - 1


def test_the_number_of_labels_is_part_of_a_match() -> None:
    _, mask = from_match(FlowKey(eth={}, eth_type=0x8847, mpls=(Mpls(), Mpls())), None)
    assert get(mask, "mpls.num_labels_mask") == 0b11
    assert get(mask, "mpls.lse") == (1 << 96) - 1 - ((1 << 32) - 1)


REPEATABLE = [case for case in CASES if not case.rule and case.key.eth_type is not None]


@pytest.mark.parametrize("case", REPEATABLE, ids=str)
def test_what_reads_back_means_the_same(case: RuleCase) -> None:
    """Masked key and mask, told by the kernel and given to it again, are the same flow.

    Not so without an EtherType: then the kernel tells 0 for it, which it does not take.
    """
    value, mask = from_match(case.key, case.mask)
    told = to_key(value & mask), mask_to_key(value & mask, mask)
    again, same = from_match(*told)
    assert again & same == value & mask


def test_metadata_passes_over_headers() -> None:
    flat = metadata(parse_key("in_port(3),skb_mark(7),eth(),eth_type(0x0800)"))
    assert (get(flat, "phy.in_port"), get(flat, "phy.skb_mark"), get(flat, "eth.type")) == (3, 7, 0)
    assert get(flat, "mac_proto") == 1


def test_metadata_with_an_ethertype_alone_has_no_ethernet_header() -> None:
    flat = metadata(parse_key("eth_type(0x0800)"))
    assert (get(flat, "mac_proto"), get(flat, "eth.type"), get(flat, "phy.in_port")) == (0, 0x0800, 65535)


def test_bad_metadata_is_refused() -> None:
    with pytest.raises(RuleBroken, match="port-number"):
        metadata(parse_key("in_port(70000)"))
