"""The wire form of actions, against bytes that a Linux 6.1 kernel and ovs-dpctl 3.1 sent (and uapi layouts)."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError, EncodeError
from dpif.odp.actions import (
    Action,
    Actions,
    AddMpls,
    CheckPktLen,
    Clone,
    Ct,
    CtClear,
    DecTtl,
    Drop,
    Hash,
    LbOutput,
    Masked,
    Meter,
    Nat,
    Output,
    PopEth,
    PopMpls,
    PopNsh,
    PopVlan,
    Psample,
    PushEth,
    PushMpls,
    PushVlan,
    Recirc,
    Sample,
    Set,
    SetMasked,
    Trunc,
    TunnelPop,
    TunnelPush,
    Unknown,
    Userspace,
    load_all,
)
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layers import Ipv4, Mpls

VECTORS = [
    (Output(2), "08000100 02000000"),
    (
        Userspace(pid=7, userdata=b"\1\2", egress_tun_port=3, actions=True),
        "20000200 08000100 07000000 06000200 01020000 08000300 03000000 04000400",
    ),
    (Set(FlowKey(mpls=Mpls(label=9, ttl=9))), "0c000300 08001500 00009009"),
    (
        SetMasked(FlowKey(ipv4=Ipv4(ttl=9)), FlowMask(ipv4=Ipv4(ttl=255))),
        "20000b00 1c000700 0000000000000000 00000900 0000000000000000 0000ff00",
    ),
    (PushVlan(vid=12, pcp=3), "08000400 8100700c"),
    (PopVlan(), "04000500"),
    (
        Sample(probability=0x80000000, actions=[Output(2)]),
        "18000600 08000100 00000080 0c000200 08000100 02000000",
    ),
    (Recirc(5), "08000700 05000000"),
    (Hash(alg=1, basis=2), "0c000800 01000000 02000000"),
    (PushMpls(label=5, ttl=1, bos=1, eth_type=0x8847), "0c000900 00005101 88470000"),
    (PopMpls(eth_type=0x800), "06000a00 08000000"),
    (
        Ct(
            commit=True,
            mark=(1, 0xF),
            labels=(5, 7),
            nat=Nat(src=True, ip_min="1.1.1.1", ip_max="1.1.1.9", proto_min=5, proto_max=7, persistent=True),
        ),
        "64000c00 04000100 0c000300 01000000 0f000000"
        "24000400 05000000000000000000000000000000 07000000000000000000000000000000"
        "2c000600 04000100 08000300 01010101 08000400 01010109"
        "06000500 05000000 06000600 07000000 04000700",
    ),
    (Ct(nat=True), "08000c00 04000600"),
    (Ct(force_commit=True, zone=5, helper="ftp"), "18000c00 04000700 06000200 05000000 08000500 66747000"),
    (Trunc(100), "08000d00 64000000"),
    (PushEth(src="00:01:02:03:04:05", dst=b"\x10" * 6), "10000e00 000102030405 101010101010"),
    (PopEth(), "04000f00"),
    (CtClear(), "04001000"),
    (PopNsh(), "04001200"),
    (Meter(1), "08001300 01000000"),
    (Clone([Output(1), PopVlan()]), "10001400 08000100 01000000 04000500"),
    (
        CheckPktLen(size=100, greater=[Output(1)], less_equal=[Output(2)]),
        "24001500 06000100 64000000 0c000200 08000100 01000000 0c000300 08000100 02000000",
    ),
    (AddMpls(label=200, tc=7, ttl=64, bos=1, eth_type=0x8847, tun_flags=1), "0c001600 000c8f40 8847 0100"),
    (DecTtl([Output(1)]), "10001700 0c000100 08000100 01000000"),
    (Drop(3), "08001800 03000000"),
    (Psample(group=12, cookie=b"\xf1\2"), "14001980 08000100 0c000000 06000200 f1020000"),
    (TunnelPush(4, 1, 3, b"\1\2\3\4"), "18001a00 04000000 01000000 04000000 03000000 01020304"),
    (TunnelPop(4), "08001b00 04000000"),
    (LbOutput(1), "08001c00 01000000"),
    (Unknown(200, b"\1\2\3"), "0700c800 01020300"),
]


@pytest.mark.parametrize(("action", "wire"), VECTORS, ids=lambda item: type(item).__name__)
def test_actions_have_their_wire_form_both_ways(action: Action, wire: str) -> None:
    data = bytes.fromhex(wire)
    assert action.to_bytes() == data
    (decoded,) = Actions.from_bytes(data)
    assert decoded == action
    assert type(decoded) is type(action)
    assert hash(decoded) == hash(action)


def test_every_number_of_the_protocol_has_a_class_and_a_vector() -> None:
    known = load_all().by_number
    assert {type(action) for action, _ in VECTORS} | {known[17]} == {*known.values(), Unknown}


def test_attributes_are_read_by_name() -> None:
    ct = Ct(commit=True, mark=0x10, nat=Nat(dst=True, ip_min="::1"))
    assert ct.commit is True
    assert ct.force_commit is None
    assert ct.mark == Masked(0x10, 0xFFFFFFFF)
    assert ct.nat is not None
    assert str(ct.nat.ip_min) == "::1"


def test_arguments_keep_the_order_of_the_wire_whatever_the_order_they_are_given_in() -> None:
    assert Ct(nat=True, commit=True).to_bytes() == Ct(commit=True, nat=True).to_bytes()


def test_sub_attributes_keep_the_order_that_they_came_in_and_unknown_ones_stay() -> None:
    data = bytes.fromhex("28001500 06000100 64000000 0c000300 08000100 02000000 0c000200 08000100 01000000 04004100")
    (action,) = Actions.from_bytes(data)
    assert action.to_bytes() == data
    assert isinstance(action, CheckPktLen)
    assert action.greater == (Output(1),)
    assert action.unknown[0].type == 0x41


def test_a_masked_set_clears_what_its_mask_does_not_cover() -> None:
    action = SetMasked(FlowKey(skb_mark=0x1234), FlowMask(skb_mark=0xFF))
    assert action.key.skb_mark == 0x34


@pytest.mark.parametrize(
    ("wire", "path"),
    [
        ("06000100 0000", "OUTPUT"),
        ("08000200 04000200", "USERSPACE.PID"),
        ("04000300", "SET"),
        ("08000b00 05000f00", "SET_MASKED"),
        ("0c000c00 05000100 00000000", "CT.COMMIT"),
        ("08001400 08000100", "CLONE"),
        ("04001100", "PUSH_NSH"),
        ("0c000600 08000100 00000000", "SAMPLE.ACTIONS"),
    ],
)
def test_malformed_bytes_are_decode_errors_with_the_path(wire: str, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        Actions.from_bytes(bytes.fromhex(wire))
    assert caught.value.path.startswith(path)


def test_actions_nested_without_end_are_a_decode_error() -> None:
    data = b""
    for _ in range(16000):
        data = (len(data) + 4).to_bytes(2, "little") + b"\x14\0" + data
    with pytest.raises(DecodeError, match="nested more than"):
        Actions.from_bytes(data)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Output(-1),
        lambda: Output("v0"),
        lambda: PushVlan(vid=4096, pcp=0),
        lambda: Userspace(userdata=b""),
        lambda: Set(FlowKey()),
        lambda: SetMasked(FlowKey(skb_mark=1), FlowMask(ct_mark=1)),
        lambda: Ct(helper="a b"),
        lambda: Clone([1]),
        lambda: Psample(group=1, cookie=bytes(17)),
    ],
)
def test_impossible_values_are_encode_errors(build) -> None:
    with pytest.raises(EncodeError):
        build()
