"""The demonstration's first part: a capture, played into a userspace datapath through the learning switch.

Each source address of the capture becomes a host with a port of its own. Time stands still for the switch, so that
its flows are all there at the end, whatever the speed of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from dpif._userspace import Userspace
from dpif.apps.switch import Switch, SwitchOptions
from dpif.client import Datapath
from dpif.demo.reasons import show_function, show_reasons
from dpif.demo.text import flow_lines, prose, rows
from dpif.odp.lines.text import format_flow_line, milliseconds
from dpif.packet import capture
from dpif.packet.addresses import BROADCAST, Mac

__all__ = ["CAPTURE", "play_recorded"]

CAPTURE = Path(__file__).parent.parent / "_data" / "lan.pcap"
_SHOWN = 8
_PROTOCOLS = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6", 0x888E: "EAPOL", 0x88CC: "LLDP"}

Out = Callable[[str], None]


def play_recorded(out: Out, path: Path = CAPTURE) -> bool:
    """Play the packets of a capture and tell what happens; return whether all of them are accounted for."""
    packets = [packet.data for packet in capture.read(path)]
    with Userspace() as us, us.open("br0", create=True) as dp:
        lan = Lan(us, dp, packets)
        out("1. A learning switch as a program, on a datapath in user space")
        out("")
        show_function(out)
        out("")
        _print(
            out,
            prose(
                f"{len(packets)} packets, recorded on a network of {len(lan.hosts)} hosts, go into a datapath that "
                "has a port for each host and no flows. The first packet of a kind comes up to Python, which learns "
                "where its sender is, decides, installs a flow, and sends the packet on:"
            ),
        )
        out("")
        with Switch(dp, SwitchOptions(clock=lambda: 0.0)) as switch:
            switch.attach(lan.hosts.values())
            came_up = [row for number, packet in enumerate(packets, 1) if (row := lan.send(number, packet, switch))]
            _print(out, rows([("packet", "from", "to", "what", "flow: send to"), *came_up[:_SHOWN]]))
            out(f"  and {len(came_up) - _SHOWN} more.")
            show_flows(dp, out)
            good = account(lan, len(packets), switch, out)
            out("")
            return show_reasons(lan, packets, switch, out) and good


class Lan:
    """The hosts of a capture at the ports of a datapath; ``hosts`` maps their addresses to the ports' names."""

    def __init__(self, us: Userspace, dp: Datapath, packets: Sequence[bytes]) -> None:
        self._us = us
        self.hosts: dict[bytes, str] = {}
        self.delivered = 0
        self._reached: list[str] = []
        for packet in packets:
            self.hosts.setdefault(packet[6:12], f"h{len(self.hosts) + 1}")
        for name in self.hosts.values():
            us.device(name).on_packet = partial(self._receive, name)
        us.device(dp.name).on_packet = lambda packet: None  # the datapath's own port, where nobody lives

    def _receive(self, name: str, packet: bytes) -> None:
        self.delivered += 1
        self._reached.append(name)

    def send(self, number: int, packet: bytes, switch: Switch) -> tuple[object, ...] | None:
        """Send a packet from its host and let the switch work; describe it when it came up."""
        self._reached.clear()
        source = self.hosts[packet[6:12]]
        self._us.device(source).send(packet)
        if not switch.step():
            return None
        kind = int.from_bytes(packet[12:14])
        return number, source, self._name(packet[0:6]), _PROTOCOLS.get(kind, f"0x{kind:04x}"), self._decision()

    def move(self, station: bytes, name: str) -> None:
        """Have a host tell everybody that it is at another port."""
        self._us.device(name).send(BROADCAST + station + bytes.fromhex("88b5") + bytes(46))

    def _name(self, destination: bytes) -> str:
        if destination == BROADCAST:
            return "all (broadcast)"
        if destination[0] & 1:
            return f"{Mac(destination)} (group)"
        return self.hosts.get(destination, f"{Mac(destination)} (unknown)")

    def _decision(self) -> str:
        if not self._reached:
            return "nobody: drop"
        return self._reached[0] if len(self._reached) == 1 else f"all {len(self._reached)} others"


def show_flows(dp: Datapath, out: Out) -> None:
    """Show the flows with the most packets."""
    flows = sorted(dp.flows, key=lambda flow: -flow.packets)
    names = dp.ports.names()
    now = milliseconds()
    out("")
    _print(
        out,
        prose(
            "The packets after them met a flow. A flow looks at what it names and at nothing else; these are the "
            f"busiest {_SHOWN} of {len(flows)}, as 'dpif dump-flows --names' prints them:"
        ),
    )
    out("")
    for flow in flows[:_SHOWN]:
        _print(out, flow_lines(format_flow_line(flow.record, now, port_names=names)))


def account(lan: Lan, played: int, switch: Switch, out: Out) -> bool:
    """Show how many packets went which way; return whether each is accounted for, three times over."""
    counters = switch.counters
    flows = list(switch.datapath.flows)
    sent = sum(port.stats.tx_packets for port in switch.datapath.ports if port.number and port.stats)
    out("")
    counts = [
        (played, "packets were played"),
        (counters.upcalls, "of them came up to Python"),
        (counters.switched, f"were switched by flows, without Python: {100 * counters.switched / played:.1f} %"),
        (counters.lost, "were lost on the way up"),
        (lan.delivered, "copies reached hosts: a broadcast goes to all of them"),
    ]
    _print(out, rows(counts))
    sums = [
        (played, counters.upcalls + counters.switched + counters.lost, "packets came up, met a flow, or were lost"),
        (counters.switched, sum(flow.packets for flow in flows), "packets are in the flows' own counters"),
        (lan.delivered, sent, "packets are in the ports' counters as sent"),
    ]
    out("")
    for expected, found, what in sums:
        if expected != found:
            out(f"  This does not add up: {found} {what}, and not {expected}.")
    good = all(expected == found for expected, found, _ in sums)
    if good:
        sentence = "The counters of the switch, of the flows and of the ports agree: no packet is unaccounted for."
        _print(out, prose(sentence, indent="  "))
    return good


def _print(out: Out, lines: Iterable[str]) -> None:
    for line in lines:
        out(line)
