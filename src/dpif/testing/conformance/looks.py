"""A look never writes: what reading a datapath sends is GET and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from dpif._typing import Any
from dpif.client import Datapath
from dpif.errors import NoSuchObject
from dpif.netlink.constants import GENL_ID_CTRL, NETLINK_GENERIC
from dpif.netlink.message import split
from dpif.netlink.transport import Transport
from dpif.odp.constants import OVS_VPORT_FAMILY, DatapathCmd
from dpif.testing.conformance.harness import Harness, two_ports

GET = DatapathCmd.GET
"""The number of GET in every family of Open vSwitch that has one (and of GETFAMILY)."""

ARP = "in_port(1),eth(),eth_type(0x0806),arp()"

READING: dict[str, Callable[[Datapath], Any]] = {
    "stats": lambda dp: dp.stats(),
    "read": lambda dp: dp.read(),
    "user_features": lambda dp: dp.user_features,
    "masks_cache_size": lambda dp: dp.masks_cache_size(),
    "list ports": lambda dp: list(dp.ports),
    "names": lambda dp: dp.ports.names(),
    "port by number": lambda dp: dp.ports.get(1),
    "port by name": lambda dp: dp.ports.get(dp.name),
    "no such port": lambda dp: _without_error(lambda: dp.ports.get(99)),
    "watch": lambda dp: dp.ports.watch().close(),
    "list flows": lambda dp: list(dp.flows),
    "list flows tersely": lambda dp: list(dp.flows.dump(terse=True)),
    "flow": lambda dp: dp.flows.get(ARP),
    "no such flow": lambda dp: _without_error(lambda: dp.flows.get(ufid=bytes(16))),
    "flows at once": lambda dp: dp.flows.snapshot(),
    "internal device": lambda dp: dp.is_internal_device(dp.name),
    "listen to actions": lambda dp: dp.upcalls(miss=False).close(),
}


def _without_error(look: Callable[[], Any]) -> None:
    with suppress(NoSuchObject):
        look()


class Recorder:
    """A transport that notes the command of every request that goes through it."""

    def __init__(self, inner: Transport, sent: list[int]) -> None:
        self._inner = inner
        self._sent = sent

    def send(self, datagram: bytes) -> None:
        """Note, and send."""
        for message in split(datagram):
            command = message.payload[0]
            assert message.type != GENL_ID_CTRL or command == GET
            self._sent.append(command)
        self._inner.send(datagram)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def count_requests(dp: Datapath) -> list[int]:
    """Return the list to which the command of every request through this handle will be added."""
    sent: list[int] = []
    dial = dp.connection.dial
    dp.connection.close()
    dp.connection = type(dp.connection)(lambda protocol=NETLINK_GENERIC: Recorder(dial(protocol), sent))
    dp.read()  # looks the families up
    dp.connection.family(OVS_VPORT_FAMILY)
    sent.clear()
    return sent


class Looks:
    """Reading calls, each by itself."""

    def test_reading_sends_gets_only(self, harness: Harness) -> None:
        made, _, _ = two_ports(harness)
        made.flows.add(ARP, "2")
        for name, look in READING.items():
            dp = harness.open("conf0")
            sent = count_requests(dp)
            look(dp)
            dp.connection.close()
            assert sent, name
            assert set(sent) == {GET}, name

    def test_opening_sends_gets_only(self, harness: Harness) -> None:
        from dpif.client.datapath import find_datapath, list_datapaths

        made = harness.open("conf0", create=True)
        sent: list[int] = []
        dial = made.connection.dial
        with type(made.connection)(lambda protocol=NETLINK_GENERIC: Recorder(dial(protocol), sent)) as connection:
            find_datapath(connection, "conf0", "system")
            list_datapaths(connection)
        assert sent
        assert set(sent) == {GET}
