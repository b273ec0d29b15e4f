"""The table of options: every switch of every command, once.

A command accepts the options of ``ovs-dpctl`` (they are harmless where they mean nothing, and scripts write them
anywhere) and those that its line in the table of commands names. This file knows no command and no argparse.
"""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """One option.

    ``flags`` are its spellings, the long one last. ``action`` is argparse's. ``metavar`` names its value; an
    option without takes none. ``optional`` says that the value may be left out. ``key`` is the attribute that it
    sets, by default that of the long spelling.
    """

    flags: tuple[str, ...]
    help: str
    action: str = "store_true"
    metavar: str = ""
    optional: bool = False
    key: str = ""

    @property
    def takes_value(self) -> bool:
        """Whether the next argument belongs to it."""
        return bool(self.metavar) and not self.optional


_LOGGING = "accepted for scripts that were written for ovs-dpctl; nothing is logged"

GENERAL = {
    "timeout": Option(("-t", "--timeout"), "give up after SECS seconds", "store", "SECS"),
    "read_only": Option(("--read-only",), "refuse commands that change anything"),
    "socket": Option(("--socket",), "where 'dpif serve' listens, for netdev@ datapaths", "store", "PATH"),
    "json": Option(("--json",), "print one JSON document in place of text"),
    "json_lines": Option(("--json-lines",), "print JSON, an object a line for what is a list"),
    "help": Option(("-h", "--help"), "show this help"),
    "version": Option(("-V", "--version"), "show the version"),
}
"""Options that every command has and shows in its help."""

SHARED = {
    "statistics": Option(("-s", "--statistics"), "print statistics, of ports or of the flow"),
    "more": Option(("-m", "--more"), "say more; implies --names unless --no-names is given", "count"),
    "names": Option(("--names",), "show port names in place of numbers", key="names"),
    "no_names": Option(("--no-names",), "show port numbers", "store_false", key="names"),
    "clear": Option(("--clear",), "reset the counters of the flow to zero"),
    "may_create": Option(("--may-create",), "add the flow if it is not there"),
    "verbose": Option(("-v", "--verbose"), _LOGGING, "store", "SPEC", optional=True),
    "log_file": Option(("--log-file",), _LOGGING, "store", "FILE", optional=True),
    "syslog_method": Option(("--syslog-method",), _LOGGING, "store", "METHOD"),
    "syslog_target": Option(("--syslog-target",), _LOGGING, "store", "TARGET"),
    "no_syslog": Option(("--no-syslog",), _LOGGING),
}
"""Options of ``ovs-dpctl``: every command takes them, those shows them that do something with them."""

OWN = {
    "keep": Option(("--keep",), "leave flows and ports in place at the end"),
    "mem": Option(("--mem",), "memory of the lab's kernel (2G unless given)", "store", "SIZE"),
    "qemu": Option(("--qemu",), "emulate a machine for the lab: slow, but with several CPUs and Debian's kernel"),
    "cpus": Option(("--cpus",), "CPUs of that machine (2 unless given)", "store", "N"),
    "module": Option(("--module",), "a kernel module to load, besides openvswitch and veth", "append", "NAME"),
}
"""Options of single commands."""

ALL = {**GENERAL, **SHARED, **OWN}
