"""The table of ports with what only some datapaths tell: upcalls, and the rarer counters of devices."""

from __future__ import annotations

from dpif.cli.commands.show import PortView
from dpif.cli.output.port_counters import PortCounters
from dpif.cli.output.port_table import port_lines
from dpif.cli.output.table import Screen
from dpif.client.port import Port, UpcallStats
from dpif.odp.messages.vport import VportStats

STATS = VportStats(rx_packets=10, tx_packets=2, rx_bytes=1000, tx_bytes=84, rx_errors=3, tx_dropped=4)
V0 = Port(1, "v0", "system", STATS, upcall_stats=UpcallStats(7, 1))


def test_upcalls_and_rare_counters() -> None:
    view = PortView(V0, PortCounters(V0, rx_overruns=0, rx_frame=2, tx_carrier=1, collisions=5))
    assert list(port_lines(Screen(), [view])) == [
        "  port  name  type             packets  bytes  errors  drops  configuration",
        "     1  v0    system  rx            10   1000       3      0  frame=2",
        "                      tx             2     84       0      4  carrier=1 collisions=5",
        "                      upcalls        7              1",
    ]


def test_a_port_that_tells_no_counters() -> None:
    untold = Port(2, "v1", "system")
    views = [PortView(V0, PortCounters(V0)), PortView(untold, PortCounters(untold))]
    assert list(port_lines(Screen(), views))[-1] == "     2  v1    system"


def test_counters_that_were_not_asked_for() -> None:
    gre = PortView(Port(3, "gre_sys", "gre"), None)
    assert list(port_lines(Screen(), [PortView(V0, None), gre])) == [
        "  port  name     type    configuration",
        "     1  v0       system",
        "     3  gre_sys  gre     packet_type=ptap",
    ]
