"""Connection tracking: states, marks and labels, zones."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Iterator

import pytest

import dpif
from dpif._typing import TypeAlias
from dpif.client import Datapath, Upcall, Upcalls
from dpif.client.ct_limits import CtLimits
from dpif.odp.constants import CtLimitCmd
from dpif.odp.messages import CtLimitRecord, ZoneLimit
from dpif.packet import build
from dpif.packet.checksum import crc32c
from dpif.packet.edit import complete_checksum
from dpif.packet.layout import locate
from dpif.testing.conformance.harness import Harness, refused, two_ports
from dpif.testing.waiting import PATIENCE, eventually

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
CLIENT, SERVER, OUTSIDE = "10.7.0.1", "10.7.0.2", "192.0.2.7"
CLIENT6, SERVER6, OUTSIDE6 = "fc00:7::1", "fc00:7::2", "2001:db8::7"
SYN, SYN_ACK, ACK, RST, FIN_ACK = 0x02, 0x12, 0x10, 0x04, 0x11
Make: TypeAlias = Callable[[str, str, int, int], bytes]
NEW, EST, REL, RPL, INV, TRK, SNAT, DNAT = (1 << bit for bit in range(8))


def udp(src: str, dst: str, src_port: int, dst_port: int) -> bytes:
    """Return a frame that needs no padding."""
    return build.ethernet(A, B, build.udp(src, dst, src_port, dst_port, b"." * 32))


def tcp(src: str, dst: str, src_port: int, dst_port: int, flags: int, seq: int = 1, ack: int = 1) -> bytes:
    """Return a segment without data."""
    ack = 0 if flags == SYN else ack
    return build.ethernet(A, B, build.tcp(src, dst, src_port, dst_port, flags=flags, seq=seq, ack=ack))


def sctp(tag: int, chunk: bytes, *, reply: bool = False) -> bytes:
    """Return a packet with one chunk, from port 1000 to port 80 or back."""
    ends, ports = ((SERVER, CLIENT), (80, 1000)) if reply else ((CLIENT, SERVER), (1000, 80))
    return build.ethernet(A, B, build.ip(*ends, 132, sctp_packet(*ports, tag, chunk)))


def sctp_packet(src_port: int, dst_port: int, tag: int, chunks: bytes) -> bytes:
    """Return an SCTP packet without what carries it; its CRC is that of the chunks, though they be cut."""
    header = struct.pack("!HHI", src_port, dst_port, tag)
    return header + crc32c(header + bytes(4) + chunks).to_bytes(4, "little") + chunks


def chunk(kind: int, content: bytes = b"") -> bytes:
    """Return a chunk of SCTP."""
    return struct.pack("!BBH", kind, 0, 4 + len(content)) + content


INIT = chunk(1, struct.pack("!IIHHI", 0x11111111, 65536, 1, 1, 1))
INIT_ACK = chunk(2, struct.pack("!IIHHI", 0x22222222, 65536, 1, 1, 1))
COOKIE_ECHO = chunk(10, b"cookie..")
COOKIE_ACK = chunk(11)
DATA = chunk(0, struct.pack("!IHHI", 1, 0, 0, 0) + b"data")
"""Chunks that open an association with the tags 0x22222222 and 0x11111111, and one of data."""


def handshake(src: str, dst: str, src_port: int, dst_port: int) -> bytes:
    """Return a segment that begins a connection to port 53, or answers from there."""
    return tcp(src, dst, src_port, dst_port, SYN_ACK if src_port == 53 else SYN, 1, 2)


def init(src: str, dst: str, src_port: int, dst_port: int) -> bytes:
    """Return an SCTP packet that begins an association."""
    return build.ethernet(A, B, build.ip(src, dst, 132, sctp_packet(src_port, dst_port, 0, INIT)))


def unreachable(src: str, dst: str, frame: bytes, size: int | None = None) -> bytes:
    """Return the ICMP error "port unreachable" about the packet in `frame`: its first `size` bytes, or all of it."""
    packet = frame[14:] if size is None else frame[14 : 14 + size]
    protocol, kind = (58, b"\1\4") if ":" in src else (1, b"\3\3")
    error = bytearray(build.ethernet(A, B, build.ip(src, dst, protocol, kind + bytes(6) + packet)))
    complete_checksum(error, locate(error))
    return bytes(error)


class Tracking:
    """A datapath whose actions' results come up, with what is known of the packet; `receive` is for port 1."""

    def __init__(self, dp: Datapath, upcalls: Upcalls, receive: Callable[[bytes], None]) -> None:
        self.dp = dp
        self.receive = receive
        self._upcalls = upcalls

    def go(self, frame: bytes, actions: str = "ct(nat)", key: dpif.FlowKey | None = None) -> Upcall:
        """Return what comes up when a packet has been through `actions`."""
        self.dp.execute(frame, f"{actions},recirc(0x1)", key or dpif.FlowKey(in_port=1))
        return self.come_up()

    def looks(self, frame: bytes, actions: str) -> list[Upcall]:
        """Return what comes up from each ``look`` among `actions`."""
        look = f"userspace(pid={self._upcalls.pid_of(1)})"
        self.dp.execute(frame, actions.replace("look", look), dpif.FlowKey(in_port=1))
        found: list[Upcall] = []
        while upcalls := self._upcalls.poll(0.0):
            found += upcalls
        return found

    def come_up(self) -> Upcall:
        """Wait for the next packet that comes up; return it."""
        (upcall,) = self._upcalls.poll(PATIENCE)
        return upcall

    def state(self, frame: bytes, actions: str = "ct(nat)") -> int:
        """Return the state that a packet is in after `actions`."""
        return int(self.go(frame, actions).key.ct_state or 0)


class OnTracking:
    """Gives its tests a datapath that has seen no connection yet."""

    @pytest.fixture
    def tracking(self, harness: Harness) -> Iterator[Tracking]:
        dp, first, _ = two_ports(harness)
        dp.conntrack.flush()
        with dp.upcalls() as upcalls:
            yield Tracking(dp, upcalls, first.send)


class Conntrack(OnTracking):
    """The action ``ct`` without translation."""

    def test_a_connection_is_new_until_it_is_answered(self, tracking: Tracking) -> None:
        query, answer = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
        assert tracking.state(query, "ct") == TRK | NEW
        assert tracking.state(answer, "ct") == TRK | NEW, "nothing was committed"
        assert tracking.state(query, "ct(commit)") == TRK | NEW
        assert tracking.state(query, "ct") == TRK | NEW
        assert tracking.state(answer, "ct") == TRK | EST | RPL
        assert tracking.state(query, "ct") == TRK | EST

    def test_ipv6(self, tracking: Tracking) -> None:
        query, answer = udp(CLIENT6, SERVER6, 1000, 53), udp(SERVER6, CLIENT6, 53, 1000)
        assert tracking.state(query, "ct(commit)") == TRK | NEW
        upcall = tracking.go(answer, "ct")
        assert upcall.key.ct_state == TRK | EST | RPL
        tuple6 = upcall.key.ct_tuple6
        assert tuple6 is not None
        assert (str(tuple6.src), str(tuple6.dst), tuple6.proto) == (CLIENT6, SERVER6, 17)

    def test_tcp(self, tracking: Tracking) -> None:
        out, back = (CLIENT, SERVER, 1000, 80), (SERVER, CLIENT, 80, 1000)
        assert tracking.state(tcp(*out, SYN, 1), "ct(commit)") == TRK | NEW
        assert tracking.state(tcp(*back, SYN_ACK, 1, 2), "ct") == TRK | EST | RPL
        assert tracking.state(tcp(*out, ACK, 2, 2), "ct") == TRK | EST

    def test_a_segment_that_begins_nothing_is_invalid(self, tracking: Tracking) -> None:
        frame = tcp(CLIENT, SERVER, 1001, 80, SYN_ACK)
        upcall = tracking.go(frame, "ct")
        assert upcall.key.ct_state == TRK | INV
        assert upcall.key.ct_tuple4 is None
        assert tracking.state(frame, "ct(commit)") == TRK | INV

    def test_segments_outside_the_window_are_invalid(self, tracking: Tracking) -> None:
        """Until the connection is established: from then on the datapath is liberal, but for resets."""
        out, back = (CLIENT, SERVER, 1000, 80), (SERVER, CLIENT, 80, 1000)
        assert tracking.state(tcp(*out, SYN, 100), "ct(commit)") == TRK | NEW
        for what, segment, expected in (
            ("an answer to another SYN", tcp(*back, SYN_ACK, 500, 9000), INV),
            ("the answer", tcp(*back, SYN_ACK, 500, 101), EST | RPL),
            ("an acknowledgement of what was not sent", tcp(*out, ACK, 101, 9000), INV),
            ("beyond the window", tcp(*out, ACK, 101 + 200_000, 501), INV),
            ("within the window", tcp(*out, ACK, 101 + 60_000, 501), EST),
            ("the handshake", tcp(*out, ACK, 101, 501), EST),
            ("an acknowledgement of what was not sent, later", tcp(*out, ACK, 101, 9000), EST),
            ("beyond the window, later", tcp(*out, ACK, 101 + 200_000, 501), EST),
            ("a reset that is forged", tcp(*back, RST, 1, 0), INV),
            ("a reset that is not", tcp(*back, RST, 501, 0), EST | RPL),
        ):
            assert tracking.state(segment, "ct") == TRK | expected, what

    def test_a_connection_that_is_picked_up_has_no_window(self, tracking: Tracking) -> None:
        """Nobody knows its window scales, so it is given the benefit of the doubt."""
        out = (CLIENT, SERVER, 1000, 80)
        assert tracking.state(tcp(*out, ACK, 100, 500), "ct(commit)") == TRK | NEW
        assert tracking.state(tcp(*out, ACK, 100 + 200_000, 900_000), "ct") == TRK | NEW

    def test_a_port_that_is_used_again_begins_another_connection(self, tracking: Tracking) -> None:
        out, back = (CLIENT, SERVER, 1000, 80), (SERVER, CLIENT, 80, 1000)
        for segment in (
            tcp(*out, SYN, 100),
            tcp(*back, SYN_ACK, 500, 101),
            tcp(*out, ACK, 101, 501),
            tcp(*out, FIN_ACK, 101, 501),
            tcp(*back, FIN_ACK, 501, 102),
            tcp(*out, ACK, 102, 502),
        ):
            assert tracking.state(segment, "ct(commit)") & INV == 0
        assert tracking.state(tcp(*out, SYN, 7000), "ct(commit)") == TRK | NEW

    def test_sctp(self, tracking: Tracking) -> None:
        assert tracking.state(sctp(0x11111111, COOKIE_ACK), "ct") == TRK | INV, "begins nothing"
        assert tracking.state(sctp(7, INIT), "ct") == TRK | INV, "the first packet has no tag"
        assert tracking.state(sctp(0, INIT), "ct(commit)") == TRK | NEW
        assert tracking.state(sctp(0x11111111, INIT_ACK, reply=True), "ct") == TRK | EST | RPL
        assert tracking.state(sctp(0x33333333, COOKIE_ECHO), "ct") == TRK | INV, "a wrong tag"
        assert tracking.state(sctp(0x22222222, COOKIE_ECHO), "ct") == TRK | EST
        assert tracking.state(sctp(0x11111111, COOKIE_ACK, reply=True), "ct") == TRK | EST | RPL
        assert tracking.state(sctp(0x22222222, DATA), "ct") == TRK | EST
        assert tracking.state(sctp(0x22222222, DATA, reply=True), "ct") == TRK | INV, "the other end's tag"
        broken = sctp(0x22222222, DATA)
        assert tracking.state(broken[:-1] + b"!", "ct") == TRK | INV, "a wrong checksum"

    def test_a_wrong_checksum_is_invalid(self, tracking: Tracking) -> None:
        frame = udp(CLIENT, SERVER, 1000, 53)
        assert tracking.state(frame[:-1] + b"!", "ct") == TRK | INV

    def test_ping(self, tracking: Tracking) -> None:
        request = build.ethernet(A, B, build.echo(CLIENT, SERVER))
        answer = build.ethernet(A, B, build.echo(SERVER, CLIENT, reply=True))
        assert tracking.state(answer, "ct") == TRK | INV
        assert tracking.state(request, "ct(commit)") == TRK | NEW
        upcall = tracking.go(answer, "ct")
        assert upcall.key.ct_state == TRK | EST | RPL
        tuple4 = upcall.key.ct_tuple4
        assert tuple4 is not None
        assert (tuple4.proto, tuple4.tp_src, tuple4.tp_dst) == (1, 8, 0)

    def test_an_icmp_error_is_related(self, tracking: Tracking) -> None:
        query = udp(CLIENT, SERVER, 1000, 53)
        error = unreachable(SERVER, CLIENT, query)
        assert tracking.state(error, "ct") == TRK | INV
        tracking.go(query, "ct(commit)")
        assert tracking.state(error, "ct") == TRK | REL | RPL

    def test_the_original_tuple_is_told(self, tracking: Tracking) -> None:
        tracking.go(udp(CLIENT, SERVER, 1000, 53), "ct(commit)")
        tuple4 = tracking.go(udp(SERVER, CLIENT, 53, 1000), "ct").key.ct_tuple4
        assert tuple4 is not None
        assert (str(tuple4.src), str(tuple4.dst), tuple4.proto) == (CLIENT, SERVER, 17)
        assert (tuple4.tp_src, tuple4.tp_dst) == (1000, 53)

    def test_mark_and_label_are_kept_under_their_masks(self, tracking: Tracking) -> None:
        query, answer = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
        key = tracking.go(query, "ct(commit,mark=0x12/0xff,label=0x5/0xf)").key
        assert (key.ct_mark, key.ct_label) == (0x12, 0x5)
        key = tracking.go(answer, "ct").key
        assert (key.ct_mark, key.ct_label) == (0x12, 0x5)
        tracking.go(answer, "ct(commit,mark=0x100/0xf00,label=0x40/0xf0)")
        key = tracking.go(query, "ct").key
        assert (key.ct_mark, key.ct_label) == (0x112, 0x45)

    def test_ct_clear(self, tracking: Tracking) -> None:
        key = tracking.go(udp(CLIENT, SERVER, 1000, 53), "ct(commit,mark=0x1/0xff),ct_clear").key
        assert (key.ct_state, key.ct_mark, key.ct_tuple4) == (0, 0, None)

    def test_force_commit_turns_a_connection_round(self, tracking: Tracking) -> None:
        query, answer = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
        tracking.go(query, "ct(commit,mark=0x1/0xff)")
        key = tracking.go(answer, "ct(force_commit)").key
        assert (key.ct_state, key.ct_mark) == (TRK | NEW, 0)
        assert tracking.state(query, "ct") == TRK | EST | RPL

    def test_a_packet_from_user_space_finds_its_connection_again(self, tracking: Tracking) -> None:
        query = udp(CLIENT, SERVER, 1000, 53)
        tracking.go(query, "ct(commit)")
        key = tracking.go(query, "ct").key
        again = tracking.go(query, "ct(commit,mark=0x7/0xff)", key)
        assert again.key.ct_mark == 7

    def test_zones_are_apart(self, tracking: Tracking, harness: Harness) -> None:
        if "ct_zones" not in harness.capabilities:
            pytest.skip("no conntrack zones")
        query, answer = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
        key = tracking.go(query, "ct(commit,zone=5)").key
        assert key.ct_zone == 5
        assert tracking.state(answer, "ct(zone=5)") == TRK | EST | RPL
        assert tracking.state(answer, "ct(zone=6)") == TRK | NEW
        assert tracking.state(answer, "ct(zone=5),ct") == TRK | NEW

    def test_what_conntrack_refuses(self, tracking: Tracking) -> None:
        with refused(errno.EINVAL, "a helper that is not there"):
            tracking.dp.flows.add("eth(),eth_type(0x0800),ipv4(proto=17)", "ct(commit,helper=nosuch)")


class ConntrackLimits(OnTracking):
    """The family ``ovs_ct_limit``, wire.md section 8.3."""

    @pytest.fixture
    def limits(self, tracking: Tracking) -> Iterator[CtLimits]:
        limits = tracking.dp.ct_limits
        yield limits
        limits.delete(*limits.zones, default=True)

    def test_limits_come_change_and_go(self, limits: CtLimits) -> None:
        assert (limits.default, limits.zones) == (0, {})
        limits.set({5: 3, 7: 9}, default=100)
        assert limits.default == 100
        assert limits.zones == {5: ZoneLimit(5, 3), 7: ZoneLimit(7, 9)}
        assert limits.read([9, 5]) == [ZoneLimit(9, 100), ZoneLimit(5, 3)]
        limits.delete(5, default=True)
        assert (limits.default, set(limits.zones)) == (0, {7})

    def test_one_connection_too_many_is_refused(self, tracking: Tracking, limits: CtLimits) -> None:
        limits.set({0: 2})
        for port in (1000, 1001):
            assert tracking.state(udp(CLIENT, SERVER, port, 53), "ct(commit)") == TRK | NEW
        assert limits.get(0) == ZoneLimit(0, 2, 2)  # the kernel counts one that it refuses, for a moment
        with refused(errno.ENOMEM):
            tracking.go(udp(CLIENT, SERVER, 1002, 53), "ct(commit)")

    def test_a_limit_does_not_count_what_is_closed(self, tracking: Tracking, limits: CtLimits) -> None:
        limits.set({0: 1})
        out, back = (CLIENT, SERVER, 1000, 80), (SERVER, CLIENT, 80, 1000)
        assert tracking.state(tcp(*out, SYN, 100), "ct(commit)") == TRK | NEW
        with refused(errno.ENOMEM):
            tracking.go(udp(CLIENT, SERVER, 1002, 53), "ct(commit)")
        for segment in (tcp(*back, SYN_ACK, 500, 101), tcp(*out, ACK, 101, 501), tcp(*out, RST, 101, 0)):
            tracking.go(segment, "ct(commit)")
        assert len(list(tracking.dp.conntrack)) == 1
        eventually(lambda: limits.get(0) == ZoneLimit(0, 1, 0))
        assert tracking.state(udp(CLIENT, SERVER, 1002, 53), "ct(commit)") == TRK | NEW

    def test_set_and_delete_need_zones(self, tracking: Tracking, limits: CtLimits) -> None:
        for command in (CtLimitCmd.SET, CtLimitCmd.DEL):
            with refused(errno.EINVAL, command.name):
                tracking.dp.connection.transact(CtLimitRecord(command=command).request("nothing"))
