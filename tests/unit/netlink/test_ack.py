from __future__ import annotations

import socket
import struct
from errno import EEXIST, EINVAL, ENODEV

import pytest

from dpif.errors import AlreadyExists, DecodeError
from dpif.netlink import constants as c
from dpif.netlink.ack import LONGEST_EXPLANATION, Ack, pack_done, pack_error, unpack_done, unpack_error
from dpif.netlink.attributes import attribute
from dpif.netlink.message import Message, pack_message, split

REQUEST = pack_message(20, c.NLM_F_REQUEST, 5, 9, b"abcde")  # 21 bytes, padded to 24


def message(payload: bytes, flags: int = 0, type: int = c.NLMSG_ERROR) -> Message:
    return Message(type, flags, 5, 9, memoryview(payload))


def explained(text: str, offset: int) -> bytes:
    return attribute(c.NLMSGERR_ATTR_MSG, text.encode() + b"\0") + attribute(
        c.NLMSGERR_ATTR_OFFS, struct.pack("=I", offset)
    )


def test_yes() -> None:
    ack = unpack_error(message(bytes(4) + REQUEST[:16], c.NLM_F_CAPPED))
    assert ack == Ack(0)
    assert ack.error("anything") is None


def test_no_becomes_the_error_that_fits() -> None:
    error = unpack_error(message(struct.pack("=i", -EEXIST) + REQUEST)).error("add dp0")
    assert isinstance(error, AlreadyExists)
    assert str(error) == "add dp0: File exists"


def test_extended_ack_after_a_capped_request() -> None:
    payload = struct.pack("=i", -EINVAL) + REQUEST[:16] + explained("Attribute failed policy validation", 24)
    ack = unpack_error(message(payload, c.NLM_F_CAPPED | c.NLM_F_ACK_TLVS))
    assert ack == Ack(EINVAL, "Attribute failed policy validation", 24)


def test_extended_ack_after_a_whole_request() -> None:
    payload = struct.pack("=i", -EINVAL) + REQUEST + explained("why", 20)
    assert unpack_error(message(payload, c.NLM_F_ACK_TLVS)) == Ack(EINVAL, "why", 20)
    assert unpack_error(message(payload)) == Ack(EINVAL), "without the flag there are no attributes"


def test_missing_attribute_and_unknown_explanations() -> None:
    attributes = attribute(c.NLMSGERR_ATTR_MISS_TYPE, struct.pack("=I", 5)) + attribute(99, b"new")
    payload = struct.pack("=i", -EINVAL) + REQUEST[:16] + attributes
    ack = unpack_error(message(payload, c.NLM_F_CAPPED | c.NLM_F_ACK_TLVS))
    assert ack.explanation == "attribute 5 is missing"


@pytest.mark.parametrize("code", [1, -4096, -(1 << 31)])
def test_codes_that_are_no_errno(code: int) -> None:
    with pytest.raises(DecodeError, match=f"{code} is neither"):
        unpack_error(message(struct.pack("=i", code) + REQUEST))
    with pytest.raises(DecodeError):
        unpack_done(message(struct.pack("=i", code)))


def test_too_short() -> None:
    with pytest.raises(DecodeError):
        unpack_error(message(bytes(19)))
    with pytest.raises(DecodeError):
        unpack_done(message(bytes(3)))


def test_done() -> None:
    assert unpack_done(message(b"")) == Ack(0)
    assert unpack_done(message(bytes(4))) == Ack(0)
    assert unpack_done(message(struct.pack("=i", -ENODEV))) == Ack(ENODEV)


@pytest.mark.parametrize("ack", [Ack(0), Ack(EINVAL), Ack(ENODEV, "no such", None), Ack(EINVAL, "there", 20)])
def test_both_directions_agree(ack: Ack) -> None:
    (request,) = split(REQUEST)
    flags, payload = pack_error(ack, request)
    assert unpack_error(message(payload, flags)) == ack
    assert payload[4:20] == REQUEST[:16]
    flags, payload = pack_done(ack)
    assert unpack_done(message(payload, flags, c.NLMSG_DONE)) == ack


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="needs netlink")
@pytest.mark.parametrize("capped", [0, 1])
def test_the_kernels_own_words(capped: int) -> None:
    """The kernel refuses a name without a NUL, with an extended ack behind the whole request or its header."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, c.NETLINK_GENERIC) as kernel:
        kernel.setsockopt(c.SOL_NETLINK, c.NETLINK_EXT_ACK, 1)
        kernel.setsockopt(c.SOL_NETLINK, c.NETLINK_CAP_ACK, capped)
        payload = bytes([c.CTRL_CMD_GETFAMILY, c.CTRL_VERSION, 0, 0]) + attribute(c.CTRL_ATTR_FAMILY_NAME, b"abcdef")
        kernel.send(pack_message(c.GENL_ID_CTRL, c.NLM_F_REQUEST, 9, 0, payload))
        (answer,) = split(kernel.recv(0x10000, socket.MSG_DONTWAIT))
    assert bool(answer.flags & c.NLM_F_CAPPED) == bool(capped)
    assert unpack_error(answer) == Ack(EINVAL, "Attribute failed policy validation", 20)


def test_an_explanation_that_no_attribute_holds_is_made_to_fit() -> None:
    for text, expected in (
        ("x" * 70_000, "x" * (LONGEST_EXPLANATION - 3) + "..."),
        ("a\0b\ud800\udcff", "a\\0b\\ud800\\udcff"),
        ("é" * 70_000, "é" * (LONGEST_EXPLANATION // 2 - 2) + "..."),
    ):
        flags, payload = pack_done(Ack(1, text))
        assert unpack_done(message(payload, flags, c.NLMSG_DONE)).explanation == expected
