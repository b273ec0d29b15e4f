"""What a command is: its name, words, texts, who carries it out; and the headings under which commands are listed.

Nothing but names and texts is known here, so that reading the tables of commands costs nothing.
"""

from __future__ import annotations

import sys

__all__ = [
    "ABOUT",
    "CACHES",
    "CONNECTIONS",
    "DATAPATHS",
    "FLOWS",
    "IFACE",
    "MANY",
    "NAME",
    "PROGRAMS",
    "REFUSED",
    "TOPICS",
    "Command",
]

MANY = sys.maxsize
"""As many words as one likes."""

DATAPATHS = "Datapaths and ports"
FLOWS = "Flows (dp may be left out where there is one datapath)"
PROGRAMS = "Programs"
CONNECTIONS = "Connections (dp may be left out where there is one datapath)"
CACHES = "Caches and hardware offload"
ABOUT = "About"
REFUSED = "Refused: only the datapath inside ovs-vswitchd has it (ovs-appctl dpctl/...)"
TOPICS = (DATAPATHS, FLOWS, PROGRAMS, CONNECTIONS, CACHES, ABOUT, REFUSED)
"""In the order of the help."""

NAME = "A datapath is [type@]name: system@ (the default) is the kernel's, netdev@ that of 'dpif serve'."

IFACE = """\
An iface is name[,key=value...]: type=TYPE (system, the default: a network device that exists; internal: a new device
of the host; vxlan, geneve, gre: a tunnel), port_no=N (else a free number), dst_port=N (of a tunnel), ifindex=N (of an
internal one). A tunnel's device is called by its type and UDP port, vxlan_sys_4789, whatever the name; with
type=vport-vxlan, vport-geneve or vport-gre it is a port of the datapath's own, which has the name given. A netdev@
datapath also has the types tap (a new TAP device of the host) and dummy (rx_pcap=FILE is played into the datapath
when somebody listens to what misses, each packet once the one before is dealt with; tx_pcap=FILE records what it
sends there)."""


class Command:
    """One command.

    ``usage`` is what follows its name; ``least`` and ``most`` count those words. ``summary`` is one line for the
    list, ``details`` a few more for its own help, ``examples`` are command lines that work. ``handler`` is
    ``module:function`` within `dpif.cli.commands`. ``writes`` is what ``--read-only`` asks for. ``options`` are keys
    of the table of options. A command that runs another one is ``verbatim``: behind its first word nothing is an
    option of ours. One that ``keeps_time`` looks after ``--timeout`` itself; one that is ``text_only`` has no JSON;
    one that ``runs_on`` until it is told to end is not for a batch. One that is ``refused`` fails, its examples too.
    ``nothing`` is what a terminal shows of an empty list.
    """

    # Every start makes all of these: written out it costs a third of what a NamedTuple does, or a dataclass.
    def __init__(
        self,
        name: str,
        usage: str,
        least: int,
        most: int,
        summary: str,
        handler: str,
        examples: tuple[str, ...],
        topic: str,
        details: str = "",
        *,
        writes: bool = False,
        options: tuple[str, ...] = (),
        verbatim: bool = False,
        keeps_time: bool = False,
        text_only: bool = False,
        runs_on: bool = False,
        refused: bool = False,
        nothing: str = "",
    ) -> None:
        self.name = name
        self.usage = usage
        self.least = least
        self.most = most
        self.summary = summary
        self.handler = handler
        self.examples = examples
        self.topic = topic
        self.details = details
        self.writes = writes
        self.options = options
        self.verbatim = verbatim
        self.keeps_time = keeps_time
        self.text_only = text_only
        self.runs_on = runs_on
        self.refused = refused
        self.nothing = nothing

    @property
    def synopsis(self) -> str:
        """How to write it, for the end of a complaint."""
        return f"usage: dpif {self.name} {self.usage}".rstrip()
