"""Traffic between two hosts of `dpif.testing.netns`, counted: pings, UDP datagrams, a TCP stream.

Owns what is sent and how it is checked on arrival. What is between the hosts is the caller's.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time

from dpif._typing import NamedTuple
from dpif.packet.build import echo
from dpif.packet.constants import ICMP_ECHOREPLY, IPPROTO_ICMP
from dpif.packet.headers import Icmp
from dpif.testing.netns import Host
from dpif.testing.waiting import PATIENCE

__all__ = ["Pings", "exchange_udp", "ping", "send_tcp"]

_PORT = 7000
_IPV4_HEADER = 20


class Pings(NamedTuple):
    """Echo requests sent, and how many of them were answered."""

    sent: int
    received: int


def ping(
    source: Host,
    target: Host,
    count: int = 3,
    interval: float = 0.01,
    *,
    patience: float = PATIENCE,
    ttl: int | None = None,
) -> Pings:
    """Send `count` echo requests to `target`, `interval` seconds apart or more; return how many were answered.

    Each waits for the answer to the one before, so that what comes up to a switch does not depend on how fast that
    is. All together wait `patience` seconds: so much is lost when one is lost. The ``ping`` program gives up on its
    last reply after twice the longest time of the others, which a busy machine exceeds. `ttl` is their time to live.
    """
    ident = random.getrandbits(16)
    answered: set[int] = set()
    end = time.monotonic() + interval * count + patience
    with source.namespace.socket(socket.AF_INET, socket.SOCK_RAW, IPPROTO_ICMP) as raw:
        if ttl is not None:
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        for sequence in range(1, count + 1):
            raw.sendto(_echo_request(source, target, ident, sequence), (target.address, 0))
            pause = time.monotonic() + interval
            _collect(raw, target, ident, answered, until=end, wanted=sequence)
            _collect(raw, target, ident, answered, until=pause)
        _collect(raw, target, ident, answered, until=end, wanted=count)
    return Pings(count, len(answered))


def _echo_request(source: Host, target: Host, ident: int, sequence: int) -> bytes:
    return echo(source.address, target.address, ident=ident, seq=sequence, payload=bytes(56))[_IPV4_HEADER:]


def _collect(
    raw: socket.socket, target: Host, ident: int, answered: set[int], *, until: float, wanted: int | None = None
) -> None:
    """Note the sequence numbers of replies until the time is over, or `wanted` are there."""
    while len(answered) != wanted:
        left = until - time.monotonic()
        if left <= 0 or not select.select([raw], [], [], left)[0]:
            return
        packet, (address, _) = raw.recvfrom(0x10000)
        head = Icmp.read(packet, _IPV4_HEADER)
        if (address, head.type, head.rest >> 16) == (target.address, ICMP_ECHOREPLY, ident):
            answered.add(head.rest & 0xFFFF)


def exchange_udp(source: Host, target: Host, sizes: tuple[int, ...], timeout: float = PATIENCE) -> int:
    """Send a datagram of each size to `target` and back; return how many came back unchanged."""
    intact = 0
    with (
        target.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        source.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
    ):
        there.bind((target.address, _PORT))
        for end in (there, here):
            end.settimeout(timeout)
        for size in sizes:
            data = _bytes(size)
            here.sendto(data, (target.address, _PORT))
            received, sender = there.recvfrom(0x10000)
            there.sendto(received, sender)
            intact += here.recv(0x10000) == data
    return intact


def send_tcp(source: Host, target: Host, size: int, timeout: float = PATIENCE) -> bool:
    """Send `size` bytes to `target` over TCP; tell whether they arrived, in order and unchanged."""
    data = _bytes(size)
    received = bytearray()
    with (
        target.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener,
        source.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as sender,
    ):
        listener.bind((target.address, _PORT))
        listener.listen()
        for end in (listener, sender):
            end.settimeout(timeout)
        thread = threading.Thread(target=_accept_all, args=(listener, received, timeout), daemon=True)
        thread.start()
        sender.connect((target.address, _PORT))
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)
        thread.join(timeout)
    return received == data


def _accept_all(listener: socket.socket, received: bytearray, timeout: float) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(timeout)
        while chunk := connection.recv(0x10000):
            received += chunk


def _bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)
