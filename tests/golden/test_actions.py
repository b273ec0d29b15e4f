"""Lists of actions, read and printed as ovs-dpctl does it; each difference is meant, and has its reason.

`docs/cli-differences.md` tells the reasons to users. A text that is named here and makes no difference any more fails
its test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dpif.errors import ParseError
from dpif.odp.actions import parse_actions

PRINTED = "it prints this, or a newer version does"
ORDER = "arguments are known by their names"
BYTES = "what is not known is told by its bytes"
MORE = "exact text tells what it does not"
KERNELS = "the selftests of the kernel write it so"
LAXER = {
    "2,drop": PRINTED,
    "2 drop": PRINTED,
    "drop,2": PRINTED,
    "drop(10)": MORE,
    "recirc(0x5)": PRINTED,
    "hash(l4(0))": PRINTED,
    "pop_eth": PRINTED,
    "pop_nsh": KERNELS,
    "action99(07 00)": PRINTED,
    "action1(01 00 00 00)": BYTES,
    "push_vlan(pcp=1,vid=1)": ORDER,
    "push_mpls(label=1,tc=0,ttl=64,bos=1,eth_type=0x8847)": PRINTED,
    "pop_mpls(eth_type=0x800)": PRINTED,
    "push_eth(src=00:01:02:03:04:05,dst=10:11:12:13:14:15)": PRINTED,
    "clone(drop)": PRINTED,
    "sample(sample=50%,actions(drop))": PRINTED,
    "sample(sample=50% actions(1))": "blanks stand for commas, as between actions",
    "sample(actions(1),sample=50%)": ORDER,
    "check_pkt_len(size=200,gt( drop ),le(5))": "blanks stand between actions",
    "check_pkt_len(size=200,le(2),gt(1))": ORDER,
    "dec_ttl(le_1(1))": PRINTED,
    "psample(group=12,cookie=0xf102030405)": PRINTED,
    "psample(group=12),1": PRINTED,
    "psample(group=12),drop": PRINTED,
    "ct(commit,eventmask=0x1f)": MORE,
    "set(ipv4(frag=no/0xff))": "dumps of old versions have it",
    "set(tcp_flags(0x1000))": "a newer kernel may know the bit",
    "set(ct_state(0x100))": "a newer kernel may know the bit",
    "set(nsh(spi=0x1,si=255))": PRINTED,
    "set(key3(01 00 00 00))": BYTES,
    "userspace(pid=9765,slow_path(cfm,action))": PRINTED,
    "userspace(pid=9765,slow_path(0x80))": PRINTED,
    "userspace(pid=1,userdata(none))": MORE,
    "userspace(pid=1,tunnel_out_port=1,actions)": ORDER,
    "userspace(pid=1,slow_path(cfm),ofp_in_port=3)": MORE,
    "userspace(slow_path(cfm),pid=1)": ORDER,
}
"""What it refuses and dpif takes."""

LARGE = "a number that is too large is another one there"
TWICE = "one of the two is a mistake"
STRICTER = {
    "4294967296": LARGE,
    "-1": LARGE,
    "trunc(-1)": LARGE,
    "meter(4294967296)": LARGE,
    "check_pkt_len(size=65536,gt(1),le(2))": LARGE,
    "ct(zone=65536)": LARGE,
    "set(ipv4(ttl=256))": LARGE,
    "clone(meter(1)2)": "a comma is missing, here as elsewhere",
    "ct(commitzone=5)": "a comma is missing",
    "ct(nat(src)commit)": "a comma is missing",
    "ct(commit,commit)": TWICE,
    "ct(zone=5,zone=6)": TWICE,
    "set(tunnel(ttl=1,ttl=2,flags(0)))": TWICE,
    "ct(nat(random))": "it is passed over there",
    "set(tunnel(dst=2.2.2.2/255.0.0.0,flags(0)))": "the kernel refuses what is sent there",
}
"""What it takes and dpif refuses."""

OTHERWISE = {
    "set(eth(src=00:11:22:33:44:55/ff:ff:ff:00:00:00))": "set(eth(src=00:11:22:00:00:00/ff:ff:ff:00:00:00))",
}
"""What both take, as dpif prints it: the kernel refuses bits outside the mask."""

ENTRIES = [json.loads(line) for line in (Path(__file__).parent / "odp/actions.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["actions"][:60])
def test_actions_are_read_and_printed_as_by_the_tool(entry: dict[str, Any]) -> None:
    text, theirs = entry["actions"], entry["printed"]
    try:
        ours = parse_actions(text).format()
    except ParseError:
        ours = None
    assert (theirs is None and ours is not None) == (text in LAXER)
    assert (theirs is not None and ours is None) == (text in STRICTER)
    if theirs is not None and ours is not None:
        assert ours == OTHERWISE.get(text, theirs)


def test_every_text_that_is_named_is_there() -> None:
    assert {entry["actions"] for entry in ENTRIES} >= {*LAXER, *STRICTER, *OTHERWISE}
