"""What tunnels travel on: the network underneath (`Underlay`); the kinds of it are in `dpif.userspace.underlays`.

A tunnel asks its underlay for an `Endpoint`, through which it sends and receives a `Datagram` at a time: what an
IP packet of its protocol carries, and those fields of the IP and UDP headers around it that a tunnel key knows.
Addresses of machines, routes and neighbours are the underlay's business alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dpif._typing import NamedTuple, Protocol, TypeAlias


class Datagram(NamedTuple):
    """The payload of an IP packet with GRE or UDP, and what a tunnel key says of its headers.

    Addresses have 4 or 16 bytes; no ``src`` leaves it to the underlay. ``tos`` is IPv6's traffic class too. A
    ``ttl`` of 0 asks for the underlay's usual one. Ports are of UDP; ``csum`` asks for a UDP checksum, or says
    that there was one. ``df`` forbids fragments, and is not known of a packet that came in.
    """

    payload: bytes
    src: bytes
    dst: bytes
    tos: int = 0
    ttl: int = 0
    src_port: int = 0
    dst_port: int = 0
    df: bool = False
    csum: bool = False


Receiver: TypeAlias = Callable[[Datagram], None]
"""Takes what an endpoint received."""


class Place(NamedTuple):
    """Where an endpoint is: an IP protocol, of UDP a port, over IP version 4 or 6 alone or (0) over both."""

    protocol: int
    port: int = 0
    version: int = 0


class Endpoint(Protocol):
    """A place in an underlay."""

    def route(self, datagram: Datagram) -> Datagram | None:
        """Return `datagram` with the source address and port that it would leave with; None without a way."""
        ...

    def send(self, datagram: Datagram) -> bool:
        """Send a datagram; False when there is no way, or it is too large for the way."""
        ...

    def filenos(self) -> Sequence[int]:
        """Return the descriptors that are readable when `poll` has something to do."""
        ...

    def poll(self, budget: int) -> int:
        """Hand up to `budget` datagrams to the receiver without waiting, and return how many they were."""
        ...

    def close(self) -> None:
        """Give the place up."""
        ...


class Underlay(Protocol):
    """A network that tunnels travel on."""

    def open(self, place: Place, receiver: Receiver) -> Endpoint:
        """Return the endpoint for a place: EADDRINUSE when it is taken, EPERM without the privilege."""
        ...
