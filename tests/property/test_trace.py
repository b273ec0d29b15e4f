"""A trace says what the datapath in user space then does with the packet, port by port, header by header."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dpif import Userspace
from dpif.apps.trace import Lookup, packet_of_frame, trace
from dpif.apps.trace.answers import connection
from dpif.odp.extraction import extract_flat
from dpif.odp.kernel.swkey import ETHERNET_METADATA, METADATA
from dpif.packet.written import parse_packet

_ENDS = 5
"""Recirculation ids 1 to 5; each leads to higher ones alone, or to one that no flow waits for."""
_CHANGES = (
    "push_vlan(vid=5,pcp=1)",
    "pop_vlan",
    "set(ipv4(ttl=9))",
    "set(ipv4(dst=10.9.9.9))",
    "set(udp(dst=99))",
    "set(eth(dst=02:00:00:00:00:99))",
    "set(skb_mark(0x7))",
    "set(skb_mark(0x1/0x3))",
    "ct_clear",
    "2",
    "3",
    "clone(set(ipv4(ttl=3)),3)",
    "clone(push_vlan(vid=6,pcp=0),2)",
    "sample(sample=100%,actions(3))",
    "check_pkt_len(size=60,gt(2),le(3))",
    "ct",
    "ct(commit,mark=0x5/0xf)",
    "ct(commit,zone=7)",
    "ct(nat)",
)
_MATCHES = ("", "skb_mark(0x7),", "skb_mark(0),", "ct_state(+new+trk),", "ct_state(-trk),", "ct_mark(0x5/0xf),")
_PACKETS = ("udp 10.0.0.1:1000 > 10.0.0.2:53", "udp 10.0.0.1:1000 > 10.0.0.2:53 len 100")


_FRESH = dict(map(connection, ("zone=0,state=new,mark=0,label=0", "zone=7,state=new,mark=0,label=0")))
"""What is known of connections where there were none before."""
_ENDS_CHANGED = ("set(ipv4(dst=10.9.9.9))", "set(udp(dst=99))")
"""A packet whose ends were set is of another connection, of which nothing is known."""


@st.composite
def flows(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Draw flows for UDP packets of port 1, at most one for each recirculation id."""
    found = []
    is_tracked = draw(st.booleans())
    changes = [change for change in _CHANGES if is_tracked or change.partition("(")[0] != "ct"]
    changes = [change for change in changes if not is_tracked or change not in _ENDS_CHANGED]
    for here in range(_ENDS):
        actions = draw(st.lists(st.sampled_from(changes), max_size=4))
        if "pop_vlan" in actions:
            actions = ["push_vlan(vid=8,pcp=0)", *[action for action in actions if "vlan" not in action], "pop_vlan"]
        if "push_vlan(vid=5,pcp=1)" in actions:  # a tagged packet would need flows of its own
            actions = [*actions, "pop_vlan"] * (actions.count("push_vlan(vid=5,pcp=1)") == 1)
        if draw(st.booleans()) or not here:
            actions.append(f"recirc({draw(st.integers(here + 1, _ENDS)):#x})")
        match = draw(st.sampled_from(_MATCHES)) if here else ""
        head = f"recirc_id({here:#x}),in_port(1),{match}"
        found.append((f"{head}eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp()", ",".join(actions)))
    return found


def outputs(lookup: Lookup) -> list[tuple[int, int, int]]:
    """Return the ports that a packet leaves by, and what is known of it there; raise where anything branches."""
    found = []
    for one in lookup.walk():
        assert len(one.steps) + (one.miss is not None) == 1, "all is known"
        for step in one.steps:
            for effect in step.walk():
                if effect.port is not None:
                    found.append((effect.port, effect.packet.value & ~METADATA, effect.packet.known & ~METADATA))
    return found


@given(flows(), st.sampled_from(_PACKETS))
@settings(max_examples=150, deadline=None)
def test_the_datapath_does_what_the_trace_says(table: list[tuple[str, str]], written: str) -> None:
    packet = parse_packet(written)
    with Userspace() as us, us.open("br0", create=True) as datapath:
        devices = [us.device(name) for name in ("h1", "h2", "h3")]
        for device in devices:
            datapath.ports.add(device.name)
        for match, actions in table:
            datapath.flows.add(match, actions)
        missed = datapath.stats().missed
        told = trace(datapath.flows, packet_of_frame(packet, 1), connections=_FRESH)
        devices[0].send(packet.frame)
        sent = {number: devices[number - 1].recv_many() for number in (2, 3)}
        misses = datapath.stats().missed - missed
    said = outputs(told)
    assert sum(one.miss is not None for one in told.walk()) == misses
    for number, frames in sent.items():
        wanted = sorted((value, known) for port, value, known in said if port == number)
        flat = sorted(extract_flat(frame, ETHERNET_METADATA) & ~METADATA for frame in frames)
        assert len(wanted) == len(flat)
        for (value, known), got in zip(wanted, flat, strict=True):
            assert value & known == got & known
