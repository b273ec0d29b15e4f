"""The datapath protocol: keys, masks and actions as values, and the messages that carry them.

A datapath looks at a packet and *extracts* a flow key, a set of attributes: where it came in, its addresses, ports,
tags. A flow has a key, a mask of the same shape whose set bits must match, and a list of actions::

    key, mask = parse_match("in_port(1),eth(),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0)")
    key.ipv4.src                       # IPv4Address('10.0.0.0')
    FlowKey(in_port=1, eth={"src": "02:00:00:00:00:01"}).to_bytes()
    parse_actions("push_vlan(vid=5,pcp=0),2")

**Values.** `FlowKey`, `FlowMask` and the actions are immutable; they have natural Python values, are built by
keyword, from bytes or from text, and show as the text of Open vSwitch. What a newer kernel sends and this library
does not know is kept byte for byte.

**Descriptions.** Each attribute is described once, in layers: a *kind* of field (``kinds``), a structure of fields
(``structs``, ``layers``), the type of an attribute (``attrs``), attributes that stand together (``nest``, ``key``,
``tunnel``, ``nsh``), actions (``actions``). Wire and text, both ways, and the strategies of tests follow from them.

**The kernel's model.** ``extraction`` reads a key from a packet; ``match`` and ``check`` hold the rules by which the
kernel accepts a flow, and say which one is broken; ``swkey`` is the flat form of a key that a flow table compares.

**Messages.** ``messages`` has a record for each family, used by the client and by the datapath in user space.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.odp.actions import Actions, parse_actions
    from dpif.odp.check import explain_actions
    from dpif.odp.extraction import extract
    from dpif.odp.key import FlowKey, FlowMask, format_key, parse_key, parse_match
    from dpif.odp.match import explain_match
    from dpif.odp.ufid import Ufid

__all__ = [
    "Actions",
    "FlowKey",
    "FlowMask",
    "Ufid",
    "explain_actions",
    "explain_match",
    "extract",
    "format_key",
    "parse_actions",
    "parse_key",
    "parse_match",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(("FlowKey", "FlowMask", "format_key", "parse_key", "parse_match"), "key"),
        **dict.fromkeys(("Actions", "parse_actions"), "actions"),
        "Ufid": "ufid",
        "extract": "extraction",
        "explain_match": "match",
        "explain_actions": "check",
    },
)
