"""Headers that go around a packet: MPLS labels, network service headers, and Ethernet headers off and on again."""

from __future__ import annotations

import errno

import dpif
from dpif.odp.actions import Action, Actions, AddMpls, Output, PushNsh, Set
from dpif.odp.model.nsh import Nsh, NshBase
from dpif.packet import build
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, refused, two_ports
from dpif.testing.conformance.packets import UDP4, A, B, sent_on
from dpif.testing.waiting import PATIENCE

ETH_P_MPLS, ETH_P_NSH = 0x8847, 0x894F
ONWARD = f"push_eth(src={A},dst={B}),2"
IP = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"payload")
NSH_ACTION = "push_nsh(flags=1,ttl=63,mdtype=1,np=3,spi=0x3039,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4)"
CONTEXT = bytes.fromhex("00000001000000020000000300000004")
NSH_FLOW = "in_port(1),eth(),eth_type(0x894f),nsh(flags=1,mdtype=1,np={np},spi=0x3039,si=255,c1=0x1,c4=0x4)"


def nsh(np: int, payload: bytes, *, mdtype: int = 1, metadata: bytes = CONTEXT) -> build.Layer:
    """Return a header as `NSH_ACTION` makes it, before `payload`."""
    words = 2 + len(metadata) // 4
    first = (1 << 12 | 63 << 6 | words).to_bytes(2)
    return build.Layer(ETH_P_NSH, first + bytes([mdtype, np]) + bytes.fromhex("003039ff") + metadata + payload)


class Labels:
    """MPLS, between the Ethernet header and the network header, and around everything."""

    def test_push_and_pop(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        labelled = build.ethernet(A, B, build.mpls(16, IP))
        dp.flows.add(
            "in_port(1),eth(),eth_type(0x0800),ipv4()", "push_mpls(label=16,tc=0,ttl=64,bos=1,eth_type=0x8847),2"
        )
        dp.flows.add("in_port(2),eth(),eth_type(0x8847),mpls(label=16)", "pop_mpls(eth_type=0x800),1")
        first.send(UDP4)
        assert second.recv() == labelled
        second.send(labelled)
        assert first.recv() == UDP4

    def test_of_two_labels_one_is_popped(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("in_port(1),eth(),eth_type(0x8847),mpls(label=17)", "pop_mpls(eth_type=0x8847),2")
        first.send(build.ethernet(A, B, build.mpls(17, build.mpls(16, IP))))
        assert second.recv() == build.ethernet(A, B, build.mpls(16, IP))

    def test_a_label_is_set(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("in_port(1),eth(),eth_type(0x8847),mpls(label=16)", "set(mpls(label=18,tc=0,ttl=63,bos=1)),2")
        first.send(build.ethernet(A, B, build.mpls(16, IP)))
        assert second.recv() == build.ethernet(A, B, build.mpls(18, IP, ttl=63))

    def test_a_label_is_added_behind_the_ethernet_header(self, harness: Harness) -> None:
        assert _added(harness, 1, "2") == build.ethernet(A, B, build.mpls(16, IP))

    def test_a_label_is_added_around_the_ethernet_header(self, harness: Harness) -> None:
        """The packet has no Ethernet header then, so that it is not sent until it is given one."""
        assert _added(harness, 0, f"1,{ONWARD}") == build.ethernet(A, B, build.mpls(16, UDP4))

    def test_a_label_around_the_ethernet_header_is_popped(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        whole = "in_port(1),eth(),eth_type(0x8847),mpls(label=16)"
        dp.flows.add(f"recirc_id(0),{whole}", "pop_eth,recirc(0x1)")
        dp.flows.add("recirc_id(0x1),in_port(1),eth_type(0x8847),mpls(label=16)", "pop_mpls(eth_type=0x6558),2")
        first.send(build.ethernet(B, A, build.mpls(16, UDP4)))
        assert second.recv() == UDP4

    def test_what_a_label_was_around_is_looked_up_again(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("recirc_id(0),in_port(1),eth(),eth_type(0x8847),mpls(label=16)", "pop_eth,recirc(0x1)")
        dp.flows.add(
            "recirc_id(0x1),in_port(1),eth_type(0x8847),mpls(label=16)", "pop_mpls(eth_type=0x6558),recirc(0x2)"
        )
        dp.flows.add(f"recirc_id(0x2),in_port(1),eth(src={A}),eth_type(0x0800),ipv4(dst=10.0.0.2)", "2")
        first.send(build.ethernet(B, A, build.mpls(16, UDP4)))
        assert second.recv() == UDP4

    def test_what_is_refused(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for match, actions in (
            ("in_port(1),eth(),eth_type(0x8847),mpls(label=16)", "pop_mpls(eth_type=0x6558),2"),
            ("in_port(1),eth(),eth_type(0x0800),ipv4()", "pop_mpls(eth_type=0x800),2"),
            ("in_port(1),eth(),eth_type(0x0800),ipv4()", "push_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x800),2"),
        ):
            with refused(errno.EINVAL, actions):
                dp.flows.add(match, actions)


def _added(harness: Harness, tun_flags: int, then: str) -> bytes | None:
    """Return what comes out of port 2 when a label is added, and nothing out of port 1."""
    dp, first, second = two_ports(harness)
    label = AddMpls(label=16, tc=0, bos=1, ttl=64, eth_type=ETH_P_MPLS, tun_flags=tun_flags)
    actions: list[Action] = [label, *dpif.parse_actions(then)]
    dp.execute(UDP4, Actions(actions), dpif.FlowKey(in_port=1))
    assert first.recv(NONE_WITHIN) is None
    return second.recv()


class ServiceHeaders:
    """Network service headers (RFC 8300)."""

    def test_push(self, harness: Harness) -> None:
        assert sent_on(harness, f"{NSH_ACTION},{ONWARD}", UDP4) == build.ethernet(A, B, nsh(3, UDP4))

    def test_the_next_protocol_is_what_the_packet_is(self, harness: Harness) -> None:
        actions = f"pop_eth,{NSH_ACTION},{ONWARD}"
        assert sent_on(harness, actions, UDP4) == build.ethernet(A, B, nsh(1, IP))

    def test_one_around_another(self, harness: Harness) -> None:
        actions = f"{NSH_ACTION},{NSH_ACTION},{ONWARD}"
        assert sent_on(harness, actions, UDP4) == build.ethernet(A, B, nsh(4, nsh(3, UDP4)))

    def test_push_with_metadata_of_type_2(self, harness: Harness) -> None:
        metadata = bytes.fromhex("000101040a0b0c0d")
        actions = (
            NSH_ACTION.partition(",c1")[0].replace("mdtype=1", "mdtype=2") + f",md2=0x{metadata.hex()}),{ONWARD}"
        )
        wanted = build.ethernet(A, B, nsh(3, UDP4, mdtype=2, metadata=metadata))
        assert sent_on(harness, actions, UDP4) == wanted

    def test_metadata_that_is_no_whole_number_of_words_loses_its_end(self, harness: Harness) -> None:
        dp, _, second = two_ports(harness)
        base = NshBase(flags=1, ttl=63, mdtype=2, np=3, spi=0x3039, si=255)
        push = PushNsh(Nsh(base=base, md2=bytes(range(7))))
        dp.execute(UDP4, Actions([push, *dpif.parse_actions(ONWARD)]), dpif.FlowKey(in_port=1))
        assert second.recv() == build.ethernet(A, B, nsh(3, UDP4, mdtype=2, metadata=bytes(range(4))))

    def test_pop(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(NSH_FLOW.format(np=3), "pop_eth,pop_nsh(),2")
        first.send(build.ethernet(A, B, nsh(3, UDP4)))
        assert second.recv() == UDP4

    def test_what_a_header_was_around_is_looked_up_again(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(f"recirc_id(0),{NSH_FLOW.format(np=1)}", "pop_eth,pop_nsh(),recirc(0x1)")
        dp.flows.add("recirc_id(0x1),in_port(1),eth_type(0x0800),ipv4(dst=10.0.0.2)", f"recirc(0x2),{ONWARD}")
        first.send(build.ethernet(A, B, nsh(1, IP)))
        assert second.recv() == UDP4

    def test_a_pushed_header_is_looked_up(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4()", f"{NSH_ACTION},recirc(0x1)")
        dp.flows.add("recirc_id(0x1),in_port(1),eth_type(0x894f),nsh(np=3,ttl=63)", ONWARD)
        first.send(UDP4)
        assert second.recv() == build.ethernet(A, B, nsh(3, UDP4))

    def test_fields_that_differ_do_not_match(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add(NSH_FLOW.format(np=3), "2")
        other = bytearray(build.ethernet(A, B, nsh(3, UDP4)))
        other[14 + 11] = 9  # c1
        first.send(bytes(other))
        assert second.recv(NONE_WITHIN) is None

    def test_an_upcall_tells_the_header(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        with dp.upcalls() as upcalls:
            first.send(build.ethernet(A, B, nsh(3, UDP4)))
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.key.nsh is not None
        assert upcall.key.nsh.base == NshBase(flags=1, ttl=63, mdtype=1, np=3, spi=0x3039, si=255)
        assert upcall.key.nsh.md1 is not None
        assert upcall.key.nsh.md1.to_bytes() == CONTEXT

    def test_what_is_refused(self, harness: Harness) -> None:
        """A header's fields cannot be set: no kernel ever did it, and later ones say so."""
        dp, _, _ = two_ports(harness)
        with refused(errno.EINVAL, "pop_nsh without a header"):
            dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4()", "pop_nsh(),2")
        with refused(errno.EINVAL, "pop_nsh of an unknown protocol"):
            dp.flows.add("in_port(1),eth(),eth_type(0x894f),nsh(np=9)", "pop_nsh(),2")
        header = Nsh(base=NshBase(ttl=1, mdtype=1, np=3))
        for actions in (
            Actions([Set(dpif.FlowKey(nsh=header)), Output(2)]),
            Actions([PushNsh(header), Output(2)]),
        ):
            with refused(errno.EINVAL, str(actions)):
                dp.flows.add("in_port(1),eth(),eth_type(0x894f),nsh(np=3)", actions)


class WithoutEthernet:
    """Packets that begin with their network header."""

    KEY = dpif.FlowKey(in_port=1, eth_type=0x0800)
    FLOW = "recirc_id(0x1),in_port(1),eth_type(0x0800),ipv4()"

    def test_off_and_on_again(self, harness: Harness) -> None:
        assert sent_on(harness, f"pop_eth,{ONWARD}", UDP4) == UDP4

    def test_user_space_sends_one(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.execute(IP, f"1,set(ipv4(ttl=9)),{ONWARD}", self.KEY)
        changed = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"payload", ttl=9)
        assert second.recv() == build.ethernet(A, B, changed)
        assert first.recv(NONE_WITHIN) is None

    def test_one_goes_up_and_comes_back(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4()", "pop_eth,recirc(0x1)")
        with dp.upcalls() as upcalls:
            first.send(UDP4)
            (upcall,) = upcalls.poll(PATIENCE)
        assert upcall.packet == IP
        assert (upcall.key.eth, upcall.key.eth_type, upcall.key.recirc_id) == (None, 0x0800, 1)
        dp.execute(upcall.packet, ONWARD, upcall.key)
        assert second.recv() == UDP4

    def test_one_is_looked_up(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.flows.add("recirc_id(0),in_port(1),eth(),eth_type(0x0800),ipv4()", "pop_eth,recirc(0x1)")
        dp.flows.add("recirc_id(0x1),in_port(1),eth(),eth_type(0x0800),ipv4()", "2")
        dp.flows.add(self.FLOW, f"clone(push_eth(src={B},dst={A}),2),{ONWARD}")
        first.send(UDP4)
        assert second.recv() == build.ethernet(B, A, IP)
        assert second.recv() == UDP4
        assert second.recv(NONE_WITHIN) is None

    def test_a_label_and_a_tag(self, harness: Harness) -> None:
        actions = f"pop_eth,push_mpls(label=16,tc=0,ttl=64,bos=1,eth_type=0x8847),push_eth(src={A},dst={B}),2"
        dp, first, second = two_ports(harness)
        dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4()", actions)
        first.send(UDP4)
        assert second.recv() == build.ethernet(A, B, build.mpls(16, IP))

    def test_what_is_refused(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        for actions in ("pop_eth", "push_vlan(vid=1,pcp=0),2", "pop_vlan,2", f"set(eth(src={A},dst={B})),2"):
            with refused(errno.EINVAL, actions):
                dp.flows.add(self.FLOW, actions)
        with refused(errno.EINVAL, "two Ethernet headers"):
            dp.flows.add("in_port(1),eth(),eth_type(0x0800),ipv4()", ONWARD)
