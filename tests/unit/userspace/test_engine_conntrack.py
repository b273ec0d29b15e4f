"""Connection tracking by a clock that the test turns: life times, states of TCP, limits, and what is translated."""

from __future__ import annotations

import pytest

from dpif.conntrack.constants import TcpState, TcpTimeout
from dpif.odp.constants import CtState, FragType
from dpif.odp.kernel.swkey import get
from dpif.packet import build
from dpif.userspace.engine.conntrack import segment as tcp
from dpif.userspace.engine.conntrack.connection import Connection
from dpif.userspace.engine.conntrack.tcp import Tcp
from dpif.userspace.engine.conntrack.timeouts import DEFAULTS

from .conftest import Engine

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
FIN_ACK = tcp.FIN | tcp.ACK
SYN_ACK = tcp.SYN | tcp.ACK
IP = "eth(),eth_type(0x0800),ipv4()"


def udp(*, reply: bool = False, port: int = 1000) -> bytes:
    ends = (SERVER, CLIENT, 53, port) if reply else (CLIENT, SERVER, port, 53)
    return build.ethernet(A, B, build.udp(*ends, b"." * 32))


def segment(flags: int, *, reply: bool = False) -> bytes:
    ends = (SERVER, CLIENT, 80, 1000) if reply else (CLIENT, SERVER, 1000, 80)
    return build.ethernet(A, B, build.tcp(*ends, b"." * 32, flags=flags))


class Tracking:
    """Tracks packets by ``ct(commit)``, and tells what the key says then."""

    def __init__(self, engine: Engine, action: str = "ct(commit)") -> None:
        self.engine = engine
        engine.flow(f"in_port(1),{IP}", f"{action},recirc(1)")

    def state(self, packet: bytes) -> int | None:
        """Return a packet's state, None when it is dropped."""
        self.engine.upcalls.clear()
        self.engine.hosts[1].send(packet)
        return get(self.engine.upcalls[0].key, "ct_state") if self.engine.upcalls else None

    @property
    def connections(self) -> list[Connection]:
        return list(self.engine.namespace.tracker)


def state_of(connection: Connection) -> int:
    assert isinstance(connection.protocol_state, Tcp)
    return connection.protocol_state.state


@pytest.fixture
def tracking(engine: Engine) -> Tracking:
    return Tracking(engine)


TIMES = DEFAULTS[6]
NEW = CtState.TRACKED | CtState.NEW
REPLY = CtState.TRACKED | CtState.ESTABLISHED | CtState.REPLY_DIR
ESTABLISHED = CtState.TRACKED | CtState.ESTABLISHED
INVALID = CtState.TRACKED | CtState.INVALID


def test_a_connection_without_an_answer_ends_after_half_a_minute(tracking: Tracking) -> None:
    tracking.state(udp())
    tracking.engine.now += 29
    assert tracking.state(udp(reply=True)) == REPLY
    tracking.engine.now += 31
    assert tracking.state(udp(reply=True)) == NEW


def test_a_stream_lives_longer(tracking: Tracking) -> None:
    tracking.state(udp())
    tracking.state(udp(reply=True))
    tracking.engine.now += 3
    tracking.state(udp())
    tracking.engine.now += 119
    assert tracking.state(udp()) == ESTABLISHED
    tracking.engine.now += 121
    assert tracking.state(udp()) == NEW


def test_what_ended_is_swept_away(tracking: Tracking) -> None:
    tracking.state(udp())
    assert len(tracking.engine.namespace.tracker) == 1
    tracking.engine.now += 31
    assert len(tracking.engine.namespace.tracker) == 0
    assert tracking.connections == []


def test_the_life_of_a_tcp_connection(tracking: Tracking) -> None:
    states = []
    for flags, reply in (
        (tcp.SYN, False),
        (SYN_ACK, True),
        (tcp.ACK, False),
        (FIN_ACK, False),
        (FIN_ACK, True),
        (tcp.ACK, False),
    ):
        assert tracking.state(segment(flags, reply=reply)) != INVALID
        (connection,) = tracking.connections
        states.append(state_of(connection))
        assert connection.expires == tracking.engine.now + TIMES[states[-1]]
    assert states == [
        TcpState.SYN_SENT,
        TcpState.SYN_RECV,
        TcpState.ESTABLISHED,
        TcpState.FIN_WAIT,
        TcpState.LAST_ACK,
        TcpState.TIME_WAIT,
    ]
    assert tracking.state(segment(tcp.SYN)) == NEW, "a SYN begins another"
    assert [state_of(one) for one in tracking.connections] == [TcpState.SYN_SENT]


def test_a_connection_that_is_reset_at_once_is_gone(tracking: Tracking) -> None:
    tracking.state(segment(tcp.SYN))
    tracking.state(segment(tcp.RST | tcp.ACK, reply=True))
    assert tracking.connections == []


def test_a_connection_seen_from_one_side_lives_for_minutes(tracking: Tracking) -> None:
    tracking.state(segment(tcp.ACK))
    assert tracking.connections[0].expires == tracking.engine.now + TIMES[TcpTimeout.UNACK]


@pytest.mark.parametrize("flags", [0, tcp.SYN | tcp.FIN, tcp.FIN, 0x3F], ids=hex)
def test_flags_that_make_no_sense(tracking: Tracking, flags: int) -> None:
    assert tracking.state(segment(flags)) == INVALID
    assert tracking.connections == []


def test_a_fragment_that_nothing_can_be_done_with_is_invalid(tracking: Tracking) -> None:
    """Of IPv6 such is taken for a whole packet, but its transport header for none."""
    tracking.engine.flow("in_port(1),eth(),eth_type(0x86dd),ipv6()", "ct(commit),recirc(1)")
    for offset, size in ((8, 15), (0, 4)):
        part = build.fragment_header(17, bytes(size), offset=offset, more=True)
        packet = build.ethernet(A, B, build.ip("fc00::1", "fc00::2", 44, part))
        assert tracking.state(packet) == INVALID
        assert get(tracking.engine.upcalls[0].key, "ip.frag") == FragType.NONE


def test_padding_is_cut_off(engine: Engine) -> None:
    engine.flow(f"in_port(1),{IP}", "ct,2")
    engine.hosts[1].send(udp() + bytes(9))
    assert engine.out(2) == [udp()]


def test_a_key_that_is_extracted_anew_keeps_its_tuple(engine: Engine) -> None:
    tracking = Tracking(engine, "ct(commit),push_vlan(vid=5,pcp=0),push_vlan(vid=6,pcp=0)")
    tracking.state(udp())
    key = engine.upcalls[0].key
    assert (get(key, "ct_orig_proto"), get(key, "ipv4.ct_orig.dst")) == (17, 0x0A000002)


def test_a_zone_has_no_more_connections_than_its_limit(tracking: Tracking) -> None:
    tracker = tracking.engine.namespace.tracker
    tracking.state(udp(port=999))
    tracker.default_limit = 2
    assert [tracking.state(udp(port=1000 + number)) for number in range(3)] == [NEW, NEW, None]
    assert tracker.count(0) == 2, "one was there before the limit"
    assert tracking.state(udp(port=1000)) == NEW, "the connections that there are go on"
    tracking.engine.now += 31
    assert tracking.state(udp(port=1002)) == NEW


def test_two_connections_cannot_have_the_same_answers(engine: Engine) -> None:
    """The second one has nothing left to be translated to, and is dropped."""
    tracking = Tracking(engine, "ct(commit,nat(src=192.0.2.1:5000))")
    assert tracking.state(udp(port=1000)) == NEW | CtState.SRC_NAT
    assert tracking.state(udp(port=1001)) is None


def test_a_copy_that_commits_does_not_disturb_the_packet(engine: Engine) -> None:
    tracking = Tracking(engine, "ct,clone(ct(commit,mark=1/0xff)),ct(commit,mark=0x10/0xf0)")
    assert tracking.state(udp()) == NEW
    assert [one.mark for one in tracking.connections] == [0x11]
