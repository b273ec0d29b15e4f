"""What the conformance suite asks of whoever runs it, and what its tests share."""

from __future__ import annotations

import contextlib
import errno as errnos
from collections.abc import Iterator

import pytest

from dpif._typing import Protocol
from dpif.client import Datapath
from dpif.errors import NetlinkError
from dpif.odp.kernel.rules import Features
from dpif.testing.waiting import PATIENCE


class Host(Protocol):
    """A host at the far end of a network device that may be attached as a ``system`` port."""

    @property
    def name(self) -> str:
        """The name of the device to attach."""
        ...

    def send(self, frame: bytes) -> None:
        """Send a frame into the device, towards the datapath."""
        ...

    def recv(self, timeout: float = PATIENCE) -> bytes | None:
        """Return the next frame from the datapath, None when none comes within `timeout` seconds."""
        ...

    def remove(self) -> None:
        """Delete the device."""
        ...


class Wire(Protocol):
    """The network that tunnels travel on, in IPv4 packets; the datapath's machine is `HERE`, another one `THERE`."""

    def send(self, packet: bytes) -> None:
        """Send an IPv4 packet to the datapath's machine."""
        ...

    def recv(self, timeout: float = PATIENCE) -> bytes | None:
        """Return the next IPv4 packet from the datapath's machine, None when none comes within `timeout` seconds."""
        ...


HERE, THERE = "172.16.0.1", "172.16.0.2"


_CAPABILITIES = ("icmp_clashes", "strict_userspace")


def capabilities_of(rules: Features) -> frozenset[str]:
    """Return the capabilities that go by a kernel's age."""
    return frozenset(name for name in _CAPABILITIES if getattr(rules, name))


class Harness(Protocol):
    """Makes datapaths and hosts, and removes them after the test."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What this datapath can do beyond the basics."""
        ...

    def open(self, name: str, *, create: bool = False, features: int = 0, ifindex: int | None = None) -> Datapath:
        """Open a datapath, with `create` a new one, as `dpif.open` does; it is deleted after the test."""
        ...

    def datapaths(self) -> list[str]:
        """Return the names of all datapaths, without type."""
        ...

    def host(self, name: str | None = None) -> Host:
        """Make a host whose device is called `name`, or by a name of its own."""
        ...

    def wire(self) -> Wire:
        """Return the network that tunnels travel on; to be called once, before there are tunnels."""
        ...


NONE_WITHIN = 0.1
"""Seconds to wait before nothing came: what is wrong comes at once, or not at all."""


@contextlib.contextmanager
def refused(errno: int, what: str = "this") -> Iterator[None]:
    """Expect the datapath to refuse what is done inside with `errno`; `what` names it in a failure."""
    try:
        yield
    except NetlinkError as error:
        found = errnos.errorcode.get(error.errno or 0, error.errno)
        assert error.errno == errno, f"{what}: {found} instead of {errnos.errorcode[errno]}: {error}"
    else:
        raise AssertionError(f"{what} was not refused, {errnos.errorcode[errno]} expected")


def need(has: bool, what: str) -> None:
    """Skip the test where the datapath was found not to have what it is about."""
    if not has:
        pytest.skip(f"this datapath has not {what}")


def two_ports(harness: Harness) -> tuple[Datapath, Host, Host]:
    """Return a datapath with two hosts on its ports 1 and 2."""
    dp = harness.open("conf0", create=True)
    return dp, *attach_two_hosts(harness, dp)


def attach_two_hosts(harness: Harness, dp: Datapath) -> tuple[Host, Host]:
    """Attach two hosts to ports 1 and 2 of a new datapath; return them."""
    first, second = harness.host(), harness.host()
    assert dp.ports.add(first.name).number == 1
    assert dp.ports.add(second.name).number == 2
    return first, second
