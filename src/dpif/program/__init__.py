"""Programs: forwarding as an ordinary Python function, done by the datapath at its own speed.

::

    from dpif.program import Program, flood, output

    program = Program()
    macs = program.table("macs", idle=300)

    @program.forward
    def switch(packet):
        macs[packet.eth.src] = packet.in_port
        port = macs.get(packet.eth.dst)
        return output(port) if port is not None else flood()

    program.run(dp, ["veth1", "veth2"])

The function is called for a packet that no flow matches. It is given a `Packet` whose fields note how they are used
(`values`), and tables that note which entries were read (`tables`); it returns a `Decision`. What it read becomes the
mask of a flow, its decision the flow's actions, and the packets that agree on what was read never come up. When an
entry changes that a flow hangs on, the function decides again.

For that it must be a function of the packet and of tables alone: what it takes from elsewhere (the time, random
numbers, variables that change) is not noted, and a flow made of it stays when that changes. A sample of decisions
is made twice to find it out.

**Width.** The less is read, the more a flow matches. ``packet.ipv4.dst in network`` reads the prefix, ``packet.tcp is
None`` the protocol, ``packet.tcp.flags.syn`` one bit, ``==`` one bit where it does not hold. ``repr`` reads nothing.
Matched in any case are the input port, the recirculation id and whether there are VLAN tags.

**Rooms.** `layout` knows where fields stand in a key; `trace` is what one run read; `values`, `headers`, `packet` are
what the function sees; `decision` is what it returns; `tables`, `lpm`, `persist` what it remembers; `contexts` which
function goes on after another look-up; `meters` what limits rates, `shares` who of several has which part; `decide`
makes one run of it. `flow` has the flows and what they hang on, `keeper` keeps them in line with the tables, `sweep`
finds those that are old, `leftovers` those that were there before. `runner` is the loop, `intake` takes the packets,
`workers` share them among processes whose tables `replicas` keeps alike. `checks` finds functions that are none,
`reports` tells what goes wrong; `width` and `explain` show people what a flow matches, and why.
"""

from __future__ import annotations

from dpif._lazy import lazy
from dpif._typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dpif.program.decision import (
        Decision,
        act,
        check_pkt_len,
        consume,
        ct,
        ct_clear,
        dec_ttl,
        drop,
        flood,
        meter,
        mirror,
        output,
        recirculate,
        select,
        tunnel,
    )
    from dpif.program.errors import ProgramError
    from dpif.program.layout import PortNumber
    from dpif.program.lpm import LpmTable
    from dpif.program.options import Counters, Options
    from dpif.program.packet import Packet
    from dpif.program.program import Program
    from dpif.program.runner import Runner
    from dpif.program.shares import maglev
    from dpif.program.tables import Table

__all__ = [
    "Counters",
    "Decision",
    "LpmTable",
    "Options",
    "Packet",
    "PortNumber",
    "Program",
    "ProgramError",
    "Runner",
    "Table",
    "act",
    "check_pkt_len",
    "consume",
    "ct",
    "ct_clear",
    "dec_ttl",
    "drop",
    "flood",
    "maglev",
    "meter",
    "mirror",
    "output",
    "recirculate",
    "select",
    "tunnel",
]

_DECISIONS = (
    "Decision", "act", "check_pkt_len", "consume", "ct", "ct_clear", "dec_ttl", "drop", "flood", "meter", "mirror",
    "output", "recirculate", "select", "tunnel",
)  # fmt: skip

__getattr__, __dir__ = lazy(
    __name__,
    {
        **dict.fromkeys(_DECISIONS, "decision"),
        "ProgramError": "errors",
        "LpmTable": "lpm",
        "Packet": "packet",
        "Program": "program",
        **dict.fromkeys(("Counters", "Options"), "options"),
        "Runner": "runner",
        "maglev": "shares",
        "PortNumber": "layout",
        "Table": "tables",
    },
)
