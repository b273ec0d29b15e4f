"""A running ``ovs-vswitchd`` with files of its own, for tests and benchmarks beside it.

Debian's programs, started by hand. Needs root, the kernel module, several CPUs (the lab's second lane) and the
package ``openvswitch-switch``; made for a machine where nothing else uses Open vSwitch.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dpif.testing import netns
from dpif.testing.waiting import eventually

__all__ = ["DATAPATH", "Vswitchd", "running"]

DATAPATH = "ovs-system"
"""The kernel's datapath that it makes, however many bridges there are."""
_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


class Vswitchd:
    """The process with the id ``pid``, told what to do through its database at address ``database``."""

    def __init__(self, database: str, pid: int) -> None:
        self.database = database
        self.pid = pid

    def vsctl(self, *words: str) -> None:
        """Run ``ovs-vsctl``, which waits until it is done. Raises `CommandFailed`."""
        _vsctl(self.database, *words)

    def add_bridge(self, name: str, ports: tuple[str, ...] = ()) -> None:
        """Add a bridge that learns by itself (NORMAL), with these devices as ports."""
        self.vsctl("add-br", name, "--", "set", "bridge", name, "fail-mode=standalone")
        for port in ports:
            self.vsctl("add-port", name, port)


@contextlib.contextmanager
def running(directory: Path) -> Iterator[Vswitchd]:
    """Run ovsdb-server and ovs-vswitchd, with their files in `directory`, which must not be there yet."""
    directory.mkdir()
    places = {name: str(directory) for name in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR")}
    socket = directory / "db.sock"
    database = f"unix:{socket}"
    netns.run("ovsdb-tool", "create", str(directory / "conf.db"), _SCHEMA)
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("wb"))

        def start(*argv: str) -> int:
            process = subprocess.Popen(argv, env={**os.environ, **places}, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process.pid

        start("ovsdb-server", str(directory / "conf.db"), f"--remote=p{database}")
        eventually(socket.exists)
        _vsctl(database, "--no-wait", "init")
        yield Vswitchd(database, start("ovs-vswitchd", database))


def _vsctl(database: str, *words: str) -> None:
    netns.run("ovs-vsctl", f"--db={database}", "--timeout=60", *words, timeout=90)
