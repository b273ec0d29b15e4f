"""Conntrack: the connections that a datapath's actions track, over nfnetlink.

The ``ct`` action of a flow sends packets through connection tracking, which keeps an *entry* for every
connection that was committed: the *tuples* of its two directions, its state, mark, labels, and the *zone* that keeps
it apart from others with the same tuple. Entries are not the datapath's but the network namespace's, are shared
with its firewall, and are reached through a netlink protocol of their own (`nfnetlink`), hence this package beside
`dpif.odp`.

`Conntrack` is the table: lists entries (`Entry`), deletes those that a `Match` means, counts them. `TimeoutPolicies`
say how long entries stay. `format_entry` and `parse_match` are the text forms of ``ovs-dpctl``. `service` is the
answering side: a userspace datapath has connections of its own, and tells of them in the same messages.

This package knows netlink and its own messages. It knows nothing of datapaths, and chooses no transport but in
`connect`.
"""

from __future__ import annotations

from dpif.conntrack.constants import SctpState, Status, TcpState
from dpif.conntrack.entry import Counters, Entry, SctpInfo, TcpInfo
from dpif.conntrack.match import Masked, Match, TuplePattern
from dpif.conntrack.nfnetlink import connect
from dpif.conntrack.parse import parse_match
from dpif.conntrack.table import Conntrack, Statistics
from dpif.conntrack.text import format_entry, format_tuple
from dpif.conntrack.timeouts import TimeoutPolicies, TimeoutPolicy, policy_name
from dpif.conntrack.totals import Totals
from dpif.conntrack.tuples import Tuple

__all__ = [
    "Conntrack",
    "Counters",
    "Entry",
    "Masked",
    "Match",
    "SctpInfo",
    "SctpState",
    "Statistics",
    "Status",
    "TcpInfo",
    "TcpState",
    "TimeoutPolicies",
    "TimeoutPolicy",
    "Totals",
    "Tuple",
    "TuplePattern",
    "connect",
    "format_entry",
    "format_tuple",
    "parse_match",
    "policy_name",
]
