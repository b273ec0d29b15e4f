"""The network service header (RFC 8300) as a flow key."""

from __future__ import annotations

from dpif.odp.attrs import Opaque
from dpif.odp.constants import NshKeyAttr
from dpif.odp.nest import Attr, Nest


class Nsh(Nest):
    """``OVS_KEY_ATTR_NSH``: attributes of ``enum ovs_nsh_key_attr``."""

    base = Attr(NshKeyAttr.BASE, Opaque())
    md1 = Attr(NshKeyAttr.MD1, Opaque())
    md2 = Attr(NshKeyAttr.MD2, Opaque())
