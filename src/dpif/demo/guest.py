"""``python -m dpif.demo.guest``: two hosts that ping each other through the switch, on the kernel that this runs on.

For the lab: it makes a datapath and network namespaces, and needs root. Both are gone when it ends.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator

from dpif._open import open as open_datapath
from dpif.apps.switch import Switch
from dpif.client import Datapath
from dpif.demo.text import flow_lines, prose, rows
from dpif.errors import DpifError
from dpif.odp.model.key import FlowKey, format_key
from dpif.testing import netns
from dpif.testing.traffic import ping

_ROUNDS = (1, 10, 100)


def main() -> int:
    """Run it; return 0 when all pings were answered and only the first packets came up."""
    try:
        with netns.hosts(2) as hosts, _datapath("dp0") as dp, _running(dp, [host.port for host in hosts]) as switch:
            return 0 if _play(dp, switch, *hosts) else 1
    except DpifError as error:
        print(f"  It did not work: {error}")
        return 1


@contextlib.contextmanager
def _datapath(name: str) -> Iterator[Datapath]:
    with open_datapath(name, create=True) as dp:
        try:
            yield dp
        finally:
            dp.destroy()


@contextlib.contextmanager
def _running(dp: Datapath, ports: list[str]) -> Iterator[Switch]:
    with Switch(dp) as switch:
        switch.attach(ports)
        thread = threading.Thread(target=switch.run)
        thread.start()
        try:
            yield switch
        finally:
            switch.stop()
            thread.join()


def _play(dp: Datapath, switch: Switch, one: netns.Host, other: netns.Host) -> bool:
    """Ping in rounds, and show after each who switched how many packets."""
    _print(
        prose(
            f"Two network namespaces, h1 ({one.address}) and h2 ({other.address}), are wired to ports of the "
            f"datapath {dp.name}. They ping each other: the first packets go through Python, the rest never leave "
            "the kernel."
        )
    )
    print()
    table: list[tuple[object, ...]] = [("pings", "answered", "came up to Python", "switched by the kernel")]
    came_up = []
    good = True
    for count in _ROUNDS:
        pings = ping(one, other, count)
        counters = switch.counters
        came_up.append(counters.upcalls)
        table.append((pings.sent, pings.received, counters.upcalls, counters.switched))
        good &= pings.received == pings.sent and counters.switched + counters.upcalls >= 2 * pings.sent
    _print(rows(table))
    print("\nThe kernel's flows now:\n")
    for flow in dp.flows:
        match = format_key(flow.key or FlowKey(), flow.mask)
        _print(flow_lines(f"{match}, packets:{flow.packets}, actions:{flow.actions}"))
    return good and len(set(came_up)) == 1


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
