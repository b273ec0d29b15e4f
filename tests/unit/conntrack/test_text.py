from __future__ import annotations

import time
from ipaddress import IPv4Address, IPv6Address

import pytest

from dpif.conntrack.constants import SctpState, Status, TcpState
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.text import format_entry, format_tuple, tcp_state_name
from dpif.conntrack.tuples import Tuple

HERE, THERE = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
UDP = Entry(Tuple(HERE, THERE, 17, 5555, 53), Tuple(THERE, HERE, 17, 53, 5555), id=9, timeout=30, status=Status(0))
ORIG = "orig=(src=10.0.0.1,dst=10.0.0.2,sport=5555,dport=53"
REPLY = "reply=(src=10.0.0.2,dst=10.0.0.1,sport=53,dport=5555"
TCP = UDP._replace(orig=UDP.orig._replace(protocol=6), reply=UDP.reply._replace(protocol=6))


def tcp(state: int, **details: object) -> Entry:
    return TCP._replace(protoinfo=TcpInfo(state)._replace(**details))


def test_a_line() -> None:
    assert format_entry(UDP) == f"udp,{ORIG}),{REPLY})"


def test_every_part_in_order() -> None:
    entry = tcp(TcpState.ESTABLISHED)._replace(
        zone=7, mark=255, labels=0xABC << 64, helper="ftp", parent=UDP.orig, status=Status.ASSURED | Status.SEEN_REPLY
    )
    assert format_entry(entry) == (
        f"tcp,{ORIG}),{REPLY}),zone=7,mark=255,labels=0xabc0000000000000000,protoinfo=(state=ESTABLISHED),helper=ftp"
    )
    assert format_entry(entry, more=True, statistics=True) == (
        f"tcp,{ORIG}),{REPLY}),id=9,zone=7,status=SEEN_REPLY|ASSURED,timeout=30,mark=255,"
        "labels=0xabc0000000000000000,"
        "protoinfo=(state_orig=ESTABLISHED,state_reply=ESTABLISHED,flags_orig=0,flags_reply=0),helper=ftp,"
        "parent=(src=10.0.0.1,dst=10.0.0.2,sport=5555,dport=53)"
    )


def test_counters_stand_with_their_direction() -> None:
    entry = UDP._replace(counters_orig=Counters(1, 46), counters_reply=Counters())
    assert format_entry(entry, statistics=True) == f"udp,{ORIG},packets=1,bytes=46),{REPLY}),timeout=30"
    assert "packets" not in format_entry(entry, more=True)


def test_times_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        entry = UDP._replace(start=1_767_323_045_678_999_999, stop=1_767_323_046_000_000_000)
        assert ",start=2026-01-02T05:04:05.678,stop=2026-01-02T05:04:06.000,timeout=30" in format_entry(
            entry, statistics=True
        )
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("state", "name", "full_name"),
    [
        (TcpState.NONE, "CLOSED", "CLOSED"),
        (TcpState.SYN_SENT2, "SYN_SENT", "SYN_SENT"),
        (TcpState.SYN_RECV, "ESTABLISHED", "SYN_RECV"),
        (TcpState.FIN_WAIT, "FIN_WAIT_1", "FIN_WAIT_1"),
        (TcpState.TIME_WAIT, "TIME_WAIT", "TIME_WAIT"),
        (TcpState.CLOSE, "CLOSING", "CLOSING"),
        (77, "CLOSED", "CLOSED"),
    ],
)
def test_states_of_tcp(state: int, name: str, full_name: str) -> None:
    entry = tcp(state)
    assert f"protoinfo=(state={name})" in format_entry(entry)
    assert f"state_orig={full_name},state_reply={full_name}," in format_entry(entry, more=True)
    assert tcp_state_name(entry) == name


def test_details_of_tcp() -> None:
    entry = tcp(3, wscale_orig=7, flags_orig=TcpFlags(0x23), flags_reply=TcpFlags(0x08))
    assert (
        "wscale_orig=7,wscale_reply=0,flags_orig=WINDOW_SCALE|SACK_PERM|MAXACK_SET,flags_reply=BE_LIBERAL)"
        in format_entry(entry, more=True)
    )


def test_sctp() -> None:
    entry = UDP._replace(protoinfo=SctpInfo(SctpState.COOKIE_WAIT, 1, 2))
    assert "protoinfo=(state=COOKIE_WAIT,vtag_orig=1,vtag_reply=2)" in format_entry(entry)
    assert "state=CLOSED," in format_entry(UDP._replace(protoinfo=SctpInfo(0)))


@pytest.mark.parametrize(("protocol", "name"), [(58, "icmpv6"), (136, "udplite"), (47, "47")])
def test_protocols(protocol: int, name: str) -> None:
    assert format_entry(UDP._replace(orig=UDP.orig._replace(protocol=protocol))).startswith(f"{name},orig=(")


def test_tuples_of_icmp_and_ipv6() -> None:
    ping = Tuple(HERE, THERE, 1, icmp_id=7, icmp_type=8, icmp_code=0)
    assert format_tuple(ping) == "src=10.0.0.1,dst=10.0.0.2,id=7,type=8,code=0"
    mapped = Tuple(IPv6Address("::ffff:10.0.0.1"), IPv6Address("fc00::2"), 17, 1, 2)
    assert format_tuple(mapped) == "src=::ffff:10.0.0.1,dst=fc00::2,sport=1,dport=2"
