"""Packets cut into fragments and put together again, in any order; and rubbish."""

from __future__ import annotations

import contextlib
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dpif.packet import build
from dpif.packet.fragment import fragment
from dpif.packet.layout import Fragment, locate
from dpif.testing.conformance.harness import two_ports
from dpif.testing.userspace import UserspaceHarness
from dpif.userspace.engine.conntrack.fragments import Fragments
from dpif.userspace.engine.processor import ActionError

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
ENDS = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fc00::1", "fc00::2")}
versions = st.sampled_from([4, 6])
tags = st.sampled_from([b"", b"\x81\x00\x00\x01", b"\x88\xa8\x00\x01\x81\x00\x00\x02"])
options = st.sampled_from([b"", b"\x01" * 4, b"\x94\x04\x00\x00\x01\x01\x01\x00"])


@st.composite
def packets(draw, ident=1):
    """A packet of UDP with a tag or two, and its fragments of any sizes."""
    version = draw(versions)
    payload = draw(st.binary(min_size=1, max_size=40)) * draw(st.integers(1, 30))
    if version == 4:
        whole = build.ip(*ENDS[4], 17, bytes(8) + payload, ident=ident, options=draw(options))
    else:
        whole = build.ip(*ENDS[6], 0, build.options_header(17, bytes(8) + payload))
    frame = build.ethernet(A, B, whole)
    frame = frame[:12] + draw(tags) + frame[12:]
    length = len(payload) + 8
    starts = draw(st.sets(st.integers(1, length // 8).map(lambda at: at * 8), max_size=8)) - {length}
    sizes = [end - start for start, end in pairwise([0, *sorted(starts), length])]
    parts = fragment(frame, 2000, ident=ident, sizes=sizes)
    return frame, [bytes(part) for part in parts], sizes


def gather(fragments, packet):
    """Give fragments one more; what is no fragment stays as it is."""
    layout = locate(packet)
    if layout.fragment == Fragment.NONE:
        return None
    return fragments.gather(0, packet, layout, 1)


@given(packets(), st.data())
def test_any_order_gives_the_packet(made, data):
    frame, parts, sizes = made
    if len(parts) == 1 and locate(parts[0]).fragment == Fragment.NONE:
        assert parts == [frame]
        return
    order = data.draw(st.permutations(parts))
    fragments = Fragments(lambda: 0.0)
    for part in order[:-1]:
        assert gather(fragments, part) is None
        with contextlib.suppress(ActionError):  # IPv4 tells of one that is there already
            assert gather(fragments, part) is None
    whole = gather(fragments, order[-1])
    assert whole.packet == frame
    assert whole.mru == max(len(part) - locate(part).l3 for part in parts)
    assert list(whole.sizes) == sizes
    assert len(fragments) == 0
    assert [bytes(part) for part in fragment(whole.packet, whole.mru, ident=1, sizes=whole.sizes)] == parts


@given(packets(1), packets(2), st.data())
def test_packets_do_not_mix(one, other, data):
    fragments = Fragments(lambda: 0.0)
    order = data.draw(st.permutations(one[1] + other[1]))
    found = [whole.packet for whole in (gather(fragments, part) for part in order) if whole]
    cut = [frame for frame, parts, _ in (one, other) if locate(parts[0]).fragment != Fragment.NONE]
    assert sorted(found) == sorted(cut)


@given(st.lists(st.tuples(versions, st.integers(0, 12), st.integers(0, 40), st.booleans()), max_size=30))
def test_what_comes_out_is_what_went_in(pieces):
    """Of fragments of one text that end anywhere, and may overlap and contradict each other, comes that text."""
    text = bytes(range(256))
    fragments = Fragments(lambda: 0.0)
    for version, at, size, more in pieces:
        data = text[at * 8 : at * 8 + size]
        if version == 4:
            packet = build.ip(*ENDS[4], 99, data, ident=1, fragment=at | (0x2000 if more else 0))
        else:
            packet = build.ip(*ENDS[6], 44, build.fragment_header(99, data, offset=at, more=more, ident=1))
        with contextlib.suppress(ActionError):
            whole = gather(fragments, build.ethernet(A, B, packet))
            if whole is not None and whole.sizes:
                layout = locate(whole.packet)
                assert text.startswith(whole.packet[layout.l4 :])
                assert layout.fragment == Fragment.NONE
    assert len(fragments) <= 2


@given(st.lists(st.tuples(packets(), st.lists(st.tuples(st.integers(12, 90), st.integers(0, 255)))), max_size=8))
def test_rubbish_does_no_harm(changed):
    with UserspaceHarness() as harness:
        dp, first, second = two_ports(harness)
        for match in ("eth_type(0x0800),ipv4()", "eth_type(0x86dd),ipv6()"):
            dp.flows.add(f"recirc_id(0),in_port(1),eth(),{match}", "ct,2,recirc(0x1)")
        for (_, parts, _), changes in changed:
            for part in parts:
                first.send(spoilt(part, changes))
                while second.recv(0) is not None:
                    pass


def spoilt(part, changes):
    """Return a packet with other bytes here and there."""
    packet = bytearray(part)
    for at, value in changes:
        if at < len(packet):
            packet[at] = value
    return bytes(packet)
