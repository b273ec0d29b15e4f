"""The DNS filter: questions for blocked names are answered in between, others by the server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from dpif.packet import build
from dpif.packet.headers import Ipv4, Udp
from dpif.program.testing import Playground
from dpif.testing.netns import Host
from dpif.testing.waiting import PATIENCE

from .world import World, hang_up, in_thread

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
NO_SUCH_NAME, NO_ERROR = 3, 0


@pytest.fixture
def dns(example: Callable[[str], ModuleType]) -> ModuleType:
    return example("dns_filter")


@pytest.fixture
def net(dns: ModuleType) -> Iterator[Playground]:
    dns.blocked["ads.example"] = True
    with Playground(dns.program, ("client", "server")) as made:
        yield made


def query(name: str, ident: int = 7) -> bytes:
    """A question for an address (RFC 1035, section 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return ident.to_bytes(2, "big") + bytes((1, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + labels + bytes((0, 0, 1, 0, 1))


def asked(name: str, dst: str = "10.0.0.2", src: str = "10.0.0.1") -> bytes:
    return build.ethernet(A, B, build.udp(src, dst, 1000, 53, query(name)))


@pytest.mark.parametrize("name", ["ads.example", "tracker.ads.example", "Tracker.ADS.Example"])
def test_a_blocked_name_does_not_exist(net: Playground, name: str) -> None:
    ((port, (reply,)),) = net.send("client", asked(name)).items()
    assert port == "client"
    ip, ports, message = Ipv4.read(reply, 14), Udp.read(reply, 34), reply[42:]
    assert (str(ip.src), str(ip.dst), ports.src, ports.dst) == ("10.0.0.2", "10.0.0.1", 53, 1000)
    assert message == query(name)[:2] + bytes((0x81, 0x80 | NO_SUCH_NAME)) + query(name)[4:]


def test_other_names_are_the_servers_business(net: Playground) -> None:
    for name in ("example", "heads.example", "ads.example.org", "."):
        assert net.send("client", asked(name)) == {"server": [asked(name)]}
    assert not net.flows(), "each question comes up"


def test_over_ipv6_too(net: Playground) -> None:
    assert set(net.send("client", asked("ads.example", "fd00::2", "fd00::1"))) == {"client"}


def test_a_question_that_is_cut_short_is_dropped(net: Playground) -> None:
    assert not net.send("client", build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 53, b"\0" * 12)))
    assert net.counters.failed == 1


def test_all_else_is_switched_by_flows(net: Playground) -> None:
    net.send("client", build.ethernet(A, B, build.tcp("10.0.0.1", "10.0.0.2", 1000, 80)))
    net.send("client", build.ethernet(A, B, build.udp("10.0.0.1", "10.0.0.2", 1000, 5000, b"")))
    assert net.masks() == {
        "eth(src,dst),eth_type,ipv4(proto,frag)",
        "eth(src,dst),eth_type,ipv4(proto,frag),udp(dst/0x20)",
    }


# With hosts


def test_a_resolver_is_told_by_the_filter_and_by_its_server(dns: ModuleType, world: World) -> None:
    client, server = world.host("10.0.0.1/24"), world.host("10.0.0.2/24")
    dns.blocked["ads.example"] = True
    with world.running(dns.program), name_server(server):
        assert resolve(client, server, "www.example") == NO_ERROR
        assert resolve(client, server, "www.ads.example") == NO_SUCH_NAME
        del dns.blocked["ads.example"]
        assert resolve(client, server, "www.ads.example") == NO_ERROR


@contextlib.contextmanager
def name_server(host: Host) -> Iterator[None]:
    """Answer every question with no error."""
    server = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((host.address, 53))

    def answer_all() -> None:
        while True:
            data, client = server.recvfrom(2048)
            if not data:
                return
            server.sendto(data[:2] + bytes((0x81, 0x80)) + data[4:], client)

    with in_thread(answer_all):
        try:
            yield
        finally:
            with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (host.address, 53))
    hang_up(server)


def resolve(client: Host, server: Host, name: str) -> int:
    """Ask a server for a name; return the code of its answer."""
    with client.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.settimeout(PATIENCE)
        resolver.connect((server.address, 53))
        resolver.send(query(name))
        reply = resolver.recv(2048)
    assert reply[:2] == query(name)[:2]
    return reply[3] & 0xF
