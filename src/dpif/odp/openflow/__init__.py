"""Flows of OpenFlow, as people write them for ``ovs-ofctl``, in the syntax of a datapath.

Both describe flows and look alike, so hands write ``tcp,tp_dst=80 actions=output:2`` where a datapath takes
``eth(),eth_type(0x0800),ipv4(proto=6),tcp(dst=80),tcp_flags(0/0)`` and ``2``. Who could not read a text asks here
whether it is that, and gets what to type instead; nothing else loads this room.

`items` takes texts apart, `match` and `actions` translate, `mistake` says it. What a datapath has no counterpart for
(tables, ``NORMAL``, registers) is named.
"""

from __future__ import annotations

from dpif.odp.openflow.mistake import openflow_mistake

__all__ = ["openflow_mistake"]
