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

**Rooms**, each of which stands on those before it:

* ``constants`` has the numbers, ``model`` the keys and masks as values. Each thing is described once, in layers:
  kinds of field, structures, attributes, nests, keys; wire and text, both ways, follow from the descriptions.
* ``actions`` has a class for each action.
* ``kernel`` is what the kernel makes of keys and actions: its flat form of a key, and the rules by which it takes a
  flow, which say what is broken. ``extraction`` reads the key of a packet as the kernel does.
* ``messages`` has a record for each family, used by the client and by the datapath in user space.
* ``filter`` picks and sorts flows, ``tree`` puts them below those whose packets come to them.
* ``text``, ``lines`` and ``columns`` are the fast ways for many flows: from text to bytes, from messages to lines,
  from messages to columns. Each has a slow twin among the values, which says what is right.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.odp.actions import Actions, parse_actions
    from dpif.odp.extraction import extract
    from dpif.odp.kernel.check import explain_actions
    from dpif.odp.kernel.match import explain_match
    from dpif.odp.model.key import FlowKey, FlowMask, format_key, parse_key, parse_match
    from dpif.odp.model.ufid import Ufid

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
        **dict.fromkeys(("FlowKey", "FlowMask", "format_key", "parse_key", "parse_match"), "model.key"),
        **dict.fromkeys(("Actions", "parse_actions"), "actions"),
        "Ufid": "model.ufid",
        "extract": "extraction",
        "explain_match": "kernel.match",
        "explain_actions": "kernel.check",
    },
)
