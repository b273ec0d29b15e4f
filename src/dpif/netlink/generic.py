"""Generic netlink: the header of its messages, and the families that a peer offers (``struct genlmsghdr``).

A family is a protocol with a name (``ovs_datapath``); its number, and those of its multicast groups, differ
from boot to boot and are asked for by name from the one family with a fixed number, ``nlctrl``. This file
knows the messages of that family, for both ends; it knows nothing of any other family.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum

from dpif._typing import NamedTuple
from dpif.errors import DecodeError
from dpif.netlink import constants as c
from dpif.netlink.attributes import Buffer
from dpif.netlink.exchange import Request, RequestKind
from dpif.netlink.policy import U16, U32, AttributeSet, ListOf, Nested, String

__all__ = [
    "GENL_HDRLEN",
    "Family",
    "GenericHeader",
    "decode_family",
    "encode_family",
    "get_family",
    "list_families",
    "pack_header",
    "unpack_header",
]

_HEADER = struct.Struct("=BBH")
GENL_HDRLEN = 4


class GenericHeader(NamedTuple):
    """The header between a message's own and that of its family; ``version`` is the family's."""

    command: int
    version: int


def pack_header(command: int, version: int) -> bytes:
    """Return the 4 bytes that start the payload of a generic netlink message."""
    return _HEADER.pack(command, version, 0)


def unpack_header(payload: Buffer) -> GenericHeader:
    """Return the header that starts `payload`; raise `DecodeError` when it is too short to have one."""
    if len(payload) < GENL_HDRLEN:
        raise DecodeError(f"{len(payload)} bytes are too few for a generic netlink header")
    command, version, _ = _HEADER.unpack_from(payload)
    return GenericHeader(command, version)


class Family(NamedTuple):
    """A generic netlink family as ``nlctrl`` describes it.

    ``id`` is the type of its messages, ``header_size`` the bytes between the generic header and the attributes,
    ``groups`` maps the names of its multicast groups to their numbers; ``max_attribute`` is the highest attribute
    number that the peer knows, 0 where it does not tell.
    """

    name: str
    id: int
    version: int
    header_size: int
    groups: Mapping[str, int]
    max_attribute: int = 0


class CtrlAttr(IntEnum):
    """``CTRL_ATTR_*``."""

    FAMILY_ID = c.CTRL_ATTR_FAMILY_ID
    FAMILY_NAME = c.CTRL_ATTR_FAMILY_NAME
    VERSION = c.CTRL_ATTR_VERSION
    HDRSIZE = c.CTRL_ATTR_HDRSIZE
    MAXATTR = c.CTRL_ATTR_MAXATTR
    OPS = c.CTRL_ATTR_OPS
    MCAST_GROUPS = c.CTRL_ATTR_MCAST_GROUPS


class OpAttr(IntEnum):
    """``CTRL_ATTR_OP_*``."""

    ID = c.CTRL_ATTR_OP_ID
    FLAGS = c.CTRL_ATTR_OP_FLAGS


class GroupAttr(IntEnum):
    """``CTRL_ATTR_MCAST_GRP_*``."""

    NAME = c.CTRL_ATTR_MCAST_GRP_NAME
    ID = c.CTRL_ATTR_MCAST_GRP_ID


_NAME = String(c.GENL_NAMSIZ - 1)
_OP = AttributeSet("OP", {OpAttr.ID: U32, OpAttr.FLAGS: U32})
_GROUP = AttributeSet("GROUP", {GroupAttr.NAME: _NAME, GroupAttr.ID: U32}, required=(GroupAttr.NAME, GroupAttr.ID))
CTRL = AttributeSet(
    "CTRL",
    {
        CtrlAttr.FAMILY_ID: U16,
        CtrlAttr.FAMILY_NAME: _NAME,
        CtrlAttr.VERSION: U32,
        CtrlAttr.HDRSIZE: U32,
        CtrlAttr.MAXATTR: U32,
        CtrlAttr.OPS: ListOf(Nested(_OP)),
        CtrlAttr.MCAST_GROUPS: ListOf(Nested(_GROUP)),
    },
)
_NEWFAMILY = AttributeSet(CTRL.name, CTRL.entries, required=(CtrlAttr.FAMILY_NAME, CtrlAttr.FAMILY_ID))


def get_family(name: str) -> Request[Family]:
    """Return the request for one family by name; a peer that has none answers ENOENT."""
    attributes = CTRL.encode({CtrlAttr.FAMILY_NAME: name})
    payload = pack_header(c.CTRL_CMD_GETFAMILY, c.CTRL_VERSION) + attributes
    return Request(RequestKind(c.CTRL_FAMILY, decode_family, f"look up the netlink family {name}"), payload)


def list_families() -> Request[Family]:
    """Return the request for a dump of all families."""
    payload = pack_header(c.CTRL_CMD_GETFAMILY, c.CTRL_VERSION)
    return Request(RequestKind(c.CTRL_FAMILY, decode_family, "list the netlink families"), payload)


def decode_family(payload: Buffer) -> Family:
    """Return the family that a NEWFAMILY message describes; raise `DecodeError`."""
    unpack_header(payload)
    values = _NEWFAMILY.decode(payload, GENL_HDRLEN).values
    groups = (group.values for group in values.get(CtrlAttr.MCAST_GROUPS, ()))
    return Family(
        name=values[CtrlAttr.FAMILY_NAME],
        id=values[CtrlAttr.FAMILY_ID],
        version=values.get(CtrlAttr.VERSION, 0),
        header_size=values.get(CtrlAttr.HDRSIZE, 0),
        groups={group[GroupAttr.NAME]: group[GroupAttr.ID] for group in groups},
        max_attribute=values.get(CtrlAttr.MAXATTR, 0),
    )


def encode_family(family: Family, operations: Mapping[int, int], max_attribute: int = 0) -> bytes:
    """Return the payload of the NEWFAMILY message for `family`.

    `operations` maps each command to its ``GENL_CMD_CAP_*`` flags.
    """
    ops = [{OpAttr.ID: command, OpAttr.FLAGS: flags} for command, flags in operations.items()]
    groups = [{GroupAttr.ID: id_, GroupAttr.NAME: name} for name, id_ in family.groups.items()]
    return pack_header(c.CTRL_CMD_NEWFAMILY, c.CTRL_VERSION) + CTRL.encode(
        {
            CtrlAttr.FAMILY_NAME: family.name,
            CtrlAttr.FAMILY_ID: family.id,
            CtrlAttr.VERSION: family.version,
            CtrlAttr.HDRSIZE: family.header_size,
            CtrlAttr.MAXATTR: max_attribute,
            CtrlAttr.OPS: ops or None,
            CtrlAttr.MCAST_GROUPS: groups or None,
        }
    )
