"""The table of options: every switch of every command, once.

A command accepts the options of ``ovs-dpctl`` (they are harmless where they mean nothing, and scripts write them
anywhere) and those that its entry in the table of commands names. This file knows no command.
"""

from __future__ import annotations


class Option:
    """One option.

    ``flags`` are its spellings, the long one last. ``action`` says what it does with its key, which is None before:
    ``set`` makes it True (from False), ``yes`` and ``no`` make it True and False, ``count`` counts, ``store`` keeps
    the value, ``append`` keeps a list of them all.
    ``metavar`` names its value; an option without takes none. ``optional`` says that the value may be left out;
    one that is given then belongs to the same word. ``key`` is where a command finds it, by default that of the
    long spelling.
    """

    def __init__(
        self,
        flags: tuple[str, ...],
        help: str,
        action: str = "set",
        metavar: str = "",
        *,
        optional: bool = False,
        key: str = "",
    ) -> None:
        self.flags = flags
        self.help = help
        self.action = action
        self.metavar = metavar
        self.optional = optional
        self.key = key or flags[-1].lstrip("-").replace("-", "_")

    @property
    def takes_next(self) -> bool:
        """Whether the next argument belongs to it."""
        return bool(self.metavar) and not self.optional

    @property
    def default(self) -> object:
        """What its key has where the option is not given."""
        return False if self.action == "set" else None

    @property
    def synopsis(self) -> str:
        """How to write it, for the help."""
        value = f" {self.metavar}" if self.metavar else ""
        return ", ".join(self.flags) + (f"[={self.metavar}]" if self.optional else value)


GENERAL = {
    "timeout": Option(("-t", "--timeout"), "give up after SECS seconds", "store", "SECS"),
    "read_only": Option(("--read-only",), "refuse commands that change anything"),
    "socket": Option(("--socket",), "where 'dpif serve' listens, for netdev@ datapaths", "store", "PATH"),
    "output": Option(
        ("--output",), "print lists as table (what a terminal gets), wide, csv, json or json-lines", "store", "FORMAT"
    ),
    "json": Option(("--json",), "print one JSON document in place of text"),
    "json_lines": Option(("--json-lines",), "print JSON, an object a line for what is a list"),
    "color": Option(
        ("--color",), "colour the output: auto (the default, on a terminal), always, never", "store", "WHEN"
    ),
    "wide": Option(("--wide",), "print each flow, and each row of a table, on one line, however long"),
    "no_pager": Option(("--no-pager",), "show output at once, however long; else $DPIF_PAGER, $PAGER or less has it"),
    "help": Option(("-h", "--help"), "show this help"),
    "version": Option(("-V", "--version"), "show the version"),
}
"""Options that every command has and shows in its help."""

SHARED = {
    "statistics": Option(("-s", "--statistics"), "print statistics, too"),
    "more": Option(("-m", "--more"), "say more; of flows with port names, unless --no-names is given", "count"),
    "names": Option(("--names",), "show port names in place of numbers", "yes"),
    "no_names": Option(("--no-names",), "show port numbers", "no", key="names"),
    "clear": Option(("--clear",), "reset the counters of the flow to zero"),
    "may_create": Option(("--may-create",), "add the flow if it is not there"),
}
"""Options of ``ovs-dpctl``: every command takes them, those show them that do something with them."""

_NOTHING = "accepted for scripts that were written for ovs-dpctl; nothing is logged"
LOGGING = {
    "verbose": Option(("-v", "--verbose"), "say what is done", "count", "SPEC", optional=True),
    "log_file": Option(("--log-file",), _NOTHING, "store", "FILE", optional=True),
    "syslog_method": Option(("--syslog-method",), _NOTHING, "store", "METHOD"),
    "syslog_target": Option(("--syslog-target",), _NOTHING, "store", "TARGET"),
    "no_syslog": Option(("--no-syslog",), _NOTHING),
}
"""Options of ``ovs-dpctl`` that every command takes; those show one that do something with it."""

OWN = {
    "sort": Option(("--sort",), "sort by fields; '-' in front of one makes it descend", "store", "FIELD[,FIELD...]"),
    "limit": Option(("--limit",), "show N at most, the first in order", "store", "N"),
    "strict": Option(("--strict",), "of a saved dump (file@PATH for dp): fail at a line that cannot be read"),
    "keep_going": Option(("--keep-going",), "go on behind a line that fails"),
    "tree": Option(("--tree",), "show each flow below those that lead to it by recirculation"),
    "count": Option(("-c", "--count"), "end after N packets", "store", "N"),
    "take_over": Option(("--take-over",), "take packets from whoever is named to get them, until the end"),
    "features": Option(("--features",), "features of the datapath (none unless given)", "store", "NAME[,NAME...]"),
    "ifindex": Option(("--ifindex",), "interface index of its local port (any unless given)", "store", "N"),
    "keep": Option(("--keep",), "leave what it made in place at the end"),
    "play": Option(("--play",), "play captures (rx_pcap) at once, not when somebody listens"),
    "explain": Option(("--explain",), "show which line of the file read what of each new flow, and why flows go"),
    "check": Option(("--check",), "try each mask on other packets that it matches"),
    "workers": Option(("--workers",), "share the packets among N processes", "store", "N"),
    "pcap": Option(("--pcap",), "play a capture through the program, on a datapath of its own", "store", "FILE"),
    "out_dir": Option(("--out-dir",), "write what comes out of each port there, as captures", "store", "DIR"),
    "hosts": Option(("--hosts",), "how many hosts (3 unless given)", "store", "N"),
    "timed": Option(("--timed",), "send the packets of a capture at the times that it has"),
    "speed": Option(("--speed",), "do so N times as fast", "store", "N"),
    "ct_next": Option(("--ct-next",), "the conntrack state behind the next ct(), such as est|rpl", "append", "FLAGS"),
    "ct": Option(
        ("--ct",), "what is known of a connection: zone=5,state=est|rpl,mark=1,label=2", "append", "NAME=VALUE[,...]"
    ),
    "hash": Option(("--hash",), "the dp_hash that hash() gives", "store", "N"),
    "len": Option(("--len",), "the bytes of the packet", "store", "N"),
    "mem": Option(("--mem",), "memory of the lab's kernel (2G unless given)", "store", "SIZE"),
    "kernel": Option(
        ("--kernel",), "its kernel: 6.1, 6.12 or newest (that of this machine's Debian unless given)", "store", "NAME"
    ),
    "qemu": Option(("--qemu",), "emulate a machine: slow, but with several CPUs and a distribution's kernel", "yes"),
    "no_qemu": Option(("--no-qemu",), "do not, even where user-mode Linux does not boot", "no", key="qemu"),
    "packages": Option(("--packages",), "only print the Debian packages that it takes on this machine"),
    "cpus": Option(("--cpus",), "CPUs of that machine (2 unless given)", "store", "N"),
    "module": Option(("--module",), "a kernel module to load, besides openvswitch and veth", "append", "NAME"),
    "like": Option(("--like",), "the Linux whose datapath to be like: 6.1, 6.12 or newest", "store", "NAME"),
    "detach": Option(("--detach",), "return when it serves, and leave it running"),
    "stop": Option(("--stop",), "end the server that runs there, and its datapaths"),
    "local_ip": Option(
        ("--local-ip",), "an address of this host for tunnels to use (all unless given)", "append", "ADDRESS"
    ),
    "max": Option(
        ("--max",),
        "a bound: clients, queue, queues, flows, masks, devices, actions, connections or policies",
        "append",
        "NAME=NUMBER",
    ),
}
"""Options of single commands."""

ALL = {**GENERAL, **SHARED, **LOGGING, **OWN}
