"""Fragments: put together before they are tracked, and made anew where the packet goes out."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest

import dpif
from dpif.client import Datapath, Upcall, Upcalls
from dpif.odp.constants import FragType
from dpif.packet import build
from dpif.packet.constants import IP_DF, IP_MF, IPPROTO_HOPOPTS
from dpif.packet.fragment import fragment
from dpif.packet.layout import locate
from dpif.testing.conformance.conntrack import CLIENT, CLIENT6, NEW, SERVER, SERVER6, TRK, A, B
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, Host, refused, two_ports

IDENTS = count(1)
"""Identifications; no two tests share one, since a kernel remembers the fragments of the last test."""
PAYLOAD = bytes(range(256)) * 5
MRUS = {4: 576, 6: 1280}
UNEVEN = (104, 496, 144, 544)
"""Sizes that add up to `PAYLOAD` and its UDP header."""
TAG = b"\x81\x00\x20\x05"


def datagram(version: int, *, payload: bytes = PAYLOAD, more: bytes = b"") -> bytes:
    """Return a frame with UDP, of IPv4 with an identification of its own; `more` is put behind the MAC addresses."""
    if version == 6:
        frame = build.ethernet(A, B, build.udp(CLIENT6, SERVER6, 1000, 53, payload))
    else:
        udp = build.udp(CLIENT, SERVER, 1000, 53, payload)[20:]
        frame = build.ethernet(A, B, build.ip(CLIENT, SERVER, 17, udp, ident=next(IDENTS)))
    return frame[:12] + more + frame[12:]


def cut(frame: bytes, sizes: Sequence[int] = ()) -> list[bytes]:
    """Return the fragments of a frame, whose payloads are `sizes`, or up to those that `MRUS` says."""
    version = frame[locate(frame).l3] >> 4
    return [bytes(part) for part in fragment(frame, MRUS[version], ident=next(IDENTS), sizes=sizes)]


def without_ident(frame: bytes) -> bytes:
    """Return a fragment without the identification that an IPv6 one is given when it is made."""
    at = locate(frame).l3 + 40
    if frame[at - 40] >> 4 != 6:
        return frame
    if frame[at - 34] == IPPROTO_HOPOPTS:
        at += 8
    return frame[: at + 4] + frame[at + 8 :]


def mru_of(parts: Sequence[bytes]) -> int:
    """Return the bytes of the largest of IP packets."""
    return max(len(part) - locate(part).l3 for part in parts)


def ipv4_fragment(ident: int, at: int, payload: bytes, *, more: bool, flags: int = 0, tos: int = 0) -> bytes:
    """Return a frame with a fragment of IPv4."""
    field = flags | (IP_MF if more else 0) | at // 8
    return build.ethernet(A, B, build.ip(CLIENT, SERVER, 17, payload, ident=ident, fragment=field, tos=tos))


def ipv6_fragment(ident: int, at: int, payload: bytes, *, more: bool, flags: int = 0, tos: int = 0) -> bytes:
    """Return a frame with a fragment of IPv6, which has no flags."""
    part = build.fragment_header(17, payload, offset=at // 8, more=more, ident=ident)
    return build.ethernet(A, B, build.ip(CLIENT6, SERVER6, 44, part, tos=tos))


MAKE: dict[int, Callable[..., bytes]] = {4: ipv4_fragment, 6: ipv6_fragment}


def tos_of(upcall: Upcall) -> int | None:
    """Return the TOS or traffic class in a key."""
    ipv4, ipv6 = upcall.key.ipv4, upcall.key.ipv6
    return ipv4.tos if ipv4 else ipv6.tclass if ipv6 else None


class Reassembling:
    """A datapath that tracks all that comes in by its port 1; `receive` is for that, what then misses comes up."""

    def __init__(self, dp: Datapath, first: Host, second: Host, upcalls: Upcalls) -> None:
        self.dp = dp
        self.second = second
        self._first = first
        self._upcalls = upcalls
        self.does("ct,recirc(0x1)")

    def does(self, actions: str) -> None:
        """Let the flows for what comes in have other actions."""
        for match in ("eth_type(0x0800),ipv4()", "eth_type(0x86dd),ipv6()"):
            self.dp.flows.put(f"recirc_id(0),in_port(1),eth(),{match}", actions)
            tagged = f"eth_type(0x8100),vlan(),encap({match})"
            self.dp.flows.put(f"recirc_id(0),in_port(1),eth(),{tagged}", actions)

    def forwards(self) -> None:
        """Let what was tracked go out of port 2."""
        for match in ("eth_type(0x0800),ipv4()", "eth_type(0x86dd),ipv6()"):
            self.dp.flows.put(f"recirc_id(0x1),in_port(1),eth(),{match}", "2")
            tagged = f"eth_type(0x8100),vlan(),encap({match})"
            self.dp.flows.put(f"recirc_id(0x1),in_port(1),eth(),{tagged}", "2")

    def receive(self, parts: Sequence[bytes]) -> list[Upcall]:
        """Return what comes up when frames came in."""
        for part in parts:
            self._first.send(part)
        return self._upcalls.poll(NONE_WITHIN)

    def sent(self) -> list[bytes]:
        """Return what came out of port 2, identifications of IPv6 left out."""
        frames = iter(lambda: self.second.recv(NONE_WITHIN), None)
        return [without_ident(frame) for frame in frames]


def same(parts: Sequence[bytes]) -> list[bytes]:
    """Return frames as `Reassembling.sent` does."""
    return [without_ident(part) for part in parts]


both = pytest.mark.parametrize("version", [4, 6])


class Fragments:
    """The action ``ct`` on fragments, MRUs, and outputs of packets that have one."""

    @pytest.fixture
    def joining(self, harness: Harness) -> Iterator[Reassembling]:
        dp, first, second = two_ports(harness)
        dp.conntrack.flush()
        with dp.upcalls() as upcalls:
            yield Reassembling(dp, first, second, upcalls)

    @both
    def test_an_upcall_tells_the_mru_of_what_came_in_fragments(self, joining: Reassembling, version: int) -> None:
        frame = datagram(version)
        parts = cut(frame)
        (upcall,) = joining.receive(parts)
        assert upcall.packet == frame
        assert upcall.mru == mru_of(parts) <= MRUS[version]
        assert upcall.key.ct_state == TRK | NEW
        header = upcall.key.ipv4 if version == 4 else upcall.key.ipv6
        assert header is not None
        assert header.frag == FragType.NONE
        assert upcall.key.udp is not None

    @both
    def test_a_packet_with_an_mru_goes_out_in_fragments(self, joining: Reassembling, version: int) -> None:
        frame = datagram(version)
        parts = cut(frame)
        (upcall,) = joining.receive(parts)
        joining.dp.execute(upcall.packet, "2", upcall.key, mru=upcall.mru)
        assert joining.sent() == same(parts)
        joining.dp.execute(upcall.packet, "2", upcall.key)
        assert joining.sent() == [without_ident(frame)]

    @both
    def test_one_that_fits_its_mru_goes_out_whole(self, joining: Reassembling, version: int) -> None:
        frame = datagram(version, payload=b"." * 400)
        key = dpif.FlowKey(in_port=1)
        joining.dp.execute(frame, "2", key, mru=len(frame) - 14)
        assert joining.second.recv() == frame
        joining.dp.execute(frame, "2", key, mru=len(frame) - 15)
        parts = joining.sent()
        assert len(parts) == {4: 2, 6: 1}[version], "no fragment of IPv6 needs to be smaller than 1280 bytes"
        assert locate(parts[0]).fragment

    @both
    @pytest.mark.parametrize("order", ["backwards", "last first", "twice"])
    def test_any_order_will_do(self, joining: Reassembling, version: int, order: str) -> None:
        frame = datagram(version)
        parts = cut(frame, UNEVEN)
        orders = {"backwards": parts[::-1], "last first": parts[-1:] + parts[:-1], "twice": [*parts[:-1], *parts]}
        (upcall,) = joining.receive(orders[order])
        assert upcall.packet == frame
        assert upcall.mru == mru_of(parts)

    @both
    def test_packets_may_be_mixed(self, joining: Reassembling, version: int) -> None:
        frames = [datagram(version, payload=PAYLOAD[i:]) for i in range(3)]
        mixed = [part for parts in zip(*map(cut, frames), strict=True) for part in parts]
        assert [upcall.packet for upcall in joining.receive(mixed)] == frames

    @both
    def test_what_is_not_whole_goes_no_further(self, joining: Reassembling, version: int) -> None:
        for missing in range(len(UNEVEN)):
            parts = cut(datagram(version), UNEVEN)
            assert joining.receive(parts[:missing] + parts[missing + 1 :]) == []
        parts = cut(datagram(version), UNEVEN)
        hits = joining.dp.stats().hit
        assert joining.receive(parts[1:]) == []
        assert joining.dp.stats().hit == hits + len(parts) - 1
        assert joining.dp.stats().lost == 0

    @both
    def test_nor_does_it_from_user_space(self, joining: Reassembling, version: int) -> None:
        parts = cut(datagram(version))
        for part in parts[:-1]:
            joining.dp.execute(part, "ct,2", dpif.FlowKey(in_port=1))
        assert joining.sent() == []
        joining.dp.execute(parts[-1], "ct,2", dpif.FlowKey(in_port=1))
        assert joining.sent() == same(parts)

    @both
    def test_fragments_that_overlap_end_the_packet(self, joining: Reassembling, version: int) -> None:
        make, ident = MAKE[version], next(IDENTS)
        joining.dp.execute(make(ident, 0, b"." * 64, more=True), "ct,2", dpif.FlowKey(in_port=1))
        with refused(errno.EINVAL, "an overlap"):
            joining.dp.execute(make(ident, 56, b"." * 64, more=True), "ct,2", dpif.FlowKey(in_port=1))
        assert joining.receive([make(ident, 64, b"." * 8, more=False)]) == []

    @both
    def test_fragments_that_contradict_each_other(self, joining: Reassembling, version: int) -> None:
        make, key = MAKE[version], dpif.FlowKey(in_port=1)
        for what, (start, size, more) in {
            "another end": (32, 16, False),
            "an earlier end": (16, 8, False),
            "beyond the end": (40, 8, True),
            "nothing": (8, 0, True),
        }.items():
            ident = next(IDENTS)
            joining.dp.execute(make(ident, 32, b"." * 8, more=False), "ct,2", key)
            with refused(errno.EINVAL, what):
                joining.dp.execute(make(ident, start, b"." * size, more=more), "ct,2", key)

    @both
    def test_one_within_what_is_there_is_passed_over(self, joining: Reassembling, version: int) -> None:
        make, ident = MAKE[version], next(IDENTS)
        frame = datagram(version, payload=b"." * 120)
        data = frame[locate(frame).l4 :]
        parts = [(0, 64, True), (64, 96, True), (56, 72, True), (8, 48, True), (0, 64, True), (96, 128, False)]
        (upcall,) = joining.receive([make(ident, start, data[start:end], more=more) for start, end, more in parts])
        assert upcall.packet[locate(upcall.packet).l4 :] == data

    def test_a_source_that_sends_much_meanwhile_begins_anew(self, joining: Reassembling) -> None:
        """Its numbers for packets may be used again by then; IPv6 has more of them."""
        for others, is_whole in ((63, True), (64, False)):
            ident = next(IDENTS)
            first, last = ipv4_fragment(ident, 0, b"." * 64, more=True), ipv4_fragment(ident, 64, b".", more=False)
            between = [ipv4_fragment(next(IDENTS), 0, b"." * 64, more=True) for _ in range(others)]
            assert bool(joining.receive([first, *between, last])) is is_whole
            assert bool(joining.receive([first])) is not is_whole

    def test_two_fragments_that_came_apart_are_not_one(self, joining: Reassembling) -> None:
        """One that has the bytes of both is an overlap then."""
        ident, key = next(IDENTS), dpif.FlowKey(in_port=1)
        joining.dp.execute(ipv4_fragment(ident, 64, b"." * 8, more=True), "ct,2", key)
        joining.dp.execute(ipv4_fragment(ident, 0, b"." * 8, more=True), "ct,2", key)
        joining.dp.execute(ipv4_fragment(ident, 8, b"." * 8, more=True), "ct,2", key)
        with refused(errno.EINVAL, "an overlap"):
            joining.dp.execute(ipv4_fragment(ident, 0, b"." * 16, more=True), "ct,2", key)

    @both
    def test_sizes_are_kept_where_the_packet_goes_straight_through(self, joining: Reassembling, version: int) -> None:
        """And made by the MRU where there is a copy of it."""
        frame = datagram(version)
        parts = cut(frame, UNEVEN)
        joining.forwards()
        assert joining.receive(parts) == []
        assert joining.sent() == same(parts)
        joining.does("ct,2,recirc(0x1)")
        assert joining.receive(parts) == []
        assert joining.sent() == same([*map(bytes, fragment(frame, mru_of(parts))), *parts])

    @both
    def test_vlan_tags_are_kept(self, joining: Reassembling, version: int) -> None:
        frame = datagram(version, more=TAG)
        parts = cut(frame)
        (upcall,) = joining.receive(parts)
        assert upcall.packet == frame
        assert upcall.mru == mru_of(parts)
        joining.dp.execute(upcall.packet, "2", upcall.key, mru=upcall.mru)
        assert joining.sent() == same(parts)

    def test_dont_fragment(self, joining: Reassembling) -> None:
        """Where the largest fragment had the flag the packet has it, but what goes out does not."""
        data = PAYLOAD[:96]
        for flags, expected in (((IP_DF, IP_DF), IP_DF), ((IP_DF, 0), IP_DF), ((0, IP_DF), 0)):
            ident = next(IDENTS)
            parts = [
                ipv4_fragment(ident, 0, data[:64], more=True, flags=flags[0]),
                ipv4_fragment(ident, 64, data[64:], more=False, flags=flags[1]),
            ]
            (upcall,) = joining.receive(parts)
            assert int.from_bytes(upcall.packet[20:22]) == expected, flags
            joining.dp.execute(upcall.packet, "2", upcall.key, mru=upcall.mru)
            assert [int.from_bytes(part[20:22]) for part in joining.sent()] == [IP_MF, 8], flags

    @both
    def test_congestion_that_a_fragment_met_is_the_packets(self, joining: Reassembling, version: int) -> None:
        make = MAKE[version]
        for tos, expected in (((1, 3), 3), ((3, 2), 3), ((1, 2), 1), ((0, 0), 0), ((0, 2), None), ((3, 0), None)):
            ident = next(IDENTS)
            parts = [make(ident, at * 64, PAYLOAD[:64], more=not at, tos=tos[at]) for at in (0, 1)]
            came = [tos_of(upcall) for upcall in joining.receive(parts)]
            assert came == ([] if expected is None else [expected]), tos

    def test_options_and_extension_headers_are_kept(self, joining: Reassembling) -> None:
        options = bytes.fromhex("0704040494040000")  # one that is copied by the book, and one that is not
        packet = build.ip(CLIENT, SERVER, 17, PAYLOAD, options=options, ident=next(IDENTS))
        extended = build.ip(CLIENT6, SERVER6, 0, build.options_header(17, PAYLOAD))
        for frame in (build.ethernet(A, B, packet), build.ethernet(A, B, extended)):
            parts = cut(frame)
            (upcall,) = joining.receive(parts)
            assert upcall.packet == frame
            joining.dp.execute(upcall.packet, "2", upcall.key, mru=upcall.mru)
            assert joining.sent() == same(parts)

    @both
    def test_copies_keep_the_mru(self, joining: Reassembling, version: int) -> None:
        for actions in ("ct,clone(recirc(0x1))", "ct,sample(sample=100%,actions(recirc(0x1)))", "ct,recirc(0x1),2"):
            joining.does(actions)
            parts = cut(datagram(version))
            (upcall,) = joining.receive(parts)
            assert upcall.mru == mru_of(parts), actions

    @both
    def test_the_length_of_a_packet_is_that_of_its_largest_fragment(
        self, joining: Reassembling, version: int
    ) -> None:
        size = mru_of(cut(datagram(version))) + 14
        for limit, expected in ((size, 2), (size - 1, 1)):
            joining.does(f"ct,check_pkt_len(size={limit},gt(recirc(0x1)),le(recirc(0x2)))")
            (upcall,) = joining.receive(cut(datagram(version)))
            assert upcall.key.recirc_id == expected

    @both
    def test_fragments_of_two_zones_are_apart(self, joining: Reassembling, harness: Harness, version: int) -> None:
        if "ct_zones" not in harness.capabilities:
            pytest.skip("no conntrack zones")
        frame = datagram(version)
        parts = cut(frame)
        key = dpif.FlowKey(in_port=1)
        for part, zone in zip(parts, range(1, 10), strict=False):
            joining.dp.execute(part, f"ct(zone={zone}),2", key)
        assert joining.sent() == []
        for part in parts[1:]:
            joining.dp.execute(part, "ct(zone=1),2", key)
        assert joining.sent() == same(parts)

    @both
    def test_fragments_are_not_touched_without_ct(self, joining: Reassembling, version: int) -> None:
        joining.does("2")
        parts = cut(datagram(version))
        joining.receive(parts)
        assert joining.sent() == same(parts)

    def test_no_packet_is_larger_than_its_length_can_tell(self, joining: Reassembling) -> None:
        ident, key = next(IDENTS), dpif.FlowKey(in_port=1)
        for start in range(0, 65120, 1480):
            joining.dp.execute(ipv4_fragment(ident, start, bytes(1480), more=True), "ct,2", key)
        with refused(errno.E2BIG):
            joining.dp.execute(ipv4_fragment(ident, 65120, bytes(400), more=False), "ct,2", key)
