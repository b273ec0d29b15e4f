"""Devices by rtnetlink: what an ordinary user may ask, and answers that are malformed."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections import deque

import pytest

from dpif.errors import DecodeError, NoSuchObject, PermissionDenied
from dpif.netlink.message import pack_message
from dpif.netlink.route import RTM_NEWLINK, Links

linux = pytest.mark.skipif(sys.platform != "linux", reason="rtnetlink is Linux's")


@linux
def test_the_loopback_device_is_found() -> None:
    with Links() as links:
        link = links.get("lo")
    assert (link.name, link.ifindex, link.master, link.kind) == ("lo", socket.if_nametoindex("lo"), 0, "")


@linux
def test_a_device_that_is_not_there_is_not_found() -> None:
    with Links() as links, pytest.raises(NoSuchObject, match="looking up the device nosuchdev: No such device"):
        links.get("nosuchdev")


class Scripted:
    """A transport that gives the answers that it was given."""

    port_id = 1

    def __init__(self, *answers: bytes) -> None:
        self._answers = deque(answers)

    def send(self, datagram: bytes) -> None:
        self.sent = datagram

    def recv(self, timeout: float | None = None) -> bytes:
        return self._answers.popleft()

    def fileno(self) -> int:
        return -1

    def join_group(self, group: int) -> None:
        raise AssertionError

    def leave_group(self, group: int) -> None:
        raise AssertionError

    def close(self) -> None:
        pass


def ack(code: int, seq: int = 1) -> bytes:
    return pack_message(2, 0x100, seq, 1, struct.pack("=i", -code) + pack_message(0, 0, seq, 1, b""))


def test_a_refusal_is_an_error_with_the_operation() -> None:
    links = Links(lambda protocol: Scripted(ack(errno.EPERM)))
    with pytest.raises(PermissionDenied, match="making the vxlan device v0: Operation not permitted"):
        links.create("v0", "vxlan", b"", 1500)


def test_answers_to_others_are_passed_over() -> None:
    links = Links(lambda protocol: Scripted(ack(errno.EPERM, seq=9), ack(0)))
    links.delete("v0")


def test_an_answer_that_is_too_short_is_told() -> None:
    links = Links(lambda protocol: Scripted(pack_message(RTM_NEWLINK, 0, 1, 1, b"short"), ack(0)))
    with pytest.raises(DecodeError, match="too few for a device"):
        links.get("v0")
