"""Capture the flows that an ovs-vswitchd makes, as it prints them, for the test that reads every line of its dumps.

Run it where Open vSwitch is installed; it needs neither root nor a kernel, for the datapath is the dummy one:

    python tools/capture_vswitchd.py tests/golden

It carries out the scenarios of vswitchd.txt there, and writes dumps/vswitchd-VERSION.txt: for each of them what
``dpctl/dump-flows`` printed, and then what it printed with ``-m``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dpif.packet import build
from dpif.testing.waiting import eventually

_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
_A, _B, _LOCAL = "50:54:00:00:00:01", "50:54:00:00:00:02", "aa:55:aa:55:00:00"
_PROTOCOLS = "protocols=OpenFlow10,OpenFlow13,OpenFlow15"
_BRIDGE = f"datapath_type=dummy other-config:hwaddr={_LOCAL} fail-mode=secure {_PROTOCOLS}"
_UDP = build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"hello")
_TCP = build.tcp("10.0.0.1", "10.0.0.2", 1000, 80, flags=0x12)
_VXLAN = bytes.fromhex("0800000000007b00")
_GENEVE = bytes.fromhex("0200655800007b00ffff80010000000a")


def _to_tunnel(port: int, header: bytes, inner: build.Layer) -> bytes:
    outer = build.udp("1.1.2.92", "1.1.2.88", 1000, port, header + build.ethernet(_A, _B, inner))
    return build.ethernet(_A, _LOCAL, outer)


PACKETS = {
    "vxlan": _to_tunnel(4789, _VXLAN, _UDP),
    "geneve": _to_tunnel(6081, _GENEVE, _TCP),
    **{
        name: build.ethernet(_A, _B, layer)
        for name, layer in {
            "udp": _UDP,
            "tcp": _TCP,
            "udp6": build.udp("fc00::1", "fc00::2", 1000, 53, b"hello"),
            "arp": build.arp_request(_A, "1.1.1.1", "1.1.1.2"),
            "echo": build.echo("10.0.0.1", "10.0.0.2"),
            "solicitation": build.neighbour_solicit(_A, "fc00::1", "fc00::2"),
            "tagged": build.vlan(5, _UDP, pcp=3),
            "tagged-twice": build.vlan(6, build.vlan(7, _UDP), tpid=0x88A8),
            "labelled": build.mpls(20, _UDP),
            "labelled-twice": build.mpls(21, build.mpls(22, _UDP)),
        }.items()
    },
}


class Daemon:
    """An ovs-vswitchd with the dummy datapath, its files in `directory`, and bridge br0 with ports p1 to p4."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._env = {**os.environ, **{f"OVS_{name}DIR": str(directory) for name in ("RUN", "DB", "LOG", "SYSCONF")}}
        self._options = {
            "ovs-vsctl": [f"--db=unix:{directory}/db.sock", "--timeout=30"],
            "ovs-appctl": ["-t", f"{directory}/vswitchd.ctl"],
            "ovs-ofctl": [],
        }

    def run(self, command: str) -> str:
        """Run one of the tools on this daemon; return what it prints."""
        tool, *words = command.split()
        argv = [tool, *self._options[tool], *words]
        return subprocess.run(argv, env=self._env, check=True, stdout=subprocess.PIPE, text=True).stdout

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it, and the server of its database."""
        database, socket = self._directory / "conf.db", self._directory / "db.sock"
        subprocess.run(["ovsdb-tool", "create", str(database), _SCHEMA], env=self._env, check=True)
        with contextlib.ExitStack() as stack:
            log = stack.enter_context((self._directory / "log").open("wb"))

            def start(*argv: str) -> None:
                process = subprocess.Popen(argv, env=self._env, stdout=log, stderr=log)
                stack.callback(process.wait)
                stack.callback(process.terminate)

            start("ovsdb-server", str(database), f"--remote=punix:{socket}")
            eventually(socket.exists, seconds=30)
            self.run("ovs-vsctl --no-wait init")
            options = ["--enable-dummy", "--disable-system", "--disable-system-route"]
            start("ovs-vswitchd", f"unix:{socket}", f"--unixctl={self._directory}/vswitchd.ctl", *options)
            self.run(f"ovs-vsctl add-br br0 -- set bridge br0 {_BRIDGE}")
            for port in ("p1", "p2", "p3", "p4"):
                settings = f"type=dummy ofport_request={port[1]}"
                self.run(f"ovs-vsctl add-port br0 {port} -- set interface {port} {settings}")
            yield

    def set_rules(self, rules: list[str]) -> None:
        """Replace the rules of the bridge."""
        file = self._directory / "rules"
        file.write_text("".join(f"{rule}\n" for rule in rules))
        self.run(f"ovs-ofctl -Oopenflow15 --bundle replace-flows br0 {file}")

    def receive(self, packet: bytes) -> None:
        """Let a packet come in, until it has a flow that counts."""
        for _ in range(3):
            self.run(f"ovs-appctl netdev-dummy/receive p1 {packet.hex()}")

    def take_lines(self) -> list[str]:
        """Return the lines of all flows, those with ``-m`` at the end, and take the flows away."""
        self.run("ovs-appctl revalidator/wait")
        printed = self.run("ovs-appctl dpctl/dump-flows") + self.run("ovs-appctl dpctl/dump-flows -m")
        self.run("ovs-appctl revalidator/purge")
        return [line for line in printed.splitlines() if ", actions:" in line]


def scenarios(file: Path) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield the names of the scenarios in a file, and their lines by their first words."""
    lines = [line.partition(" ") for line in file.read_text().splitlines() if line and not line.startswith("#")]
    starts = [index for index, (kind, _, _) in enumerate(lines) if kind == "scenario"]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        said: dict[str, list[str]] = {"run": [], "rule": [], "packet": []}
        for kind, _, rest in lines[start + 1 : end]:
            said[kind].append(rest)
        yield lines[start][2], said


def main(directory: Path) -> None:
    """Capture all scenarios of `directory`."""
    printed = subprocess.run(["ovs-vswitchd", "--version"], check=True, capture_output=True, text=True).stdout
    captured = ""
    with tempfile.TemporaryDirectory() as temporary:
        daemon = Daemon(Path(temporary))
        with daemon.running():
            for name, said in scenarios(directory / "vswitchd.txt"):
                for command in said["run"]:
                    daemon.run(command)
                daemon.set_rules(said["rule"])
                for packet in " ".join(said["packet"]).split():
                    daemon.receive(PACKETS[packet])
                captured += "".join([f"# {name}\n", *[f"{line}\n" for line in daemon.take_lines()]])
    (directory / f"dumps/vswitchd-{printed.split()[3]}.txt").write_text(captured)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
