"""A userspace datapath served on a Unix socket, with several clients; in threads and as a program."""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from dpif.conntrack import Conntrack
from dpif.errors import NetlinkError, NoSuchObject, Unavailable
from dpif.netlink.connection import Connection
from dpif.netlink.constants import NETLINK_NETFILTER, NLM_F_CREATE, NLM_F_ECHO
from dpif.netlink.exchange import Subscription
from dpif.netlink.generic import get_family
from dpif.netlink.route import NETLINK_ROUTE
from dpif.netlink.unix import FrameKind, UnixTransport, pack_frame, socket_address, unpack_frame
from dpif.odp.actions import parse_actions
from dpif.odp.constants import DatapathCmd, FlowCmd, PacketCmd, VportCmd, VportType
from dpif.odp.messages import DatapathRecord, FlowRecord, PacketRecord, VportRecord
from dpif.odp.model.key import FlowKey
from dpif.packet import build
from dpif.testing.waiting import PATIENCE
from dpif.userspace.engine.limits import Limits
from dpif.userspace.server import Server
from dpif.userspace.system import UserspaceSystem

UDP = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp("10.0.0.1", "10.0.0.2", 1, 2, b"x"))
UNIX = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
GET = DatapathRecord(command=DatapathCmd.GET, name="dp0")


class Served:
    """A server at work in a thread, and clients of it that are closed at the end."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.system = UserspaceSystem()
        self.server = Server(self.system, self.path)
        self._stack = ExitStack()
        self._thread = threading.Thread(target=self.server.run)
        self._thread.start()

    def transport(self) -> UnixTransport:
        transport = UnixTransport(self.path)
        self._stack.callback(transport.close)
        return transport

    def connection(self) -> Connection:
        return self._stack.enter_context(Connection(partial(UnixTransport, self.path), timeout=PATIENCE))

    def stop(self) -> None:
        self.server.stop()
        self._thread.join()
        self.server.close()

    def close(self) -> None:
        self._stack.close()
        if self._thread.is_alive():
            self.stop()
        self.system.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "dpif.sock")
    yield made
    made.close()


def create(connection: Connection, name: str = "dp0") -> int:
    record = DatapathRecord(command=DatapathCmd.NEW, name=name, upcall_pid=0)
    reply = connection.transact(record.request("create", NLM_F_ECHO))
    assert reply is not None
    return reply.dp_ifindex


# Clients.


def test_what_one_client_makes_another_sees(served: Served) -> None:
    number = create(served.connection())
    reply = served.connection().transact(GET.request("get"))
    assert reply is not None
    assert (reply.name, reply.dp_ifindex) == ("dp0", number)


def test_refusals_come_with_their_reason(served: Served) -> None:
    connection = served.connection()
    create(connection)
    with pytest.raises(NetlinkError, match="there is a device dp0 already") as caught:
        create(connection)
    assert caught.value.errno == errno.EEXIST


def test_each_client_has_a_port_id_of_its_own(served: Served) -> None:
    assert len({served.transport().port_id for _ in range(3)}) == 3


def test_upcalls_go_to_the_client_that_they_are_for(served: Served) -> None:
    connection = served.connection()
    listener, bystander = served.transport(), served.transport()
    datapath = create(connection)
    device = served.system.device("h1")
    record = VportRecord(
        command=VportCmd.NEW,
        dp_ifindex=datapath,
        name="h1",
        type=VportType.NETDEV,
        upcall_pid=(listener.port_id,),
    )
    connection.transact(record.request("add"))
    device.send(UDP)
    family = connection.family(PacketRecord.FAMILY)
    (upcall,) = Subscription(family.id, PacketRecord.from_payload).feed(listener.recv(PATIENCE))
    assert isinstance(upcall, PacketRecord)
    assert (upcall.command, upcall.packet) == (PacketCmd.MISS, UDP)
    with pytest.raises(BlockingIOError):
        bystander.recv(0)


def test_members_of_a_group_hear_of_changes_until_they_leave(served: Served) -> None:
    connection = served.connection()
    listener = served.transport()
    family = connection.family(DatapathRecord.FAMILY)
    group = family.groups["ovs_datapath"]
    listener.join_group(group)
    create(connection)
    (record,) = Subscription(family.id, DatapathRecord.from_payload).feed(listener.recv(PATIENCE))
    assert isinstance(record, DatapathRecord)
    assert (record.command, record.name) == (DatapathCmd.NEW, "dp0")
    listener.leave_group(group)
    create(connection, "dp1")
    with pytest.raises(BlockingIOError):
        listener.recv(0)


def test_a_group_that_there_is_not_is_refused(served: Served) -> None:
    with pytest.raises(NoSuchObject):
        served.transport().join_group(999)


def test_one_cannot_join_for_a_client_that_there_is_not(served: Served) -> None:
    transport = served.transport()
    transport._port_id = 999
    with pytest.raises(NoSuchObject):
        transport.join_group(1)


def put_many(connection: Connection, datapath: int, count: int) -> None:
    requests = [
        FlowRecord(
            command=FlowCmd.NEW,
            dp_ifindex=datapath,
            key=FlowKey(in_port=1, eth={}, eth_type=0x5000 + number).to_bytes(),
            actions=b"",
        ).request("put", NLM_F_CREATE)
        for number in range(count)
    ]
    assert connection.batch(requests) == [None] * count


def test_a_long_dump_comes_whole_and_others_are_served_meanwhile(served: Served) -> None:
    connection = served.connection()
    datapath = create(connection)
    put_many(connection, datapath, 3000)
    rows = connection.dump(FlowRecord(command=FlowCmd.GET, dp_ifindex=datapath).request("dump"))
    first = next(rows)
    assert served.connection().transact(GET.request("get")) is not None
    keys = {first.key, *(row.key for row in rows)}
    assert len(keys) == 3000


def test_a_client_may_leave_in_the_middle_of_a_dump(served: Served) -> None:
    connection = served.connection()
    datapath = create(connection)
    put_many(connection, datapath, 3000)
    rows = connection.dump(FlowRecord(command=FlowCmd.GET, dp_ifindex=datapath).request("dump"))
    next(rows)
    rows.close()
    assert served.connection().transact(GET.request("get")) is not None


def test_a_client_that_does_not_read_loses_messages_and_is_told(served: Served) -> None:
    served.server.limits = Limits(queue=10000)
    connection = served.connection()
    listener = served.transport()
    datapath = create(connection)
    record = VportRecord(command=VportCmd.SET, dp_ifindex=datapath, port_no=0, upcall_pid=(listener.port_id,))
    connection.transact(record.request("set"))
    device = served.system.device("dp0")
    sent = 5000
    for _ in range(sent):
        device.send(UDP)
    stats = connection.transact(GET.request("get"))
    assert stats is not None
    assert stats.stats is not None
    lost = stats.stats.n_lost
    assert 0 < lost < sent
    for _ in range(sent - lost):
        listener.recv(PATIENCE)
    with pytest.raises(OSError, match=os.strerror(errno.ENOBUFS)):
        listener.recv(PATIENCE)
    device.send(UDP)
    assert listener.recv(PATIENCE)


def test_the_connections_are_reached_over_a_protocol_of_their_own(served: Served) -> None:
    connection = served.connection()
    dp = create(connection)
    key = FlowKey(in_port=0).to_bytes()
    record = PacketRecord(
        command=PacketCmd.EXECUTE,
        dp_ifindex=dp,
        packet=UDP,
        key=key,
        actions=parse_actions("ct(commit,zone=5)").to_bytes(),
    )
    connection.transact(record.request("execute"))
    with connection.beside(NETLINK_NETFILTER) as netfilter:
        conntrack = Conntrack(netfilter)
        assert [entry.zone for entry in conntrack] == [5]
        conntrack.flush(zone=5)
        assert list(conntrack) == []
        with pytest.raises(NetlinkError, match="Invalid argument"):
            netfilter.transact(get_family("ovs_datapath"))  # there are no families
    assert create(connection, "dp1"), "the other protocol is as it was"


def test_a_protocol_that_is_not_there(served: Served) -> None:
    with pytest.raises(Unavailable, match="no netlink protocol 0") as caught:
        UnixTransport(served.path, NETLINK_ROUTE)
    assert caught.value.errno == errno.EPROTONOSUPPORT
    with pytest.raises(Unavailable, match="no netlink protocol 0"):
        served.system.transport(NETLINK_ROUTE)


def test_what_is_no_frame_ends_the_connection_and_nothing_else(served: Served) -> None:
    for nonsense in (b"abc", pack_frame(FrameKind.HELLO, 1, 2), pack_frame(FrameKind.JOIN, 1), b"GET / HTTP/1.1"):
        with socket.socket(*UNIX) as client, socket_address(served.path) as address:
            client.connect(address)
            client.settimeout(PATIENCE)
            assert unpack_frame(client.recv(100))[0] == FrameKind.HELLO
            client.send(nonsense)
            assert client.recv(100) == b""
    assert served.transport().port_id


def test_a_datagram_of_nonsense_is_passed_over(served: Served) -> None:
    transport = served.transport()
    transport.send(b"\xff" * 100)
    transport.send(b"")
    connection = served.connection()
    assert create(connection)


def test_a_transport_is_readable_when_something_came(served: Served) -> None:
    connection, listener = served.connection(), served.transport()
    listener.join_group(connection.family(DatapathRecord.FAMILY).groups["ovs_datapath"])
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        assert selector.select(0) == []
        create(connection)
        assert len(selector.select(10)) == 1


def test_closing_wakes_who_waits(served: Served) -> None:
    transport = served.transport()
    outcome: list[int | None] = []

    def wait() -> None:
        try:
            transport.recv()
        except OSError as error:
            outcome.append(error.errno)

    thread = threading.Thread(target=wait)
    thread.start()
    transport.close()
    thread.join(PATIENCE)
    assert outcome == [errno.EBADF]
    transport.close()


# The socket.


def test_the_socket_is_its_owners_alone(served: Served) -> None:
    assert stat.S_IMODE(os.stat(served.path).st_mode) == 0o600


def test_the_socket_goes_with_the_server_and_clients_are_told(served: Served) -> None:
    transport = served.transport()
    served.stop()
    assert not os.path.exists(served.path)
    with pytest.raises(Unavailable, match="has gone away"):
        transport.recv(PATIENCE)


def test_a_second_server_is_refused_and_the_first_goes_on(served: Served) -> None:
    with UserspaceSystem() as system, pytest.raises(Unavailable, match="a server listens there already") as caught:
        Server(system, served.path)
    assert caught.value.errno == errno.EADDRINUSE
    assert served.transport().port_id


def test_a_socket_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "dpif.sock")
    with socket_address(path) as address:
        with socket.socket(*UNIX) as old:
            old.bind(address)
        with UserspaceSystem() as system, Server(system, path), socket.socket(*UNIX) as client:
            client.connect(address)


@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="a way of Linux")
def test_a_path_that_is_too_long_for_an_address_will_do(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200) / "dpif.sock"
    path.parent.mkdir()
    with closing(Served(path)) as served:
        assert create(served.connection())
        with UserspaceSystem() as system, pytest.raises(Unavailable, match="a server listens there already"):
            Server(system, str(path))
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with UserspaceSystem() as system, pytest.raises(Unavailable, match="no socket"):
        Server(system, str(path))
    assert path.read_text() == "data"


@pytest.mark.parametrize("name", ["missing/dpif.sock", "x" * 200])
def test_a_path_that_cannot_be_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    with UserspaceSystem() as system, pytest.raises(Unavailable, match="cannot serve at"):
        Server(system, str(tmp_path / name))


def test_a_server_does_not_remove_what_took_its_place(tmp_path: Path) -> None:
    path = tmp_path / "dpif.sock"
    with UserspaceSystem() as system:
        server = Server(system, str(path))
        path.unlink()
        path.write_text("another's")
        server.close()
    assert path.read_text() == "another's"


# As a program.

PROGRAM = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which a parent may have left ignored
from dpif.userspace import serve

serve(sys.argv[1], ready=lambda path: print(path, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_program_serves_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    path = str(tmp_path / "dpif.sock")
    argv = [sys.executable, "-c", PROGRAM, path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == path
            with Connection(lambda: UnixTransport(path), timeout=PATIENCE) as connection:
                create(connection)
            with Connection(lambda: UnixTransport(path), timeout=PATIENCE) as connection:
                assert connection.transact(GET.request("get")) is not None
            process.send_signal(number)
            assert process.communicate(timeout=PATIENCE) == ("", "")
        finally:
            process.kill()
    assert process.returncode == 0
    assert os.listdir(tmp_path) == []


LATE_SIGNAL = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/epoll.h>

int epoll_wait(int descriptor, struct epoll_event *events, int most, int timeout)
{
    static int waits;
    int (*real)(int, struct epoll_event *, int, int) = dlsym(RTLD_NEXT, "epoll_wait");

    if (!waits++)
        raise(SIGTERM);
    return real(descriptor, events, most, timeout);
}
"""
"""Python has looked for signals for the last time when this one comes, and waits."""


def test_a_signal_just_before_it_waits_ends_it(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, library = tmp_path / "late.c", tmp_path / "late.so"
    source.write_text(LATE_SIGNAL)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path / "dpif.sock")]
    environ = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, env=environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}/dpif.sock\n", "")


def test_a_signal_as_soon_as_the_socket_is_there_leaves_nothing_behind(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from dpif.userspace import listening, serve

real = listening._listen

def hit(path):
    listener = real(path)
    os.kill(os.getpid(), signal.SIGTERM)
    return listener

listening._listen = hit
serve(sys.argv[1])
"""
    argv = [sys.executable, "-c", program, str(tmp_path / "dpif.sock")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.listdir(tmp_path) == []


def test_a_hangup_that_somebody_said_to_ignore_is_ignored(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from dpif.userspace import serve

def ready(path):
    os.kill(os.getpid(), signal.SIGHUP)
    print("still there", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

signal.signal(signal.SIGHUP, signal.SIG_IGN)
serve(sys.argv[1], ready=ready)
"""
    argv = [sys.executable, "-c", program, str(tmp_path / "dpif.sock")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "still there\n", "")
