"""An adversary of `dpif serve`: hostile clients, kills, limits of resources, signals at random instants.

    python tests/stress/stress.py --minutes 5 [--seed N]

Whatever it does, an honest client is answered afterwards, and when it is done the server has the descriptors that it
had at the beginning, and its memory has not grown. What was done is counted and printed. `test_stress.py` is the
short form.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import fcntl
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from dpif.errors import DpifError, Unavailable
from dpif.netlink import constants as c
from dpif.netlink.connection import Connection
from dpif.netlink.message import pack_message
from dpif.netlink.policy import Decoded
from dpif.netlink.unix import DATA_HEADER, MAX_FRAME, FrameKind, UnixTransport, pack_frame
from dpif.odp.constants import DatapathCmd, DummyAttr, FlowCmd, VportCmd, VportType
from dpif.odp.messages import DatapathRecord, FlowRecord, Record, VportRecord
from dpif.odp.model.key import FlowKey
from dpif.packet import capture

PROGRAM = """
import sys
from dpif.userspace import serve
serve(sys.argv[1], ready=lambda path: print("ready", flush=True))
"""
UNIX = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
PATIENCE = 60.0
"""Seconds after which an honest client that is not answered counts as forgotten, on a loaded machine, too."""
HONEST = "honest"
MIB = 1 << 20
GROWTH = 24 * MIB
"""What the server may have more in memory than after the first round: what it keeps of work done (pools, caches)."""


class Failure(Exception):
    """The server did not survive, or did not serve."""


class Target:
    """A server in a process of its own, with a datapath that an honest client looks at."""

    def __init__(self, directory: Path, counts: Counter[str]) -> None:
        self.directory = directory
        self.path = str(directory / "dpif.sock")
        self.counts = counts
        self.process = start(self.path)
        if self.process.stdout is None or self.process.stdout.readline() != "ready\n":
            raise Failure("the server did not start")
        self.descriptors_at_first = self.descriptors
        self.is_out_of_memory = False  # then an honest client, too, may be let go
        with self.connect() as connection:
            record = DatapathRecord(command=DatapathCmd.NEW, name=HONEST, upcall_pid=0)
            connection.transact(record.request("create"))
            reply = connection.transact(DatapathRecord(command=DatapathCmd.GET, name=HONEST).request("get"))
            assert reply is not None
            self.datapath = reply.dp_ifindex
            self.families = {
                kind.FAMILY: connection.family(kind.FAMILY).id for kind in (DatapathRecord, FlowRecord, VportRecord)
            }

    def connect(self) -> Connection:
        return Connection(lambda: UnixTransport(self.path), timeout=PATIENCE)

    def hostile(self) -> socket.socket:
        """Return a connection of somebody who never waits."""
        made = socket.socket(*UNIX)
        made.settimeout(PATIENCE)
        made.connect(self.path)
        with contextlib.suppress(ConnectionError):  # where there is no memory for a client
            made.recv(MAX_FRAME)
        made.setblocking(False)
        self.counts["clients"] += 1
        return made

    def message(self, record: Record, flags: int = 0) -> bytes:
        self.counts["requests"] += 1
        return pack_message(self.families[record.FAMILY], c.NLM_F_REQUEST | flags, 1, 0, record.to_payload())

    def send(self, to: socket.socket, *messages: bytes) -> bool:
        frame = DATA_HEADER + b"".join(messages)
        try:
            to.send(frame)
        except OSError:
            return False
        self.counts["bytes"] += len(frame)
        return True

    def require_service(self, after: str) -> None:
        """Raise `Failure` unless an honest client is answered."""
        if self.process.poll() is not None:
            raise Failure(f"the server ended with {self.process.returncode} after: {after}")
        try:
            with self.connect() as connection:
                connection.transact(DatapathRecord(command=DatapathCmd.GET, name=HONEST).request("get"))
        except (DpifError, OSError) as error:
            if self.is_out_of_memory and self.process.poll() is None:
                return
            raise Failure(f"an honest client was not answered after: {after}: {error}") from error
        self.counts["honest requests"] += 1

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def descriptors_at_last(self) -> int:
        """Return how many there are when the last client is gone; raise `Failure` when not those at first."""
        patience = time.monotonic() + PATIENCE
        while (found := self.descriptors) != self.descriptors_at_first:
            if time.monotonic() > patience:
                raise Failure(f"{found} descriptors at the end, {self.descriptors_at_first} at the beginning")
            time.sleep(0.01)
        return found

    def memory(self, field: str = "VmRSS") -> int:
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

    @contextlib.contextmanager
    def limited(self, kind: int, soft: int) -> Iterator[None]:
        before, hard = resource.prlimit(self.process.pid, kind)
        resource.prlimit(self.process.pid, kind, (soft, hard))
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, kind, (before, hard))

    def clean(self) -> None:
        """Take away what scenarios have left: flows, and ports but the local one."""
        with self.connect() as connection:
            connection.transact(FlowRecord(command=FlowCmd.DEL, dp_ifindex=self.datapath).request("flush"))
            ports = list(connection.dump(VportRecord(command=VportCmd.GET, dp_ifindex=self.datapath).request("dump")))
            for port in ports:
                if port.port_no:
                    record = VportRecord(command=VportCmd.DEL, dp_ifindex=self.datapath, port_no=port.port_no)
                    connection.transact(record.request("delete"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(PATIENCE) != 0 or os.path.exists(self.path):
            raise Failure(f"SIGTERM was not heeded: {self.process.returncode}")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def start(path: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, text=True, preexec_fn=_hear_signals
    )


def _hear_signals() -> None:
    """Let signals come, whatever a parent (nohup) has left: the program itself would be too late for the first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())


def put(target: Target, number: int, actions: bytes = b"") -> FlowRecord:
    key = FlowKey(in_port=1, eth={}, eth_type=0x0600 + number % 0xF000).to_bytes()
    return FlowRecord(command=FlowCmd.NEW, dp_ifindex=target.datapath, key=key, actions=actions)


def add(target: Target, name: str, type_: int, options: dict[int, object] | None = None) -> VportRecord:
    return VportRecord(
        command=VportCmd.NEW,
        dp_ifindex=target.datapath,
        name=name,
        type=type_,
        upcall_pid=(0,),
        options=None if options is None else Decoded(options),
    )


# Scenarios: what hostile clients do. Each leaves its connections to be closed by the caller.

Scenario = Callable[[Target, random.Random, contextlib.ExitStack], None]


def nonsense(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Frames and messages of random bytes."""
    for _ in range(20):
        client = stack.enter_context(target.hostile())
        for _ in range(20):
            payload = chance.randbytes(chance.choice((0, 1, 3, 4, 8, 12, 16, 20, 64, 4096)))
            with contextlib.suppress(OSError):
                client.send(payload if chance.random() < 0.1 else DATA_HEADER + payload)
            target.counts["frames of nonsense"] += 1


def mutations(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Good requests in which some bytes are changed."""
    client = stack.enter_context(target.hostile())
    good = [
        put(target, 1, b"\x08\x00\x01\x00\x01\x00\x00\x00"),
        add(target, "mutant", VportType.INTERNAL),
        FlowRecord(command=FlowCmd.GET, dp_ifindex=target.datapath),
    ]
    for _ in range(200):
        message = bytearray(target.message(chance.choice(good), chance.choice((0, c.NLM_F_ACK, c.NLM_F_DUMP))))
        for _ in range(chance.randrange(4)):
            message[chance.randrange(16, len(message))] = chance.randrange(256)
        target.send(client, bytes(message))
        drain(client)


def unread(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Batches, dumps and long answers that nobody reads."""
    clients = [stack.enter_context(target.hostile()) for _ in range(4)]
    dump = FlowRecord(command=FlowCmd.GET, dp_ifindex=target.datapath)
    long = put(target, 0, b"\x08\x00\x01\x00\x01\x00\x00\x00" * 8000)
    look = FlowRecord(command=FlowCmd.GET, dp_ifindex=target.datapath, key=long.key)
    target.send(clients[0], target.message(long, c.NLM_F_CREATE))
    for client in clients:
        client.settimeout(PATIENCE)  # of those who send: they are always read
        for _ in range(5):
            target.send(
                client, *[target.message(put(target, chance.randrange(2000)), c.NLM_F_ACK) for _ in range(40)]
            )
            target.send(client, *[target.message(look)] * 20)
            target.send(client, *[target.message(dump, c.NLM_F_DUMP)] * 10)
        if chance.random() < 0.3:
            with contextlib.suppress(OSError):
                client.send(pack_frame(FrameKind.SPEAK, c.NETLINK_GENERIC))
    while any(map(unread_bytes, clients)):
        target.require_service("unread answers")


def unread_bytes(client: socket.socket) -> int:
    """Return the bytes that a client has sent and the server has not read yet."""
    return int.from_bytes(fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def killed(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Clients that are killed in the middle of what they do."""
    for _ in range(3):
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                client = target.hostile()
                while True:
                    target.send(client, *[target.message(put(target, chance.randrange(500)), c.NLM_F_ACK)] * 20)
                    drain(client)
            os._exit(0)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        target.counts["kills"] += 1


def strange_ports(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Captures that are FIFOs, lie about their length or do not exist; names of any bytes; paths of any length."""
    client = stack.enter_context(target.hostile())
    fifo, liar = target.directory / "fifo", target.directory / "liar.pcapng"
    if not fifo.exists():
        os.mkfifo(fifo)
        liar.write_bytes(
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0" + b"\xff" * 400
        )
    options: list[dict[int, object]] = [
        {DummyAttr.RX_PCAP: str(fifo)},
        {DummyAttr.TX_PCAP: str(fifo)},
        {DummyAttr.RX_PCAP: str(liar)},
        {DummyAttr.RX_PCAP: "/" + "x" * chance.randrange(65_000)},
        {DummyAttr.TX_PCAP: "/\udcff/" + "y" * 5000},
    ]
    for each in options:
        target.send(
            client, target.message(add(target, f"p{chance.randrange(9)}", VportType.DUMMY, each), c.NLM_F_ACK)
        )
        drain(client)
    for kind in (VportType.TAP, VportType.NETDEV, VportType.INTERNAL):
        target.send(client, target.message(add(target, "n\udcff\udcfe", kind), c.NLM_F_ACK))
    target.counts["strange ports"] += len(options) + 3


def full_disk(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Packets written to a capture that may not grow, and read from one."""
    source, sink = target.directory / "in.pcap", target.directory / "out.pcap"
    packets = 2000
    if not source.exists():
        with capture.Writer(source) as writer:
            for number in range(packets):
                writer.write(bytes(12) + b"\x88\xb5" + bytes([number & 0xFF]) * 46)
    client = stack.enter_context(target.hostile())
    actions = b"\x08\x00\x01\x00\x0b\x00\x00\x00"  # output:11
    key = FlowKey(in_port=10, eth={}, eth_type=0x88B5).to_bytes()
    flow = FlowRecord(command=FlowCmd.NEW, dp_ifindex=target.datapath, key=key, actions=actions)
    to, from_ = (
        add(target, "sink", VportType.DUMMY, {DummyAttr.TX_PCAP: str(sink)}),
        add(target, "source", VportType.DUMMY, {DummyAttr.RX_PCAP: str(source), DummyAttr.PLAY: True}),
    )
    to.port_no, from_.port_no = 11, 10
    asked = VportRecord(command=VportCmd.GET, dp_ifindex=target.datapath, port_no=11)
    with target.limited(resource.RLIMIT_FSIZE, 20_000):
        target.send(client, *[target.message(one) for one in (flow, to, from_)])
        for _ in range(1000):
            target.require_service("a full disk")
            with target.connect() as connection:
                port = connection.transact(asked.request("look"))
            if port is None or port.stats is None:
                raise Failure("a port without counters")
            if port.stats.tx_packets + port.stats.tx_dropped == packets:
                break
        else:
            raise Failure(f"of {packets} packets of a capture {port.stats} came through")
    if not port.stats.tx_dropped:
        raise Failure("the disk was not full")
    target.counts["packets"] += packets


def no_descriptors(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """More clients than there are descriptors: those too many are told so."""
    with target.limited(resource.RLIMIT_NOFILE, target.descriptors + 8), contextlib.ExitStack() as crowd:
        for _ in range(40):
            client = crowd.enter_context(socket.socket(*UNIX))
            client.settimeout(PATIENCE)
            client.connect(target.path)
            client.recv(MAX_FRAME)
            target.counts["clients"] += 1
        try:
            UnixTransport(target.path).close()
        except Unavailable as error:
            if error.errno != errno.EMFILE:
                raise Failure(f"a client too many was told: {error}") from error
        else:
            raise Failure("a client too many was let in")


def no_memory(target: Target, chance: random.Random, stack: contextlib.ExitStack) -> None:
    """Work that takes more memory than there is."""
    with target.limited(resource.RLIMIT_AS, target.memory("VmSize") + 4 * MIB):
        target.is_out_of_memory = True
        stack.callback(setattr, target, "is_out_of_memory", False)
        unread(target, chance, stack)
        strange_ports(target, chance, stack)


def drain(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while client.recv(MAX_FRAME):
            pass


SCENARIOS: tuple[Scenario, ...] = (
    nonsense,
    mutations,
    unread,
    killed,
    strange_ports,
    full_disk,
    no_descriptors,
    no_memory,
)


def play(target: Target, scenario: Scenario, chance: random.Random) -> None:
    name = scenario.__name__.replace("_", " ")
    with contextlib.ExitStack() as stack:
        scenario(target, chance, stack)
        if scenario is not no_memory:  # which may have cost the honest client its connection
            target.require_service(name)
    target.require_service(f"{name}, and its clients have gone")
    target.clean()
    target.counts["scenarios"] += 1


# The life of a server: signals at random instants, and two that start at once.


def signalled(directory: Path, chance: random.Random, counts: Counter[str]) -> None:
    """End a server at a random instant of its start or its life; nothing may be left where it listened."""
    path = str(directory / "signalled.sock")
    number = chance.choice((signal.SIGTERM, signal.SIGHUP, signal.SIGTERM))
    process = start(path)
    try:
        if chance.random() < 0.7:
            assert process.stdout is not None
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(number)
        code = process.wait(PATIENCE)
    finally:
        process.kill()
        process.communicate()
    if code not in (0, -number):  # the latter before it has said what a signal shall do
        raise Failure(f"a server that got signal {number} ended with {code}")
    if left := [name for name in os.listdir(directory) if name.startswith("signalled")]:
        raise Failure(f"a server that got signal {number} left {left}")
    counts["signals"] += 1


def rivals(directory: Path, counts: Counter[str]) -> None:
    """Start servers at once where one was killed: one serves, the others are refused."""
    path = str(directory / "rivals.sock")
    dead = start(path)
    assert dead.stdout is not None
    dead.stdout.readline()
    dead.kill()
    dead.communicate()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    try:
        words = [process.stdout.readline() for process in processes if process.stdout is not None]
        if sorted(words) != ["", "", "ready\n"]:
            raise Failure(f"of three servers that started at once said {words}")
        UnixTransport(path).close()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    for name in ("rivals.sock", "rivals.sock.lock"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(directory / name)
    counts["races"] += 1
    counts["kills"] += 1


def run(seconds: float, seed: int, say: Callable[[str], None] = print) -> Counter[str]:
    """Play every scenario once, and go on for so many seconds; return the counts, raise `Failure`."""
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="dpif-stress-") as name:
        directory = Path(name)
        target = Target(directory, counts)
        try:
            first = 0
            while True:
                for scenario in chance.sample(SCENARIOS, len(SCENARIOS)):
                    play(target, scenario, chance)
                signalled(directory, chance, counts)
                if not first:
                    rivals(directory, counts)
                    first = target.memory()
                if time.monotonic() >= end:
                    break
            report = f"memory {first // MIB} MiB after the first round, {target.memory() // MIB} MiB at the end; "
            say(
                report
                + f"descriptors {target.descriptors_at_first} at first, {target.descriptors_at_last()} at the end"
            )
            if target.memory() > first + GROWTH:
                raise Failure(f"{target.memory()} bytes of memory at the end, {first} after the first round")
            target.stop()
        finally:
            target.close()
            say(", ".join(f"{count} {what}" for what, count in counts.items()))
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    try:
        run(60 * options.minutes, options.seed)
    except Failure as failure:
        print(f"failed: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
