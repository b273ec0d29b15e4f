"""Acknowledgements: how a peer says yes or no (``struct nlmsgerr`` and the attributes of the extended ack).

An ``NLMSG_ERROR`` message carries a code (0: done, else a negated errno), the request or only its header
(flag ``NLM_F_CAPPED``), and with the flag ``NLM_F_ACK_TLVS`` attributes that explain. An ``NLMSG_DONE``
message, which ends a dump, carries a code and the same attributes. Both directions stand here.
"""

import struct
from enum import IntEnum

from dpif._typing import NamedTuple
from dpif.errors import DecodeError, NetlinkError, netlink_error
from dpif.netlink import constants as c
from dpif.netlink.attributes import align
from dpif.netlink.message import HEADER, Message
from dpif.netlink.policy import U32, AttributeSet, String

__all__ = ["Ack", "pack_done", "pack_error", "unpack_done", "unpack_error"]

_CODE = struct.Struct("=i")
_CAPPED_SIZE = _CODE.size + HEADER.size
LONGEST_EXPLANATION = 1000
"""Bytes of an explanation that are sent: what it repeats of a request may be longer than an attribute."""


class ExtAckAttr(IntEnum):
    """``enum nlmsgerr_attrs``."""

    MSG = c.NLMSGERR_ATTR_MSG
    OFFS = c.NLMSGERR_ATTR_OFFS
    MISS_TYPE = c.NLMSGERR_ATTR_MISS_TYPE
    MISS_NEST = c.NLMSGERR_ATTR_MISS_NEST


_EXT_ACK = AttributeSet(
    "EXT_ACK",
    {ExtAckAttr.MSG: String(), ExtAckAttr.OFFS: U32, ExtAckAttr.MISS_TYPE: U32, ExtAckAttr.MISS_NEST: U32},
)


class Ack(NamedTuple):
    """A peer's answer: ``code`` is 0 or an errno (positive).

    ``explanation`` is the extended ack's text, and ``bad_offset`` the offset in the request of the attribute
    that it complains of, counted from the request's ``nlmsghdr``.
    """

    code: int
    explanation: str = ""
    bad_offset: int | None = None

    def error(self, operation: str) -> NetlinkError | None:
        """Return the error that this stands for; None when it is a yes."""
        if not self.code:
            return None
        return netlink_error(self.code, operation, self.explanation, self.bad_offset)


def unpack_error(message: Message) -> Ack:
    """Return what an ``NLMSG_ERROR`` message says; raise `DecodeError`."""
    payload = message.payload
    if len(payload) < _CAPPED_SIZE:
        raise DecodeError(f"{len(payload)} bytes are too few for NLMSG_ERROR")
    request_length = HEADER.unpack_from(payload, _CODE.size)[0]
    capped = message.flags & c.NLM_F_CAPPED
    end = _CAPPED_SIZE if capped else _CODE.size + align(max(request_length, HEADER.size))
    return _unpack(message, end)


def unpack_done(message: Message) -> Ack:
    """Return what an ``NLMSG_DONE`` message says; raise `DecodeError`."""
    if not len(message.payload):
        return Ack(0)  # families older than the code in this message leave it out
    if len(message.payload) < _CODE.size:
        raise DecodeError(f"{len(message.payload)} bytes are too few for NLMSG_DONE")
    return _unpack(message, _CODE.size)


def _unpack(message: Message, attributes_start: int) -> Ack:
    code = -_CODE.unpack_from(message.payload)[0]
    if not 0 <= code <= c.MAX_ERRNO:
        raise DecodeError(f"{-code} is neither 0 nor a negated errno")
    if not message.flags & c.NLM_F_ACK_TLVS:
        return Ack(code)
    values = _EXT_ACK.decode(message.payload, attributes_start).values
    explanation = values.get(ExtAckAttr.MSG, "")
    if not explanation and ExtAckAttr.MISS_TYPE in values:
        explanation = f"attribute {values[ExtAckAttr.MISS_TYPE]} is missing"
    return Ack(code, explanation, values.get(ExtAckAttr.OFFS))


def pack_error(ack: Ack, request: Message) -> tuple[int, bytes]:
    """Return flags and payload of the ``NLMSG_ERROR`` message that answers `request`, repeating its header."""
    length = HEADER.size + len(request.payload)
    header = HEADER.pack(length, request.type, request.flags, request.seq, request.port_id)
    attributes = _pack_attributes(ack)
    flags = c.NLM_F_CAPPED | (c.NLM_F_ACK_TLVS if attributes else 0)
    return flags, _CODE.pack(-ack.code) + header + attributes


def pack_done(ack: Ack) -> tuple[int, bytes]:
    """Return flags and payload of the ``NLMSG_DONE`` message that ends a dump."""
    attributes = _pack_attributes(ack)
    flags = c.NLM_F_MULTI | (c.NLM_F_ACK_TLVS if attributes else 0)
    return flags, _CODE.pack(-ack.code) + attributes


def _pack_attributes(ack: Ack) -> bytes:
    return _EXT_ACK.encode({ExtAckAttr.MSG: _sendable(ack.explanation) or None, ExtAckAttr.OFFS: ack.bad_offset})


def _sendable(explanation: str) -> str:
    """Return an explanation that an attribute holds: no NUL, nothing without a form in UTF-8, not too long."""
    text = explanation.replace("\0", "\\0").encode("utf-8", "backslashreplace")
    if len(text) > LONGEST_EXPLANATION:
        text = text[: LONGEST_EXPLANATION - 3] + b"..."
    return text.decode("utf-8", "ignore")
