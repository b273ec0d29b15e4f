"""Traffic between two hosts of `dpif.testing.netns`, counted: pings, UDP datagrams, a TCP stream.

Owns what is sent and how it is checked on arrival. What is between the hosts is the caller's.
"""

from __future__ import annotations

import random
import re
import socket
import threading
from typing import NamedTuple

from dpif.errors import DpifError
from dpif.testing.netns import Host

__all__ = ["Pings", "exchange_udp", "ping", "send_tcp"]

_PORT = 7000
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Pings(NamedTuple):
    """Echo requests sent, and replies received."""

    sent: int
    received: int


def ping(source: Host, target: Host, count: int = 3, interval: float = 0.01) -> Pings:
    """Ping `target` from `source`. Raises `CommandFailed` when no answer came at all."""
    found = _SUMMARY.search(source.ping(target, count, interval))
    if found is None:
        raise DpifError("ping printed no summary")
    return Pings(int(found[1]), int(found[2]))


def exchange_udp(source: Host, target: Host, sizes: tuple[int, ...], timeout: float = 10.0) -> int:
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


def send_tcp(source: Host, target: Host, size: int, timeout: float = 30.0) -> bool:
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
