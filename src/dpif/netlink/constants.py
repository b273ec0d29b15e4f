"""The numbers of netlink and generic netlink, with their uapi names.

Sources: ``linux/netlink.h``, ``linux/genetlink.h``, ``linux/socket.h``. This file owns facts and imports
nothing of dpif.
"""

from __future__ import annotations

NETLINK_NETFILTER = 12
NETLINK_GENERIC = 16
"""The netlink protocol (the third argument of ``socket(2)``) that carries generic netlink."""

NLMSG_ALIGNTO = 4
NLMSG_HDRLEN = 16

# nlmsghdr.nlmsg_type: below NLMSG_MIN_TYPE they are netlink's own.
NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4
NLMSG_MIN_TYPE = 16

# nlmsghdr.nlmsg_flags of any message.
NLM_F_REQUEST = 0x1
NLM_F_MULTI = 0x2
NLM_F_ACK = 0x4
NLM_F_ECHO = 0x8
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP_FILTERED = 0x20

# Of GET requests.
NLM_F_ROOT = 0x100
NLM_F_MATCH = 0x200
NLM_F_ATOMIC = 0x400
NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH

# Of NEW requests: the same bits as those of GET requests.
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

# Of NLMSG_ERROR messages.
NLM_F_CAPPED = 0x100
"""The request is not repeated in the message, only its header."""
NLM_F_ACK_TLVS = 0x200
"""Attributes of ``enum nlmsgerr_attrs`` follow."""

# enum nlmsgerr_attrs
NLMSGERR_ATTR_MSG = 1
NLMSGERR_ATTR_OFFS = 2
NLMSGERR_ATTR_COOKIE = 3
NLMSGERR_ATTR_POLICY = 4
NLMSGERR_ATTR_MISS_TYPE = 5
NLMSGERR_ATTR_MISS_NEST = 6

MAX_ERRNO = 4095
"""The kernel's errno values stand between 1 and this (linux/err.h)."""

# nlattr.nla_type: two flags and 14 bits of type.
NLA_HDRLEN = 4
NLA_F_NESTED = 0x8000
NLA_F_NET_BYTEORDER = 0x4000
NLA_TYPE_MASK = 0x3FFF
NLA_MAX_PAYLOAD = 0xFFFF - NLA_HDRLEN
"""nla_len has 16 bits and counts the header."""

# Socket options.
SOL_NETLINK = 270
NETLINK_ADD_MEMBERSHIP = 1
NETLINK_DROP_MEMBERSHIP = 2
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
SO_RCVBUFFORCE = 33

# Generic netlink.
GENL_NAMSIZ = 16
"""Bytes of a family's or group's name, the terminating NUL included."""
GENL_ID_CTRL = 16
CTRL_FAMILY = "nlctrl"
CTRL_VERSION = 2
CTRL_CMD_NEWFAMILY = 1
CTRL_CMD_GETFAMILY = 3

# enum of CTRL_ATTR_*
CTRL_ATTR_FAMILY_ID = 1
CTRL_ATTR_FAMILY_NAME = 2
CTRL_ATTR_VERSION = 3
CTRL_ATTR_HDRSIZE = 4
CTRL_ATTR_MAXATTR = 5
CTRL_ATTR_OPS = 6
CTRL_ATTR_MCAST_GROUPS = 7

CTRL_ATTR_OP_ID = 1
CTRL_ATTR_OP_FLAGS = 2
CTRL_ATTR_MCAST_GRP_NAME = 1
CTRL_ATTR_MCAST_GRP_ID = 2

# CTRL_ATTR_OP_FLAGS
GENL_CMD_CAP_DO = 0x2
GENL_CMD_CAP_DUMP = 0x4
