"""The tunnel key: the outer header that a packet came in, or that it is to be sent with."""

from __future__ import annotations

from dpif.odp.attrs import Empty, Opaque, Scalar
from dpif.odp.constants import TunnelKeyAttr
from dpif.odp.kinds import IPV4, IPV6, TUN_ID, U8, U8X, U16
from dpif.odp.nest import Attr, Nest


class Tunnel(Nest):
    """``OVS_KEY_ATTR_TUNNEL``: attributes of ``enum ovs_tunnel_key_attr``."""

    tun_id = Attr(TunnelKeyAttr.ID, Scalar(TUN_ID, "!"))
    src = Attr(TunnelKeyAttr.IPV4_SRC, Scalar(IPV4, "!"))
    dst = Attr(TunnelKeyAttr.IPV4_DST, Scalar(IPV4, "!"))
    ipv6_src = Attr(TunnelKeyAttr.IPV6_SRC, Scalar(IPV6, "!"))
    ipv6_dst = Attr(TunnelKeyAttr.IPV6_DST, Scalar(IPV6, "!"))
    tos = Attr(TunnelKeyAttr.TOS, Scalar(U8X, "!"))
    ttl = Attr(TunnelKeyAttr.TTL, Scalar(U8, "!"))
    df = Attr(TunnelKeyAttr.DONT_FRAGMENT, Empty())
    csum = Attr(TunnelKeyAttr.CSUM, Empty())
    tp_src = Attr(TunnelKeyAttr.TP_SRC, Scalar(U16, "!"))
    tp_dst = Attr(TunnelKeyAttr.TP_DST, Scalar(U16, "!"))
    oam = Attr(TunnelKeyAttr.OAM, Empty())
    geneve = Attr(TunnelKeyAttr.GENEVE_OPTS, Opaque())
    vxlan = Attr(TunnelKeyAttr.VXLAN_OPTS, Opaque())
    erspan = Attr(TunnelKeyAttr.ERSPAN_OPTS, Opaque())
