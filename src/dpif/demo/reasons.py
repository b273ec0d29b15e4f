"""The demonstration's look at the program itself: its function, why a flow is what it is, and what takes it back."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterable, Sequence

from dpif._typing import TYPE_CHECKING
from dpif.apps.switch import Switch, SwitchOptions, learning_switch
from dpif.client import Datapath
from dpif.demo.text import prose, rows
from dpif.packet.addresses import Mac

if TYPE_CHECKING:
    from dpif.demo.recorded import Lan

__all__ = ["show_function", "show_reasons"]

Out = Callable[[str], None]


def show_function(out: Out) -> None:
    """Show the function that forwards."""
    _print(out, prose("This is all of its forwarding; it is called for packets that no flow matches:"))
    out("")
    function = learning_switch(SwitchOptions()).function
    _print(out, textwrap.indent(textwrap.dedent(inspect.getsource(function)), "  ").splitlines())


def show_reasons(lan: Lan, packets: Sequence[bytes], switch: Switch, out: Out) -> bool:
    """Explain the flow of the last packet to a host, then let this host move; return whether the flows followed."""
    packet = next(packet for packet in reversed(packets) if packet[:6] in lan.hosts)
    _explain(lan, packet, switch, out)
    return _move(lan, packet[:6], switch, out)


def _explain(lan: Lan, packet: bytes, switch: Switch, out: Out) -> None:
    number = switch.program.port_numbers[lan.hosts[packet[6:12]]]
    _print(
        out,
        prose(
            "Nobody wrote these matches. A flow matches what the function read of its packet, and hangs on entries "
            "of tables that it read. Of the last packet to a host, by line of source:"
        ),
    )
    out("")
    _print(out, [f"  {line}" for line in str(switch.program.explain(packet, number)).splitlines()[1:]])
    out("")


def _move(lan: Lan, station: bytes, switch: Switch, out: Out) -> bool:
    """Send a packet from a station in through another port; show which flows that changes."""
    old = lan.hosts[station]
    new = next(name for name in lan.hosts.values() if name != old)
    before = _flows(switch.datapath)
    deleted = switch.runner.counters.deleted
    lan.move(station, new)
    switch.step()
    after = _flows(switch.datapath)
    changed = {flow: after[flow] for flow in before if flow in after and after[flow] != before[flow]}
    gone = switch.runner.counters.deleted - deleted
    _print(
        out,
        prose(
            f"Now {old} ({Mac(station)}) moves to the port of {new} and says so. Of {len(before)} flows {gone} "
            f"came from its old port and {'is' if gone == 1 else 'are'} deleted; {len(changed)} went there and "
            f"{'is' if len(changed) == 1 else 'are'} changed, the others are not looked at:"
        ),
    )
    out("")
    _print(out, rows([(flow, f"{before[flow]} -> {actions}") for flow, actions in changed.items()]))
    return bool(gone) and set(changed.values()) == {new}


def _flows(dp: Datapath) -> dict[str, str]:
    names = dp.ports.names()
    return {
        f"from {names[flow.key.in_port or 0]} to {flow.key.eth.dst if flow.key.eth else ''}": flow.actions.format(
            port_names=names
        )
        for flow in dp.flows
    }


def _print(out: Out, lines: Iterable[str]) -> None:
    for line in lines:
        out(line)
