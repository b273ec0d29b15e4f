"""Entries as plain data."""

from __future__ import annotations

import json
from ipaddress import ip_address

from dpif.conntrack.constants import Status
from dpif.conntrack.data import entry_data
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpFlags, TcpInfo
from dpif.conntrack.tuples import IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_TCP, Tuple

A, B = ip_address("10.0.0.1"), ip_address("10.0.0.2")
ORIG = Tuple(A, B, IPPROTO_TCP, 1000, 80)
REPLY = Tuple(B, A, IPPROTO_TCP, 80, 1000)


def test_a_tcp_connection() -> None:
    entry = Entry(
        ORIG,
        REPLY,
        id=7,
        zone=3,
        status=Status.SEEN_REPLY | Status.ASSURED,
        timeout=100,
        mark=5,
        labels=0xFF,
        counters_orig=Counters(2, 200),
        start=1_700_000_000_123_456_789,
        protoinfo=TcpInfo(3, 7, None, TcpFlags(0x23, 0xFF)),
        helper="ftp",
    )
    told = entry_data(entry)
    assert json.loads(json.dumps(told)) == told
    assert told == {
        "match": "zone=3 ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=6,ct_tp_src=1000,ct_tp_dst=80",
        "protocol": "tcp",
        "orig": {
            "src": "10.0.0.1",
            "dst": "10.0.0.2",
            "protocol": 6,
            "src_port": 1000,
            "dst_port": 80,
            "packets": 2,
            "bytes": 200,
        },
        "reply": {"src": "10.0.0.2", "dst": "10.0.0.1", "protocol": 6, "src_port": 80, "dst_port": 1000},
        "id": 7,
        "zone": 3,
        "status": ["SEEN_REPLY", "ASSURED"],
        "timeout": 100,
        "start": 1_700_000_000.123457,
        "stop": None,
        "mark": 5,
        "labels": "0xff",
        "tcp": {
            "state": "ESTABLISHED",
            "wscale_orig": 7,
            "wscale_reply": None,
            "flags_orig": ["WINDOW_SCALE", "SACK_PERM", "MAXACK_SET"],
            "flags_reply": [],
        },
        "sctp": None,
        "helper": "ftp",
        "parent": None,
    }


def test_what_other_protocols_have() -> None:
    ping = Tuple(ip_address("::ffff:1.2.3.4"), B, IPPROTO_ICMP, icmp_id=5, icmp_type=8, icmp_code=0)
    told = entry_data(Entry(ping, ping, parent=ORIG))
    assert told["orig"] == {
        "src": "::ffff:1.2.3.4",
        "dst": "10.0.0.2",
        "protocol": 1,
        "icmp_id": 5,
        "icmp_type": 8,
        "icmp_code": 0,
    }
    assert told["parent"] == {"src": "10.0.0.1", "dst": "10.0.0.2", "protocol": 6, "src_port": 1000, "dst_port": 80}
    sctp = Tuple(A, B, IPPROTO_SCTP, 1, 2)
    assert entry_data(Entry(sctp, sctp, protoinfo=SctpInfo(4, 1)))["sctp"] == {
        "state": "ESTABLISHED",
        "vtag_orig": 1,
        "vtag_reply": None,
    }
    assert entry_data(Entry(Tuple(A, B, 47), Tuple(B, A, 47)))["protocol"] == "47"
