"""Capture what ovs-dpctl sends and prints, as golden data for the tests of the flow language.

Run it as root on a machine whose flows nobody needs, best in the lab:

    dpif lab --module nlmon -- python tools/capture_golden.py tests/golden/odp

It reads flows.txt and flows-dpif.txt there ("KEY | ACTIONS" lines), and actions.txt, makes a datapath, and writes

* requests.jsonl: for each line of flows.txt the attributes that ovs-dpctl sent to install it (hexadecimal), and
  the errno with which the kernel answered;
* dump.jsonl: for each flow that the kernel then had, its record as dumped, and the line that ovs-dpctl printed for
  it without an option, with -m, and with --names;
* actions.jsonl: for each line of actions.txt what ovs-dpctl parse-actions printed, null where it refused.

The messages are read off the netlink monitor device; nothing of dpif interprets them on the way.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dpif.netlink.attributes import walk
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_REQUEST, NLMSG_ERROR
from dpif.netlink.message import Message, split
from dpif.netlink.socket import KernelSocket
from dpif.odp.actions import parse_actions
from dpif.odp.constants import OVS_FLOW_FAMILY, FlowAttr, FlowCmd
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.model.key import parse_match

DATAPATH = "dp0"
PORTS = ("v1", "v2")
HEADERS = 8  # genlmsghdr and ovs_header
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33


class Monitor:
    """All netlink messages of this machine, by way of a nlmon device."""

    def __init__(self) -> None:
        run("ip", "link", "add", "nlmon0", "type", "nlmon")
        run("ip", "link", "set", "nlmon0", "up")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self._socket.bind(("nlmon0", 0))
        self._socket.setblocking(False)

    def messages(self) -> Iterator[Message]:
        """Yield what was sent since the last call; a message is on the device before its sender goes on."""
        while True:
            try:
                data = self._socket.recv(1 << 17)
            except BlockingIOError:
                return
            yield from split(data)


class Printed(NamedTuple):
    """The output of ovs-dpctl, and the messages that went to and fro meanwhile."""

    lines: list[str]
    messages: list[Message]


def run(*command: str) -> str:
    """Run a command; its output."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dpctl(monitor: Monitor, *arguments: str) -> Printed:
    """Run ovs-dpctl, which may fail."""
    list(monitor.messages())
    done = subprocess.run(["ovs-dpctl", *arguments], capture_output=True, text=True, check=False)
    return Printed(done.stdout.splitlines(), list(monitor.messages()))


def attributes(message: Message) -> dict[int, str]:
    """Return a message's attributes by number, in hexadecimal."""
    payload = bytes(message.payload)
    return {number: payload[start:end].hex() for number, start, end in walk(payload, HEADERS)}


def install(monitor: Monitor, family: int, key: str, actions: str) -> dict[str, Any]:
    """Let ovs-dpctl install a flow; return what it sent and what the kernel said."""
    messages = dpctl(monitor, "add-flow", DATAPATH, key, actions).messages
    entry: dict[str, Any] = {"flow": key, "actions": actions}
    for message in messages:
        if message.type == family and message.flags & NLM_F_REQUEST and message.payload[0] == FlowCmd.NEW:
            sent = attributes(message)
            entry["key_hex"] = sent[FlowAttr.KEY]
            entry["mask_hex"] = sent.get(FlowAttr.MASK)
            entry["actions_hex"] = sent.get(FlowAttr.ACTIONS)
            entry["ufid_hex"] = sent.get(FlowAttr.UFID)
            entry["errno"] = 0
            seq = message.seq
        elif message.type == NLMSG_ERROR and "errno" in entry and message.seq == seq:
            entry["errno"] = -struct.unpack_from("=i", message.payload)[0]
    return entry


def install_own(connection: Connection, ifindex: int, key_text: str, actions_text: str) -> None:
    """Install a flow with dpif."""
    key, mask = parse_match(key_text)
    record = FlowRecord(
        command=FlowCmd.NEW,
        dp_ifindex=ifindex,
        key=key.to_bytes(),
        mask=mask.to_bytes(),
        actions=parse_actions(actions_text).to_bytes(),
    )
    try:
        connection.transact(record.request(key_text, NLM_F_CREATE))
    except OSError as error:
        print(f"{key_text} | {actions_text}: {error}", file=sys.stderr)


def dump(monitor: Monitor, family: int) -> list[dict[str, Any]]:
    """Let ovs-dpctl print all flows in its three ways; pair the lines with the records that it got."""
    printed = {
        name: dpctl(monitor, *options, "dump-flows", DATAPATH)
        for name, options in (("plain", ()), ("verbose", ("-m", "--no-names")), ("names", ("--names",)))
    }
    records = [records_of(one.messages, family) for one in printed.values()]
    if records[0] != records[1] or records[0] != records[2]:
        raise SystemExit("the flows changed between two dumps")
    lines = [one.lines for one in printed.values()]
    if any(len(one) != len(records[0]) for one in lines):
        raise SystemExit(f"{len(records[0])} records but {[len(one) for one in lines]} lines")
    paired = [
        {"record": record, **{name: settled(line, record) for name, line in zip(printed, texts, strict=True)}}
        for record, *texts in zip(records[0], *lines, strict=True)
    ]
    return sorted(paired, key=lambda entry: str(entry["plain"]))  # the kernel's order differs from run to run


def settled(line: str, record: str) -> str:
    """Return a line without the UFID that ovs-dpctl makes up, anew in each run, for a flow that has none."""
    has_ufid = any(number == FlowAttr.UFID for number, _, _ in walk(bytes.fromhex(record)))
    return line if has_ufid or not line.startswith("ufid:") else line.partition(", ")[2]


def records_of(messages: list[Message], family: int) -> list[str]:
    """Return the flow records among the messages, in hexadecimal, without headers."""
    return [
        bytes(message.payload[HEADERS:]).hex()
        for message in messages
        if message.type == family and not message.flags & NLM_F_REQUEST
    ]


def lines_of(path: Path) -> Iterator[str]:
    """Yield the lines of a file that are no comments."""
    yield from (line for line in path.read_text().splitlines() if line and not line.startswith("#"))


def flows_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the keys and actions of a file."""
    for line in lines_of(path):
        key, _, actions = line.partition(" | ")
        yield key, actions


def parsed(actions: str) -> dict[str, Any]:
    """Let ovs-dpctl read actions; what it prints of them."""
    done = subprocess.run(["ovs-dpctl", "parse-actions", "--", actions], capture_output=True, text=True, check=False)
    return {"actions": actions, "printed": None if done.returncode else done.stdout.removesuffix("\n")}


def write(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def main(directory: Path) -> None:
    """Capture everything into `directory`; what was made for it is gone at the end."""
    monitor = Monitor()
    try:
        capture(monitor, directory)
    finally:
        run("ovs-dpctl", "del-dp", DATAPATH)
        for device in (*PORTS, "nlmon0"):
            run("ip", "link", "delete", device)


def capture(monitor: Monitor, directory: Path) -> None:
    """Make the datapath, and write down what is sent to it and printed of it."""
    run("ovs-dpctl", "add-dp", DATAPATH)
    for port in PORTS:
        run("ip", "link", "add", port, "type", "veth", "peer", "name", f"{port}p")
        run("ovs-dpctl", "add-if", DATAPATH, port)
    write(directory / "actions.jsonl", [parsed(actions) for actions in lines_of(directory / "actions.txt")])
    with Connection(KernelSocket) as connection:
        family = connection.family(OVS_FLOW_FAMILY).id
        requests = [install(monitor, family, key, actions) for key, actions in flows_of(directory / "flows.txt")]
        ifindex = int(Path(f"/sys/class/net/{DATAPATH}/ifindex").read_text())
        for key, actions in flows_of(directory / "flows-dpif.txt"):
            install_own(connection, ifindex, key, actions)
    write(directory / "requests.jsonl", requests)
    write(directory / "dump.jsonl", dump(monitor, family))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
