"""Numbers of ports: the family ``ovs_vport``."""

from __future__ import annotations

from enum import IntEnum

OVS_VPORT_FAMILY = "ovs_vport"
OVS_VPORT_MCGROUP = "ovs_vport"
OVS_VPORT_VERSION = 1
OVSP_LOCAL = 0
"""The number of a datapath's local port."""
DP_MAX_PORTS = 65535
"""Port numbers are below this (net/openvswitch/datapath.h); the value itself means "no port" in a flow key."""


class VportCmd(IntEnum):
    """``enum ovs_vport_cmd``."""

    NEW = 1
    DEL = 2
    GET = 3
    SET = 4


class VportAttr(IntEnum):
    """``enum ovs_vport_attr``."""

    PORT_NO = 1
    TYPE = 2
    NAME = 3
    OPTIONS = 4
    UPCALL_PID = 5
    STATS = 6
    PAD = 7
    IFINDEX = 8
    NETNSID = 9
    UPCALL_STATS = 10


class VportUpcallAttr(IntEnum):
    """``enum ovs_vport_upcall_attr``; its first member really is number 0."""

    SUCCESS = 0
    FAIL = 1


class VportType(IntEnum):
    """``enum ovs_vport_type``; from ``LISP`` on only user space knows them.

    ``DUMMY`` and ``TAP`` are our own: types of port that our userspace datapath has, and that no kernel is asked
    for.
    """

    UNSPEC = 0
    NETDEV = 1
    INTERNAL = 2
    GRE = 3
    VXLAN = 4
    GENEVE = 5
    LISP = 105
    STT = 106
    ERSPAN = 107
    IP6ERSPAN = 108
    IP6GRE = 109
    GTPU = 110
    BAREUDP = 111
    SRV6 = 112
    DUMMY = 200
    TAP = 201


class TunnelAttr(IntEnum):
    """``OVS_TUNNEL_ATTR_*``: inside ``OVS_VPORT_ATTR_OPTIONS`` of a tunnel."""

    DST_PORT = 1
    EXTENSION = 2


class DummyAttr(IntEnum):
    """Our own: inside ``OVS_VPORT_ATTR_OPTIONS`` of a port of type ``DUMMY``.

    Paths of capture files, and whether the first is played at once.
    """

    RX_PCAP = 100
    TX_PCAP = 101
    PLAY = 102


class VxlanExt(IntEnum):
    """``OVS_VXLAN_EXT_*``."""

    GBP = 1
