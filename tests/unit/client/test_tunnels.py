"""Names and options of tunnels."""

from __future__ import annotations

import pytest

from dpif.client.port import Port, UpcallStats, encode_options
from dpif.client.tunnels import TUNNELS, check_options, device_name, tunnel_of_device
from dpif.errors import EncodeError
from dpif.netlink.policy import Decoded
from dpif.odp.constants import VportType, VportUpcallAttr
from dpif.odp.messages import VportRecord


@pytest.mark.parametrize(
    ("type_", "options", "name"),
    [
        ("vxlan", {}, "vxlan_sys_4789"),
        ("vxlan", {"dst_port": 8472}, "vxlan_sys_8472"),
        ("geneve", {}, "genev_sys_6081"),
        ("gre", {}, "gre_sys"),
        ("ip6gre", {}, "ip6gre_sys"),
        ("erspan", {}, "erspan_sys"),
        ("ip6erspan", {}, "ip6erspan_sys"),
        ("bareudp", {}, "udp_sys_6635"),
    ],
)
def test_a_device_is_named_and_known_by_its_name(type_: str, options: dict[str, object], name: str) -> None:
    assert device_name(type_, options) == name
    assert tunnel_of_device(name) == (type_, check_options(type_, options).get("dst_port"))


def test_every_name_fits_a_device() -> None:
    for type_, tunnel in TUNNELS.items():
        assert len(device_name(type_, {"dst_port": 65535} if tunnel.udp_port else {})) < 16


@pytest.mark.parametrize(
    "name", ["eth0", "vxlan_sys", "vxlan_sys_", "vxlan_sys_x", "vxlan_sys_1²", "gre_sys0", "gre_sys_1"]
)
def test_other_names_are_no_tunnels(name: str) -> None:
    assert tunnel_of_device(name) is None


@pytest.mark.parametrize(
    ("type_", "options", "complaint"),
    [
        (
            "vxlan",
            {"remote_ip": "1.2.3.4"},
            "unknown option 'remote_ip' of a vxlan port; there are: dst_port, gbp, gpe",
        ),
        ("gre", {"dst_port": 1}, "unknown option 'dst_port' of a gre port; there are: none"),
        ("geneve", {"dst_port": 0}, "dst_port is a UDP port, not 0"),
        ("geneve", {"dst_port": "6081"}, "dst_port is a UDP port, not '6081'"),
    ],
)
def test_options_that_are_wrong_are_told(type_: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(EncodeError) as caught:
        check_options(type_, options)
    assert str(caught.value) == complaint


def test_the_type_of_a_port_is_that_of_its_device() -> None:
    record = VportRecord(port_no=1, name="vxlan_sys_4790", type=VportType.NETDEV)
    port = Port.of_record(record)
    assert (port.type, port.options) == ("vxlan", {"dst_port": 4790})
    record.type = VportType.INTERNAL
    assert Port.of_record(record).type == "internal"


def test_a_port_tells_its_upcalls_where_the_kernel_does() -> None:
    record = VportRecord(port_no=1, name="eth0", type=VportType.NETDEV)
    assert Port.of_record(record).upcall_stats is None
    told = {VportUpcallAttr.SUCCESS: 3, VportUpcallAttr.FAIL: 4}
    record.upcall_stats = VportRecord.from_payload(VportRecord(upcall_stats=Decoded(told)).to_payload()).upcall_stats
    assert Port.of_record(record).upcall_stats == UpcallStats(3, 4)


def test_options_of_ports_that_are_not_known_are_told() -> None:
    with pytest.raises(EncodeError, match="unknown port option 'mtu'"):
        encode_options({"mtu": 1})
