"""The kernel's socket, by the one family that every Linux kernel has and anyone may ask."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading

import pytest

from dpif.errors import DecodeError, NetlinkError, NoSuchObject, Unavailable
from dpif.netlink import constants as c
from dpif.netlink import socket as netlink_socket
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request, RequestKind
from dpif.netlink.generic import get_family, list_families
from dpif.netlink.message import pack_message, split
from dpif.netlink.socket import KernelSocket

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="needs netlink")

ASK = get_family("nlctrl").payload


def request(seq: int, port_id: int = 0) -> bytes:
    return pack_message(c.GENL_ID_CTRL, c.NLM_F_REQUEST | c.NLM_F_ACK, seq, port_id, ASK)


def test_the_answer_is_there_when_send_returns() -> None:
    kernel = KernelSocket()
    try:
        kernel.send(request(7))
        answers = [*split(kernel.recv(0)), *split(kernel.recv(0))]
    finally:
        kernel.close()
    assert [(a.type, a.seq, a.port_id) for a in answers] == [
        (c.GENL_ID_CTRL, 7, kernel.port_id),
        (c.NLMSG_ERROR, 7, kernel.port_id),
    ]
    assert kernel.port_id > 0


def test_no_datagram_in_time() -> None:
    kernel = KernelSocket()
    try:
        for timeout in (0, 0.01):
            with pytest.raises(BlockingIOError):
                kernel.recv(timeout)
    finally:
        kernel.close()


def test_waits_until_a_datagram_comes_and_fileno_tells() -> None:
    kernel = KernelSocket()
    received: list[bytes] = []
    waiter = threading.Thread(target=lambda: received.append(kernel.recv(60)))
    try:
        assert select.select([kernel.fileno()], [], [], 0)[0] == []
        waiter.start()
        kernel.send(request(8))
        waiter.join()
        assert select.select([kernel.fileno()], [], [], 60)[0], "the acknowledgement follows"
    finally:
        kernel.close()
    assert next(split(received[0])).seq == 8


def test_families_of_this_kernel() -> None:
    with Connection(KernelSocket) as connection:
        nlctrl = connection.family("nlctrl")
        assert (nlctrl.id, nlctrl.version, list(nlctrl.groups)) == (c.GENL_ID_CTRL, 2, ["notify"])
        families = list(connection.dump(list_families()))
        assert nlctrl in families
        for family in families:
            assert connection.family(family.name) == family


def test_a_family_that_is_not_there() -> None:
    with Connection(KernelSocket) as connection:
        with pytest.raises(NoSuchObject, match="look up the netlink family dpif-none"):
            connection.transact(get_family("dpif-none"))
        with pytest.raises(Unavailable, match="no generic netlink family dpif-none"):
            connection.family("dpif-none")


def test_refusals_carry_the_kernels_explanation() -> None:
    unterminated = ASK[:4] + b"\x0a\0\x02\0abcdef\0\0"
    with Connection(KernelSocket) as connection, pytest.raises(NetlinkError, match="failed policy") as caught:
        connection.transact(Request(RequestKind("nlctrl", bytes, "ask"), unterminated))
    assert caught.value.errno == errno.EINVAL
    assert caught.value.bad_offset == 20


def test_a_batch_asks_for_one_acknowledgement_in_128() -> None:
    requests = [get_family("nlctrl"), get_family("dpif-none")] * 100
    with Connection(KernelSocket) as connection:
        results = connection.batch(requests)
    assert len(results) == 200
    assert all(result.name == "nlctrl" for result in results[::2])
    assert all(isinstance(result, NoSuchObject) for result in results[1::2])


def test_a_full_queue_is_enobufs_and_what_is_left_follows() -> None:
    kernel = KernelSocket()
    try:
        with socket.socket(fileno=os.dup(kernel.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the system's minimum
        for seq in range(1, 101):
            kernel.send(request(seq))
        with pytest.raises(OSError) as caught:
            kernel.recv(0)
        assert caught.value.errno == errno.ENOBUFS
        assert next(split(kernel.recv(0))).seq == 1
    finally:
        kernel.close()


def test_groups() -> None:
    kernel = KernelSocket()
    try:
        kernel.join_group(c.GENL_ID_CTRL)  # nlctrl's group has the same number
        kernel.leave_group(c.GENL_ID_CTRL)
        with pytest.raises(NetlinkError, match="join multicast group 1073741824"):
            kernel.join_group(1 << 30)
    finally:
        kernel.close()


def test_datagrams_of_other_processes_are_passed_over() -> None:
    kernel = KernelSocket()
    other = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, c.NETLINK_GENERIC)
    try:
        kernel.join_group(c.GENL_ID_CTRL)
        other.setblocking(False)
        try:
            other.sendto(request(1), (0, 1 << (c.GENL_ID_CTRL - 1)))
        except PermissionError:
            pytest.skip("only root may send to a group")
        assert select.select([kernel.fileno()], [], [], 60)[0], "it did arrive"
        with pytest.raises(BlockingIOError):
            kernel.recv(0)
    finally:
        other.close()
        kernel.close()


def test_a_datagram_that_does_not_fit_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink_socket, "READ_SIZE", 32)
    kernel = KernelSocket()
    try:
        kernel.send(request(1))
        with pytest.raises(DecodeError, match="longer than 32 bytes"):
            kernel.recv(0)
    finally:
        kernel.close()


def test_close_twice() -> None:
    kernel = KernelSocket()
    kernel.close()
    kernel.close()
    with pytest.raises(OSError):
        kernel.recv(0)


def test_no_such_protocol() -> None:
    with pytest.raises(Unavailable, match="no netlink protocol 31"):
        KernelSocket(31)


def test_a_system_without_netlink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(netlink_socket.socket, "AF_NETLINK")
    with pytest.raises(Unavailable, match="no netlink"):
        KernelSocket()
