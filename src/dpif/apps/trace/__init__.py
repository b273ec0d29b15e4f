"""What happens to a packet, through the flows that are there.

`trace` takes flows, live or of a saved dump, and a packet, of which not all need be known, and returns a tree of
steps: each lookup, the flows that the packet may take, what their actions do, and where it leaves. It branches where
something is not known, and only as far as the flows tell the cases apart. It changes nothing and prints nothing::

    import dpif
    from dpif.apps.trace import packet_of_key, tell, trace

    lookup = trace(dp.flows, packet_of_key("in_port(1),eth(),ipv4(src=10.0.0.1,dst=10.0.0.2),tcp(dst=80)"))
    print("\\n".join(tell(lookup)))

`packet` has what is known of the packet, `table` the lookup and what comes near, `connections` conntrack, `effects`
and `headers` the actions, `answers` what people tell of connections, `walk` the walk, `steps` the tree, `text` and
`data` how it is told.
"""

from __future__ import annotations

from dpif.apps.trace.data import data
from dpif.apps.trace.packet import Connection, Packet, packet_of_frame, packet_of_key
from dpif.apps.trace.steps import Branch, Effect, Lookup, Miss, Step
from dpif.apps.trace.table import Table
from dpif.apps.trace.text import results, tell
from dpif.apps.trace.walk import trace

__all__ = [
    "Branch",
    "Connection",
    "Effect",
    "Lookup",
    "Miss",
    "Packet",
    "Step",
    "Table",
    "data",
    "packet_of_frame",
    "packet_of_key",
    "results",
    "tell",
    "trace",
]
