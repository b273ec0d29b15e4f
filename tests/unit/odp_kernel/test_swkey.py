from __future__ import annotations

import pytest

from dpif.odp.kernel.swkey import CT_ORIG4, ETHERNET_METADATA, FIELDS, METADATA, bits, build, get, put


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_keeps_its_value_and_leaves_its_neighbours(name: str) -> None:
    ones = (1 << FIELDS[name].width) - 1
    everything = bits(*FIELDS)
    assert get(put(0, name, ones), name) == ones
    assert put(0, name, ones) == bits(name)
    assert get(put(everything, name, 0), name) == 0
    assert put(everything, name, 0) | bits(name) == everything


def test_a_value_is_cut_to_its_field() -> None:
    assert get(put(0, "ip.proto", 0x1FF), "ip.proto") == 0xFF
    assert put(0, "ip.proto", 0x1FF) == bits("ip.proto")


def test_the_network_headers_share_bits_as_in_the_kernel() -> None:
    """``struct sw_flow_key``: source and destination first, conntrack's addresses where ARP's hardware ones are."""
    assert get(build({"ipv4.addr.src": 0x0A000001, "ipv4.addr.dst": 2}), "ipv6.addr.src") >> 64 == 0x0A00000100000002
    assert bits("ipv4.arp.sha", "ipv4.arp.tha") & CT_ORIG4 == CT_ORIG4
    assert bits("ipv6.nd.target") == bits("ipv6.ct_orig.src")
    assert bits("mpls.lse") == bits("mpls.lse0", "mpls.lse1", "mpls.lse2")
    assert get(build({"tun.ipv4.src": 1}), "tun.ipv6.src") >> 96 == 1


def test_no_other_fields_share_bits() -> None:
    own = [name for name in FIELDS if not name.startswith(("ipv4.", "ipv6.", "mpls.", "nsh.", "tun.ipv"))]
    assert sum(FIELDS[name].width for name in own) == bits(*own).bit_count()


def test_metadata_is_what_no_packet_says() -> None:
    assert METADATA & bits("eth.src", "eth.type", "ip.proto", "tp.src", "ipv4.addr.src") == 0
    assert METADATA & bits("phy.in_port", "tun.id", "ct_state", "ct.labels", "mac_proto") == bits(
        "phy.in_port", "tun.id", "ct_state", "ct.labels", "mac_proto"
    )
    assert get(ETHERNET_METADATA, "phy.in_port") == 65535


def test_a_key_without_a_tunnel_is_short() -> None:
    flat = bits(*(name for name in FIELDS if not name.startswith(("tun", "ct"))))
    assert flat.bit_length() < 1400
