"""The table of connections: nothing is lost that the lines of text tell."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from dpif.cli.output.conntrack_table import connection_lines
from dpif.cli.output.table import Screen
from dpif.conntrack.constants import SctpState, Status, TcpState
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpInfo
from dpif.conntrack.tuples import IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, Tuple

A, B, C = ip_address("10.0.0.1"), ip_address("10.0.0.2"), ip_address("192.0.2.1")
A6, B6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")
UDP = Entry(Tuple(A, B, IPPROTO_UDP, 1000, 53), Tuple(B, A, IPPROTO_UDP, 53, 1000), timeout=29)
PING = Entry(
    Tuple(A, B, IPPROTO_ICMP, icmp_id=9, icmp_type=8, icmp_code=0),
    Tuple(B, A, IPPROTO_ICMP, icmp_id=9, icmp_type=0, icmp_code=0),
)


def cells(entry: Entry, *, more: bool = False, statistics: bool = False) -> list[str]:
    """Return what the row of a connection says, on a screen without an end."""
    _, row = connection_lines(Screen(), [entry], more=more, statistics=statistics)
    return row.split()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (UDP, "udp 10.0.0.1:1000 10.0.0.2:53 0 29s"),
        (UDP._replace(zone=5, mark=7, labels=0x30, helper="ftp"), "udp 10.0.0.1:1000 10.0.0.2:53 5 29s mark=7 "
         "labels=0x30 helper=ftp"),
        (UDP._replace(reply=Tuple(B, C, IPPROTO_UDP, 53, 2000)), "udp 10.0.0.1:1000 10.0.0.2:53 0 29s "
         "reply=10.0.0.2:53->192.0.2.1:2000"),
        (UDP._replace(reply=Tuple(B, A, IPPROTO_UDP, 53, 2000)), "udp 10.0.0.1:1000 10.0.0.2:53 0 29s "
         "reply=10.0.0.2:53->10.0.0.1:2000"),
        (Entry(Tuple(A, B, 47), Tuple(B, A, 47)), "47 10.0.0.1 10.0.0.2 0 0s"),
        (PING, "icmp 10.0.0.1 10.0.0.2 0 0s icmp_id=9 icmp_type=8 icmp_code=0"),
        (PING._replace(reply=PING.reply._replace(dst=C, icmp_id=3)), "icmp 10.0.0.1 10.0.0.2 0 0s icmp_id=9 "
         "icmp_type=8 icmp_code=0 reply=10.0.0.2->192.0.2.1 reply_icmp_id=3 reply_icmp_type=0 reply_icmp_code=0"),
        (Entry(Tuple(A6, B6, IPPROTO_TCP, 1, 2), Tuple(B6, A6, IPPROTO_TCP, 2, 1),
               protoinfo=TcpInfo(TcpState.SYN_RECV)), "tcp [2001:db8::1]:1 [2001:db8::2]:2 0 ESTABLISHED 0s"),
        (Entry(Tuple(A, B, IPPROTO_SCTP, 1, 2), Tuple(B, A, IPPROTO_SCTP, 2, 1),
               protoinfo=SctpInfo(SctpState.COOKIE_WAIT, 5, 6)), "sctp 10.0.0.1:1 10.0.0.2:2 0 COOKIE_WAIT 0s "
         "protoinfo=(state=COOKIE_WAIT,vtag_orig=5,vtag_reply=6)"),
    ],
)  # fmt: skip
def test_a_row(entry: Entry, expected: str) -> None:
    assert cells(entry) == expected.split()


def test_statistics() -> None:
    counted = UDP._replace(counters_orig=Counters(2, 168), counters_reply=Counters(1, 84))
    assert cells(counted, statistics=True)[-4:] == ["2", "168", "1", "84"]
    started = cells(counted._replace(start=10**18), statistics=True)
    assert started[-2:-1] == ["84"]
    assert started[-1].startswith("start=2001-09-")


def test_more() -> None:
    tcp = Entry(
        Tuple(A, B, IPPROTO_TCP, 1, 2),
        Tuple(B, A, IPPROTO_TCP, 2, 1),
        id=77,
        status=Status.SEEN_REPLY | Status.ASSURED,
        protoinfo=TcpInfo(TcpState.SYN_RECV),
        parent=UDP.orig,
    )
    assert cells(tcp, more=True)[4:] == [
        "SYN_RECV",
        "0s",
        "id=77",
        "status=SEEN_REPLY|ASSURED",
        "protoinfo=(state_orig=SYN_RECV,state_reply=SYN_RECV,flags_orig=0,flags_reply=0)",
        "parent=(src=10.0.0.1,dst=10.0.0.2,sport=1000,dport=53)",
    ]
