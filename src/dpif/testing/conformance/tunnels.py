"""Tunnels: their ports, what goes out through them, what comes in, and the tunnel keys of both."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping

import pytest

import dpif
from dpif._typing import NamedTuple
from dpif.client import Datapath
from dpif.client.port import Port
from dpif.errors import EncodeError
from dpif.netlink.policy import Decoded
from dpif.odp.actions import Actions, Userspace
from dpif.odp.constants import TunnelAttr, TunnelFlag, VportCmd, VportType, VxlanExt
from dpif.odp.messages import VportRecord
from dpif.odp.model.tunnel import Tunnel
from dpif.packet import build
from dpif.packet.constants import IP_DF, IPPROTO_GRE, IPPROTO_UDP
from dpif.packet.headers import Ipv4, Udp
from dpif.testing.conformance.harness import HERE, NONE_WITHIN, THERE, Harness, Host, Wire, refused
from dpif.testing.conformance.packets import UDP4, A, B
from dpif.testing.waiting import PATIENCE

FLOW = "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)"
VXLAN = bytes.fromhex("0800000000000500")
GENEVE = bytes.fromhex("0000655800000500")
GRE = bytes.fromhex("2000655800000005")
HEADERS = {"vxlan": VXLAN, "geneve": GENEVE, "gre": GRE}
OPTION = bytes.fromhex("0102800201020304a1b2c3d4")
"""A geneve option: class 0x102, type 0x80, two words."""
OPTION_TEXT = "geneve({class=0x102,type=0x80,len=8,0x1020304a1b2c3d4})"
ANY = f"tunnel(dst={HERE},ttl=55/0),in_port(2),eth(),eth_type(0x0800),ipv4(frag=no)"
"""What matches everything from the tunnel."""
EXACT = f"tunnel(tun_id=0x5,src={THERE},dst={HERE},ttl=55)"
each_type = pytest.mark.parametrize("type_", ["vxlan", "geneve", "gre"])


class Site(NamedTuple):
    """A datapath with a host at its port 1 and a tunnel at its port 2."""

    dp: Datapath
    host: Host
    wire: Wire
    tunnel: Port


@contextlib.contextmanager
def site(harness: Harness, type_: str, **options: object) -> Iterator[Site]:
    """Make one; the tunnel's device goes at the end."""
    wire, host = harness.wire(), harness.host()
    dp = harness.open("conf0", create=True)
    dp.ports.add(host.name, number=1)
    tunnel = dp.ports.add("", type=type_, number=2, options=options)
    try:
        yield Site(dp, host, wire, tunnel)
    finally:
        dp.ports.delete(tunnel)


class Outer(NamedTuple):
    """A packet on the wire: its IP header, its UDP header if it has one, and what they carry."""

    ip: Ipv4
    udp: Udp | None
    payload: bytes


def outer(packet: bytes | None) -> Outer:
    """Read a packet from the wire."""
    assert packet is not None
    ip = Ipv4.read(packet, 0)
    if ip.protocol != IPPROTO_UDP:
        return Outer(ip, None, packet[ip.size :])
    return Outer(ip, Udp.read(packet, ip.size), packet[ip.size + 8 :])


def carried(type_: str, payload: bytes, *, tos: int = 0, csum: bool = True) -> bytes:
    """Return an IP packet as another machine's tunnel sends it."""
    if type_ == "gre":
        return bytes(build.ip(THERE, HERE, IPPROTO_GRE, payload, tos=tos, ttl=55))
    port = {"vxlan": 4789, "geneve": 6081}[type_]
    packet = bytes(build.udp(THERE, HERE, 40000, port, payload, tos=tos, ttl=55))
    return packet if csum else packet[:26] + bytes(2) + packet[28:]


def set_tunnel(rest: str = "", flags: str = "key") -> str:
    """Return the action that sends a packet to `THERE`."""
    return f"set(tunnel(tun_id=0x5,src={HERE},dst={THERE},ttl=64{rest},flags({flags})))"


def old_port(dp: Datapath, name: str, type_: VportType, options: Mapping[int, object] | None) -> VportRecord | None:
    """Make a port with a vport type of its own, as Open vSwitch did once."""
    record = VportRecord(
        command=VportCmd.NEW,
        dp_ifindex=dp.ifindex,
        name=name,
        type=type_,
        options=None if options is None else Decoded(dict(options)),
        upcall_pid=(0,),
    )
    return dp.connection.transact(record.request(f"adding {name}"))


class TunnelPorts:
    """The ports, however they are made."""

    @pytest.mark.parametrize(
        ("type_", "options", "name", "dst_port"),
        [
            ("vxlan", {}, "vxlan_sys_4789", 4789),
            ("vxlan", {"dst_port": 4790, "gbp": True}, "vxlan_sys_4790", 4790),
            ("geneve", {"dst_port": 6082}, "genev_sys_6082", 6082),
            ("gre", {}, "gre_sys", None),
        ],
    )
    def test_what_is_told_of_them(
        self, harness: Harness, type_: str, options: dict[str, object], name: str, dst_port: int | None
    ) -> None:
        with site(harness, type_, **options) as (dp, _, _, tunnel):
            assert (tunnel.number, tunnel.name, tunnel.type) == (2, name, type_)
            assert (dp.ports.get(name).options or {}).get("dst_port") == dst_port
        assert [port.number for port in dp.ports] == [0, 1]

    def test_a_vport_type_tells_its_options(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        old_port(dp, "old1", VportType.VXLAN, {TunnelAttr.DST_PORT: 4799})
        old_port(dp, "old2", VportType.VXLAN, {TunnelAttr.DST_PORT: 4800, TunnelAttr.EXTENSION: {VxlanExt.GBP: True}})
        old_port(dp, "old3", VportType.GENEVE, {TunnelAttr.DST_PORT: 6082})
        old_port(dp, "old4", VportType.GRE, None)
        old_port(dp, "old5", VportType.VXLAN, {TunnelAttr.DST_PORT: 0})
        assert [(port.name, port.type, port.options) for port in dp.ports][1:] == [
            ("old1", "vxlan", {"dst_port": 4799}),
            ("old2", "vxlan", {"dst_port": 4800, "gbp": 1}),
            ("old3", "geneve", {"dst_port": 6082}),
            ("old4", "gre", None),
            ("old5", "vxlan", {"dst_port": 8472}),
        ]

    @each_type
    def test_a_port_under_a_name_of_its_own(self, harness: Harness, type_: str) -> None:
        wire, dp = harness.wire(), harness.open("conf0", create=True)
        port = dp.ports.add("conf0tun", type=f"vport-{type_}")
        assert (port.name, port.type, port.number) == ("conf0tun", type_, 1)
        assert (port.options or {}).get("dst_port") == {"vxlan": 4789, "geneve": 6081}.get(type_)
        dp.execute(UDP4, f"{set_tunnel()},1")
        assert outer(wire.recv()).payload == HEADERS[type_] + UDP4
        dp.ports.delete("conf0tun")
        assert [port.number for port in dp.ports] == [0]
        if type_ != "gre":
            assert dp.ports.add("conf0x", type=f"vport-{type_}", options={"dst_port": 4444}).options == {
                "dst_port": 4444
            }
        with pytest.raises(EncodeError, match="unknown option 'bogus' of a"):
            dp.ports.add("conf0tun", type=f"vport-{type_}", options={"bogus": 1})

    def test_what_is_refused(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        for type_ in (VportType.VXLAN, VportType.GENEVE):
            with refused(errno.EINVAL, f"{type_.name} without options"):
                old_port(dp, "old1", type_, None)
            with refused(errno.EINVAL, f"{type_.name} without a UDP port"):
                old_port(dp, "old1", type_, {TunnelAttr.EXTENSION: {}})
        for type_, taken in ((VportType.VXLAN, errno.EEXIST), (VportType.GENEVE, errno.EBUSY)):
            old_port(dp, type_.name, type_, {TunnelAttr.DST_PORT: 4799 + type_})
            with refused(taken, f"a second {type_.name} on the same port"):
                old_port(dp, "other", type_, {TunnelAttr.DST_PORT: 4799 + type_})
            with refused(errno.EEXIST, "the same name"):
                old_port(dp, type_.name, type_, {TunnelAttr.DST_PORT: 4800 + type_})
        old_port(dp, "gre1", VportType.GRE, None)
        with refused(errno.EEXIST, "a second GRE"):
            old_port(dp, "gre2", VportType.GRE, None)


class TunnelOutput:
    """What ``set(tunnel(…))`` and an output make of a packet."""

    @each_type
    def test_a_packet_is_wrapped(self, harness: Harness, type_: str) -> None:
        with site(harness, type_) as (dp, host, wire, _):
            dp.flows.add(FLOW, f"{set_tunnel(',tos=0x20', 'df|key')},2")
            host.send(UDP4)
            ip, udp, payload = outer(wire.recv())
        assert (str(ip.src), str(ip.dst), ip.tos, ip.ttl, ip.fragment) == (HERE, THERE, 0x20, 64, IP_DF)
        assert payload == HEADERS[type_] + UDP4
        if type_ == "gre":
            assert ip.protocol == IPPROTO_GRE
        else:
            assert udp is not None
            assert udp.src
            assert udp.dst == {"vxlan": 4789, "geneve": 6081}[type_]
            assert udp.checksum == 0

    @pytest.mark.parametrize("type_", ["vxlan", "geneve"])
    def test_a_checksum_is_asked_for(self, harness: Harness, type_: str) -> None:
        with site(harness, type_) as (dp, host, wire, _):
            dp.flows.add(FLOW, f"{set_tunnel(flags='csum|key')},2")
            host.send(UDP4)
            ip, udp, _ = outer(wire.recv())
        assert ip.fragment == 0
        assert udp is not None
        assert udp.checksum

    def test_gre_with_a_checksum_and_without_a_key(self, harness: Harness) -> None:
        with site(harness, "gre") as (dp, host, wire, _):
            dp.flows.add(FLOW, f"set(tunnel(dst={THERE},ttl=64,flags(csum))),2")
            host.send(UDP4)
            assert outer(wire.recv()).payload[:4] == bytes.fromhex("80006558")

    def test_the_source_is_looked_up(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, _, wire, _):
            dp.execute(UDP4, f"set(tunnel(tun_id=0x5,dst={THERE},ttl=64,flags(key))),2")
            assert str(outer(wire.recv()).ip.src) == HERE

    def test_a_packet_without_a_tunnel_key_is_dropped(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, wire, _):
            dp.flows.add(FLOW, "2")
            dp.flows.add(ANY, "2")
            host.send(UDP4)
            wire.send(carried("vxlan", VXLAN + UDP4))
            assert wire.recv(NONE_WITHIN) is None

    def test_other_ports_pass_over_a_tunnel_key(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, _, _):
            dp.execute(UDP4, f"{set_tunnel()},1")
            assert host.recv() == UDP4

    def test_a_key_may_name_another_udp_port(self, harness: Harness) -> None:
        """VXLAN follows it, Geneve does not."""
        with site(harness, "vxlan") as (dp, _, wire, _):
            dp.execute(UDP4, f"{set_tunnel(',tp_dst=4790')},2")
            assert outer(wire.recv()).udp.dst == 4790  # type: ignore[union-attr]

    def test_a_group_policy(self, harness: Harness) -> None:
        with site(harness, "vxlan", gbp=True) as (dp, _, wire, _):
            dp.execute(UDP4, f"{set_tunnel(',vxlan(gbp(id=291,flags=0x8))')},2")
            dp.execute(UDP4, f"{set_tunnel()},2")
            assert outer(wire.recv()).payload == bytes.fromhex("8808012300000500") + UDP4
            assert outer(wire.recv()).payload == VXLAN + UDP4

    def test_a_group_policy_where_there_is_none(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, _, wire, _):
            dp.execute(UDP4, f"{set_tunnel(',vxlan(gbp(id=291,flags=0x8))')},2")
            assert outer(wire.recv()).payload == VXLAN + UDP4

    def test_geneve_options(self, harness: Harness) -> None:
        """The option is critical, which the header tells."""
        with site(harness, "geneve") as (dp, _, wire, _):
            dp.execute(UDP4, f"{set_tunnel(f',{OPTION_TEXT}', 'oam|key')},2")
            assert outer(wire.recv()).payload == bytes.fromhex("03c0655800000500") + OPTION + UDP4

    def test_a_key_survives_recirculation_and_stays_in_a_clone(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, wire, _):
            dp.flows.add(f"recirc_id(0),{FLOW}", f"clone({set_tunnel()},recirc(0x1)),2")
            dp.flows.add(f"recirc_id(0x1),{FLOW}", "2")
            host.send(UDP4)
            assert outer(wire.recv()).payload == VXLAN + UDP4
            assert wire.recv(NONE_WITHIN) is None

    def test_a_sample_may_have_a_key_of_its_own(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, wire, _):
            dp.flows.add(FLOW, f"sample(sample=100.0%,actions({set_tunnel()},2)),2,1")
            host.send(UDP4)
            assert outer(wire.recv()).payload == VXLAN + UDP4
            assert host.recv() == UDP4
            assert wire.recv(NONE_WITHIN) is None

    def test_a_tracked_packet_is_sent(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, wire, _):
            dp.flows.add(f"recirc_id(0),{FLOW}", f"{set_tunnel()},ct(commit),recirc(0x1)")
            dp.flows.add(f"recirc_id(0x1),ct_state(+trk),{FLOW}", "2")
            host.send(UDP4)
            assert outer(wire.recv()).payload == VXLAN + UDP4

    def test_congestion_marks_go_to_the_outer_header(self, harness: Harness) -> None:
        marked = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"", tos=0x2D))
        congested = build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"", tos=0x2F))
        with site(harness, "vxlan") as (dp, _, wire, _):
            for inner, tos in ((marked, 0x41), (congested, 0x42)):
                dp.execute(inner, f"{set_tunnel(',tos=0x40')},2")
                assert outer(wire.recv()).ip.tos == tos

    def test_an_upcall_tells_the_header_that_a_packet_would_get(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, _, _, tunnel), dp.upcalls(miss=False) as upcalls:
            up = Userspace(pid=upcalls.port_id, egress_tun_port=tunnel.number)
            header = dpif.parse_actions(f"set(tunnel(tun_id=0x5,dst={THERE},ttl=64,flags(df|key)))")
            dp.execute(UDP4, Actions([*header, up]), dpif.FlowKey(in_port=1))
            (upcall,) = upcalls.poll(PATIENCE)
        told = upcall.egress_tunnel
        assert told is not None
        assert (str(told.src), str(told.dst), told.tun_id, told.ttl, told.tp_dst) == (HERE, THERE, 5, 64, 4789)
        assert told.tp_src
        assert told.flags == TunnelFlag.DF | TunnelFlag.KEY
        assert upcall.key.tunnel is None

    def test_an_upcall_tells_no_header_where_there_is_none(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, _, _, tunnel), dp.upcalls(miss=False) as upcalls:
            for header, port in (("", tunnel.number), (set_tunnel(), 1), (set_tunnel(), 77)):
                up = Userspace(pid=upcalls.port_id, egress_tun_port=port)
                dp.execute(UDP4, Actions([*dpif.parse_actions(header or "drop"), up]), dpif.FlowKey(in_port=1))
                (upcall,) = upcalls.poll(PATIENCE)
                assert upcall.egress_tunnel is None, (header, port)

    @pytest.mark.parametrize(
        "tunnel",
        [
            "tun_id=0x5,ttl=64,flags(key)",
            f"tun_id=0x5,dst={THERE},flags(key)",
            "tun_id=0x5,dst=0.0.0.0,ttl=64,flags(key)",
            f"dst={THERE},ipv6_dst=fc00::1,ttl=64",
        ],
    )
    def test_keys_that_are_refused(self, harness: Harness, tunnel: str) -> None:
        dp = harness.open("conf0", create=True)
        with refused(errno.EINVAL, tunnel):
            dp.flows.add(FLOW, f"set(tunnel({tunnel})),2")


class TunnelInput:
    """What comes in through a tunnel, and the tunnel key that comes with it."""

    @each_type
    def test_a_packet_is_unwrapped_and_forwarded(self, harness: Harness, type_: str) -> None:
        with site(harness, type_) as (dp, host, wire, _):
            dp.flows.add(f"{EXACT},in_port(2),eth(),eth_type(0x0800),ipv4(frag=no)", "1")
            wire.send(carried(type_, HEADERS[type_] + UDP4))
            assert host.recv() == UDP4
            assert dp.ports.get(2).stats.rx_packets == 1  # type: ignore[union-attr]

    @each_type
    def test_an_upcall_tells_the_tunnel_key(self, harness: Harness, type_: str) -> None:
        key = self._key(harness, type_, carried(type_, HEADERS[type_] + UDP4, tos=0x20))
        assert (str(key.src), str(key.dst), key.tun_id, key.tos, key.ttl) == (THERE, HERE, 5, 0x20, 55)
        if type_ == "gre":
            assert (key.tp_src, key.tp_dst, key.flags) == (None, None, TunnelFlag.KEY)
        else:
            ports = (40000, {"vxlan": 4789, "geneve": 6081}[type_])
            assert (key.tp_src, key.tp_dst, key.flags) == (*ports, TunnelFlag.KEY | TunnelFlag.CSUM)

    def test_a_packet_without_a_checksum(self, harness: Harness) -> None:
        assert self._key(harness, "vxlan", carried("vxlan", VXLAN + UDP4, csum=False)).flags == TunnelFlag.KEY

    def test_gre_without_a_key(self, harness: Harness) -> None:
        key = self._key(harness, "gre", carried("gre", bytes.fromhex("00006558") + UDP4))
        assert key.tun_id is None
        assert key.flags == TunnelFlag(0)

    def test_a_group_policy(self, harness: Harness) -> None:
        packet = carried("vxlan", bytes.fromhex("8848012300000500") + UDP4)
        key = self._key(harness, "vxlan", packet, gbp=True)
        assert key.vxlan is not None
        assert key.vxlan.gbp is not None
        assert (key.vxlan.gbp.id, key.vxlan.gbp.flags) == (0x123, 0x48)

    def test_geneve_options(self, harness: Harness) -> None:
        key = self._key(harness, "geneve", carried("geneve", bytes.fromhex("03c0655800000500") + OPTION + UDP4))
        assert key.get_kept(8) is not None
        assert OPTION_TEXT in dpif.FlowKey(tunnel=key).format()
        assert key.flags == TunnelFlag.KEY | TunnelFlag.CSUM | TunnelFlag.OAM

    def test_geneve_options_are_matched(self, harness: Harness) -> None:
        with site(harness, "geneve") as (dp, host, wire, _):
            match = f"tunnel(tun_id=0x5,src={THERE},dst={HERE},ttl=55,{OPTION_TEXT},flags(csum|key)),in_port(2)"
            dp.flows.add(f"{match},eth(),eth_type(0x0800),ipv4(frag=no)", "1")
            wire.send(carried("geneve", bytes.fromhex("0340655800000500") + OPTION[:-1] + b"\0" + UDP4))
            wire.send(carried("geneve", bytes.fromhex("0340655800000500") + OPTION + UDP4))
            assert host.recv() == UDP4
            assert host.recv(NONE_WITHIN) is None

    @pytest.mark.parametrize(
        ("type_", "header"),
        [
            ("vxlan", "0000000000000500"),
            ("vxlan", "0800000000000501"),
            ("vxlan", "8808012300000500"),
            ("vxlan", "080000"),
            ("geneve", "4000655800000500"),
            ("geneve", "0000080000000500"),
            ("geneve", "3f00655800000500"),
            ("gre", "2001655800000005"),
            ("gre", "a000655812340000"),
        ],
    )
    def test_what_is_no_tunnel_packet_is_dropped(self, harness: Harness, type_: str, header: str) -> None:
        with site(harness, type_) as (dp, host, wire, _):
            dp.flows.add(ANY, "1")
            payload = bytes.fromhex(header) + (UDP4 if len(header) > 6 else b"")
            wire.send(carried(type_, payload))
            assert host.recv(NONE_WITHIN) is None

    def test_the_key_survives_recirculation(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, wire, _):
            rest = "in_port(2),eth(),eth_type(0x0800),ipv4(frag=no)"
            dp.flows.add(f"recirc_id(0),{EXACT},{rest}", "push_vlan(vid=1,pcp=0),pop_vlan,recirc(0x1)")
            dp.flows.add(f"recirc_id(0x1),{EXACT},{rest}", "1")
            wire.send(carried("vxlan", VXLAN + UDP4))
            assert host.recv() == UDP4

    def test_a_packet_from_user_space_brings_a_tunnel_key(self, harness: Harness) -> None:
        with site(harness, "vxlan") as (dp, host, _, _):
            rest = "in_port(2),eth(),eth_type(0x0800),ipv4(frag=no)"
            dp.flows.add(f"recirc_id(0x1),{EXACT},{rest}", "1")
            key = dpif.FlowKey(in_port=2, tunnel=Tunnel(tun_id=5, src=THERE, dst=HERE, ttl=55))
            dp.execute(UDP4, "recirc(0x1)", key)
            assert host.recv() == UDP4

    def test_congestion_of_the_outer_header_is_told_the_inner_one(self, harness: Harness) -> None:
        """A packet that cannot tell is dropped."""
        able, told = (build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"", tos=t)) for t in (0x22, 0x23))
        with site(harness, "vxlan") as (dp, host, wire, _):
            dp.flows.add(ANY, "1")
            wire.send(carried("vxlan", VXLAN + UDP4, tos=3))
            wire.send(carried("vxlan", VXLAN + able, tos=3))
            assert host.recv() == told
            assert host.recv(NONE_WITHIN) is None

    def _key(self, harness: Harness, type_: str, packet: bytes, **options: object) -> Tunnel:
        """Return the tunnel key of the upcall that a packet from the wire makes."""
        with site(harness, type_, **options) as (dp, _, wire, _), dp.upcalls() as upcalls:
            wire.send(packet)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.packet == UDP4
        assert upcall.key.in_port == 2
        assert upcall.key.tunnel is not None
        return upcall.key.tunnel
