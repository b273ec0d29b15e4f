"""Address translation by ``ct(nat(…))``: what becomes of a packet, and of the connection."""

from __future__ import annotations

import errno
from ipaddress import IPv4Address

import pytest

from dpif.conntrack import Status, Tuple
from dpif.packet import build
from dpif.testing.conformance.conntrack import (
    CLIENT,
    CLIENT6,
    DNAT,
    EST,
    INV,
    NEW,
    OUTSIDE,
    OUTSIDE6,
    REL,
    RPL,
    SERVER,
    SERVER6,
    SNAT,
    TRK,
    A,
    B,
    Make,
    OnTracking,
    Tracking,
    handshake,
    init,
    sctp_packet,
    udp,
    unreachable,
)
from dpif.testing.conformance.harness import refused

QUERY, ANSWER = udp(CLIENT, SERVER, 1000, 53), udp(SERVER, CLIENT, 53, 1000)
OTHER = "10.7.0.9"


class ConntrackNat(OnTracking):
    """The action ``ct`` with ``nat``: what a packet looks like behind it."""

    @pytest.mark.parametrize(
        ("client", "server", "outside"), [(CLIENT, SERVER, OUTSIDE), (CLIENT6, SERVER6, OUTSIDE6)]
    )
    @pytest.mark.parametrize("make", [udp, handshake])
    def test_source(self, tracking: Tracking, client: str, server: str, outside: str, make: Make) -> None:
        up = tracking.go(make(client, server, 1000, 53), f"ct(commit,nat(src={outside}))")
        assert up.packet == make(outside, server, 1000, 53)
        assert up.key.ct_state == TRK | NEW | SNAT
        up = tracking.go(make(server, outside, 53, 1000))
        assert up.packet == make(server, client, 53, 1000)
        assert up.key.ct_state == TRK | EST | RPL | DNAT

    def test_a_source_port_out_of_a_range(self, tracking: Tracking) -> None:
        action = f"ct(commit,nat(src={OUTSIDE}:5000-5001))"
        seen = set()
        for port in (1000, 1001):
            up = tracking.go(udp(CLIENT, SERVER, port, 53), action)
            chosen = up.key.udp.src if up.key.udp else 0
            seen.add(chosen)
            assert up.packet == udp(OUTSIDE, SERVER, chosen, 53)
            assert tracking.go(udp(SERVER, OUTSIDE, 53, chosen)).packet == udp(SERVER, CLIENT, 53, port)
        assert seen == {5000, 5001}
        with refused(errno.EINVAL, "a third where there are two"):
            tracking.go(udp(CLIENT, SERVER, 1002, 53), action)

    def test_a_range_of_addresses(self, tracking: Tracking) -> None:
        up = tracking.go(udp(CLIENT, SERVER, 1000, 53), "ct(commit,nat(src=192.0.2.16-192.0.2.31))")
        assert up.key.ipv4 is not None
        assert str(up.key.ipv4.src).startswith("192.0.2.")
        assert 16 <= up.key.ipv4.src.packed[3] <= 31

    def test_destination(self, tracking: Tracking) -> None:
        up = tracking.go(udp(OUTSIDE, CLIENT, 1000, 53), f"ct(commit,nat(dst={SERVER}:5353))")
        assert up.packet == udp(OUTSIDE, SERVER, 1000, 5353)
        assert int(up.key.ct_state or 0) & DNAT
        up = tracking.go(udp(SERVER, OUTSIDE, 5353, 1000))
        assert up.packet == udp(CLIENT, OUTSIDE, 53, 1000)
        assert int(up.key.ct_state or 0) & (EST | RPL | SNAT) == EST | RPL | SNAT

    def test_a_port_that_is_taken_is_left_to_the_first(self, tracking: Tracking) -> None:
        action = f"ct(commit,nat(src={OUTSIDE}))"
        assert tracking.go(udp(CLIENT, SERVER, 2000, 53), action).packet == udp(OUTSIDE, SERVER, 2000, 53)
        up = tracking.go(udp("10.7.0.9", SERVER, 2000, 53), action)
        assert up.key.udp is not None
        assert up.key.udp.src != 2000
        assert up.packet == udp(OUTSIDE, SERVER, up.key.udp.src, 53)

    def test_ping(self, tracking: Tracking) -> None:
        request = build.ethernet(A, B, build.echo(CLIENT, SERVER))
        up = tracking.go(request, f"ct(commit,nat(src={OUTSIDE}))")
        assert up.packet == build.ethernet(A, B, build.echo(OUTSIDE, SERVER))
        up = tracking.go(build.ethernet(A, B, build.echo(SERVER, OUTSIDE, reply=True)))
        assert up.packet == build.ethernet(A, B, build.echo(SERVER, CLIENT, reply=True))

    @pytest.mark.parametrize("make", [udp, handshake])
    def test_an_icmp_error_is_translated_with_what_it_quotes(self, tracking: Tracking, make: Make) -> None:
        query = make(CLIENT, SERVER, 1000, 53)
        outside = tracking.go(query, f"ct(commit,nat(src={OUTSIDE}))").packet
        up = tracking.go(unreachable(SERVER, OUTSIDE, outside))
        assert up.packet == unreachable(SERVER, CLIENT, query)
        assert int(up.key.ct_state or 0) & (REL | RPL) == REL | RPL

    @pytest.mark.parametrize("end", ["src", "dst"])
    @pytest.mark.parametrize(
        ("client", "server", "outside"), [(CLIENT, SERVER, OUTSIDE), (CLIENT6, SERVER6, OUTSIDE6)]
    )
    @pytest.mark.parametrize("make", [udp, handshake, init])
    def test_an_icmp_error_may_quote_little(
        self, tracking: Tracking, make: Make, client: str, server: str, outside: str, end: str
    ) -> None:
        """8 bytes are enough; the CRC of SCTP, where it is there, is made for what is quoted. Fewer are dropped."""
        query = make(client, server, 1000, 53)
        ip, address = (40, f"[{outside}]") if ":" in outside else (20, outside)
        seen = tracking.go(query, f"ct(commit,nat({end}={address}:7777))").packet
        back = (server, outside) if end == "src" else (outside, client)
        for size in (8, 12, 16, 20, len(query)):
            quoted = query[: 14 + ip + size]
            if make is init and size >= 12:
                quoted = quoted[: 14 + ip] + sctp_packet(1000, 53, 0, quoted[14 + ip + 12 :])
            error = unreachable(*back, seen, ip + size)
            assert tracking.go(error).packet == unreachable(server, client, quoted), f"{size} bytes"
        for size in (4, 7):
            with refused(errno.EINVAL, f"{size} bytes"):
                tracking.go(unreachable(*back, seen, ip + size))
        assert tracking.state(unreachable(*back, seen, ip + 3)) == TRK | INV

    @pytest.mark.parametrize("make", [udp, handshake, init])
    def test_an_icmp_error_about_what_was_not_translated_need_quote_no_more_than_ports(
        self, tracking: Tracking, make: Make
    ) -> None:
        query = make(CLIENT, SERVER, 1000, 53)
        tracking.go(query, "ct(commit)")
        for size, state in ((3, INV), (4, REL | RPL), (8, REL | RPL)):
            error = unreachable(SERVER, CLIENT, query, 20 + size)
            upcall = tracking.go(error)
            assert (upcall.key.ct_state, upcall.packet) == (TRK | state, error), f"{size} bytes"

    def test_what_was_not_translated_stays(self, tracking: Tracking) -> None:
        query = udp(CLIENT, SERVER, 1000, 53)
        tracking.go(query, "ct(commit)")
        assert tracking.go(query).packet == query

    def test_what_is_committed_stays_as_it_is(self, tracking: Tracking) -> None:
        """By the same packet and by a later one, as long as there is no answer, and after that."""
        nat = f"ct(commit,nat(src={OUTSIDE}))"
        assert tracking.go(QUERY, f"ct(commit),{nat}").packet == QUERY
        up = tracking.go(QUERY, nat)
        assert (up.packet, up.key.ct_state) == (QUERY, TRK | NEW | SNAT)
        (entry,) = tracking.dp.conntrack
        client, server = IPv4Address(CLIENT), IPv4Address(SERVER)
        assert entry.orig == Tuple(client, server, 17, 1000, 53)
        assert entry.reply == Tuple(server, client, 17, 53, 1000)
        assert entry.status == Status.CONFIRMED
        assert tracking.state(ANSWER, nat) == TRK | EST | RPL | SNAT
        assert tracking.go(QUERY, nat).packet == QUERY

    def test_it_is_translated_once_it_begins_anew(self, tracking: Tracking) -> None:
        nat = f"ct(commit,nat(src={OUTSIDE}))"
        tracking.go(QUERY, f"ct(commit),{nat}")
        tracking.dp.conntrack.flush()
        assert list(tracking.dp.conntrack) == []
        assert tracking.go(QUERY, nat).packet == udp(OUTSIDE, SERVER, 1000, 53)

    def test_the_first_translation_holds(self, tracking: Tracking) -> None:
        for server in (SERVER, OTHER):
            up = tracking.go(udp(OUTSIDE, CLIENT, 1000, 53), f"ct(commit,nat(dst={server}))")
            assert up.packet == udp(OUTSIDE, SERVER, 1000, 53)

    def test_it_is_not_applied_before_an_answer_unless_asked_for(self, tracking: Tracking) -> None:
        nat = f"ct(commit,nat(src={OUTSIDE}))"
        tracking.go(QUERY, nat)
        for actions, packet in (("ct(nat)", QUERY), ("ct", QUERY), (nat, udp(OUTSIDE, SERVER, 1000, 53))):
            assert tracking.go(QUERY, actions).packet == packet, actions
        tracking.go(udp(SERVER, OUTSIDE, 53, 1000))
        assert tracking.go(QUERY).packet == udp(OUTSIDE, SERVER, 1000, 53)

    def test_a_source_is_always_translated_alike(self, tracking: Tracking) -> None:
        """To an address and port that it has with another destination, out of those that may be."""
        action = "ct(commit,nat(src=192.0.2.16-192.0.2.31:6000-6999))"
        first = tracking.go(QUERY, action).key
        assert first.ipv4
        assert first.udp
        for server in (OTHER, OUTSIDE):
            up = tracking.go(udp(CLIENT, server, 1000, 53), action)
            assert up.packet == udp(str(first.ipv4.src), server, first.udp.src, 53)
        assert tracking.go(udp(CLIENT, "10.7.0.8", 1000, 53), f"ct(commit,nat(src={OUTSIDE}))").packet == udp(
            OUTSIDE, "10.7.0.8", 1000, 53
        ), "that of the others may not be"

    def test_of_two_translations_of_a_source_the_newer_is_taken(self, tracking: Tracking) -> None:
        for server, port in ((SERVER, 6000), (OTHER, 6001)):
            tracking.go(udp(CLIENT, server, 1000, 53), f"ct(commit,nat(src={OUTSIDE}:{port}))")
        up = tracking.go(udp(CLIENT, "10.7.0.8", 1000, 53), f"ct(commit,nat(src={OUTSIDE}:6000-6001))")
        assert up.packet == udp(OUTSIDE, "10.7.0.8", 6001, 53)

    @pytest.mark.parametrize("how", ["random", "hash"])
    def test_a_port_at_random(self, tracking: Tracking, how: str) -> None:
        """The port that a packet has is no better than another."""
        kept = []
        for port in range(5000, 5004):
            up = tracking.go(udp(CLIENT, SERVER, port, 53), f"ct(commit,nat(src={OUTSIDE}:5000-6023,{how}))")
            assert up.key.udp
            assert 5000 <= up.key.udp.src <= 6023
            kept.append(up.key.udp.src == port)
        assert not all(kept)

    def test_a_destination_whose_answers_are_taken(self, tracking: Tracking) -> None:
        """It is given all the same; the source has another port."""
        tracking.go(QUERY, "ct(commit)")
        up = tracking.go(udp(CLIENT, OUTSIDE, 1000, 53), f"ct(commit,nat(dst={SERVER}))")
        assert up.key.udp
        assert up.key.udp.src != 1000
        assert up.packet == udp(CLIENT, SERVER, up.key.udp.src, 53)
        assert up.key.ct_state == TRK | NEW | SNAT | DNAT
        up = tracking.go(udp(SERVER, CLIENT, 53, up.key.udp.src))
        assert up.packet == udp(OUTSIDE, CLIENT, 53, 1000)

    def test_what_has_no_ports_has_nothing_else_to_be_translated_to(self, tracking: Tracking) -> None:
        def other(src: str, dst: str) -> bytes:
            return build.ethernet(A, B, build.ip(src, dst, 200, b"." * 40))

        action = f"ct(commit,nat(src={OUTSIDE}))"
        assert tracking.go(other(CLIENT, SERVER), action).packet == other(OUTSIDE, SERVER)
        with refused(errno.EINVAL, "a second with the same answers"):
            tracking.go(other(OTHER, SERVER), action)
        assert tracking.go(other(SERVER, OUTSIDE)).packet == other(SERVER, CLIENT)
