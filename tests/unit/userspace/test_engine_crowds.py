"""Many connections: what one packet or request costs does not grow with them, and what is beyond the bound."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import partial
from itertools import islice
from random import Random

import pytest

from dpif import NetlinkError, Userspace
from dpif.packet import build
from dpif.userspace import Limits
from dpif.userspace.engine.conntrack import segment as tcp
from dpif.userspace.engine.conntrack.agenda import Agenda
from dpif.userspace.engine.conntrack.connection import Connection
from dpif.userspace.engine.conntrack.nat import Range
from dpif.userspace.engine.conntrack.tuples import Tuple

from ..steps import steps_of
from .conftest import Engine
from .test_engine_conntrack import NEW, Tracking, segment, udp

DAY = 24 * 3600
NAMES = Tuple(0x0800, 1, 2, 17, 2000, 53)


def crowd(limits: Limits, size: int, *, limit: int = 0) -> tuple[Tracking, Engine]:
    """Return an engine that has so many connections of UDP without an answer, one of a zone with a `limit`."""
    engine = Engine(limits)
    engine.namespace.tracker.default_limit = limit
    tracking = Tracking(engine)
    for port in range(size):
        assert tracking.state(udp(port=port)) == NEW
    return tracking, engine


@pytest.mark.parametrize("limit", [0, 100_000])
@pytest.mark.parametrize("is_full", [False, True])
def test_a_new_connection_costs_the_same_beside_few_and_many(limit: int, is_full: bool) -> None:
    """Within some that depends on how many are in the same buckets."""
    costs = []
    for size in (100, 1000):
        tracking, engine = crowd(Limits(connections=size if is_full else 9999), size, limit=limit)
        costs.append(min(steps_of(partial(tracking.state, udp(port=port))) for port in range(5000, 5010)))
        assert len(engine.namespace.tracker.index) <= size if is_full else size + 10
        engine.namespace.close()
    few, many = costs
    assert many < few + 100


def test_those_that_have_ended_go_in_pieces() -> None:
    tracking, engine = crowd(Limits(), 1000)
    index = engine.namespace.tracker.index
    cost = steps_of(lambda: tracking.state(udp(port=5000)))
    engine.now += 31
    assert steps_of(lambda: tracking.state(udp(port=5001))) < cost + 64 * 80
    assert len(index) == 1001 - 64 + 1
    for port in range(5002, 5020):
        tracking.state(udp(port=port))
    assert len(index) == 19
    engine.namespace.close()


def test_one_question_for_thousands_of_zones_costs_each_the_same() -> None:
    costs = []
    for size in (10, 400):
        with Userspace() as us:
            dp = us.open("br0", create=True)
            for port in range(size):
                dp.execute(udp(port=port), "ct(commit)")
            dp.ct_limits.set(dict.fromkeys(range(2000), 7))
            costs.append(steps_of(lambda dp=dp: dp.ct_limits.read(range(2000))))
            dp.close()
    few, many = costs
    assert many < few + 5000


def test_a_question_counts_none_that_have_ended() -> None:
    now = 1000.0
    with Userspace(clock=lambda: now) as us, us.open("br0", create=True) as dp:
        dp.ct_limits.set({0: 200})
        for port in range(100):
            dp.execute(udp(port=port), "ct(commit)")
        assert dp.ct_limits.get(0).connections == 100
        now += 31
        assert dp.ct_limits.get(0).connections == 0


def test_more_limits_than_fit_an_answer_are_refused_at_once() -> None:
    with Userspace() as us, us.open("br0", create=True) as dp:
        costs = []
        for zones in (6000, 12000):
            us.namespace.tracker.limits.update(dict.fromkeys(range(zones), 7))

            def ask() -> None:
                with pytest.raises(NetlinkError) as caught:
                    _ = dp.ct_limits.zones
                assert caught.value.errno == errno.EMSGSIZE

            costs.append(steps_of(ask))
        assert costs[1] < costs[0] + 1000


@pytest.mark.parametrize(
    ("kernel", "code"), [("6.1", errno.ENOENT), ("6.12", errno.EINVAL), ("newest", errno.EINVAL)]
)
def test_a_packet_for_which_there_is_no_room_is_told_so(kernel: str, code: int) -> None:
    with Userspace(limits=Limits(connections=0), kernel=kernel) as us, us.open("br0", create=True) as dp:
        with pytest.raises(NetlinkError) as caught:
            dp.execute(udp(), "ct(commit)")
        assert caught.value.errno == code


# What makes room.


@pytest.fixture
def full() -> Iterator[Tracking]:
    """Eight connections, all that there may be, in as many buckets."""
    tracking, engine = crowd(Limits(connections=8), 8)
    yield tracking
    engine.namespace.close()


def assure(connection: Connection) -> None:
    connection.is_assured = True


def test_a_new_one_takes_the_place_of_those_without_an_answer(full: Tracking) -> None:
    spared, *others = full.connections
    for one in others[1:]:
        assure(one)
    assure(spared)
    assert full.state(udp(port=5000)) == NEW
    assert others[0] not in full.connections
    assert set(full.connections) > {spared, *others[1:]}


def test_those_that_have_ended_go_first(full: Tracking) -> None:
    for one in full.connections:
        assure(one)
    full.connections[3].expires = 0.0
    assert full.state(udp(port=5000)) == NEW
    assert len(full.connections) == 8


def test_there_is_none_to_take_the_place_of(full: Tracking) -> None:
    before = full.connections
    for one in before:
        assure(one)
    assert full.state(udp(port=5000)) is None
    assert full.connections == before
    assert full.state(udp(port=1)) == NEW, "those that there are go on"


def test_one_that_closes_makes_room_if_nothing_else_does(engine: Engine) -> None:
    full = Engine(Limits(connections=1))
    tracking = Tracking(full)
    for flags, reply in ((tcp.SYN, False), (tcp.SYN | tcp.ACK, True), (tcp.ACK, False)):
        full.hosts[1].send(segment(flags, reply=reply))
    (connection,) = tracking.connections
    assert connection.is_assured
    assert tracking.state(udp()) is None
    full.hosts[1].send(segment(tcp.FIN | tcp.ACK))
    assert tracking.state(udp()) == NEW
    assert connection not in tracking.connections
    full.namespace.close()


# What is counted, and when it is looked at.


def test_a_zone_counts_those_that_are_there() -> None:
    """Whatever comes and goes: after all have been looked at, the count is what counting gives."""
    engine = Engine()
    tracker, random = engine.namespace.tracker, Random(1)
    tracker.limits[3] = 100_000
    tracking = Tracking(engine, "ct(commit,zone=3)")
    for _ in range(1000):
        port, reply = random.randrange(60), random.random() < 0.3
        engine.hosts[1].send(udp(port=port, reply=reply))
        engine.now += random.choice((0.0, 0.1, 3.0))
        if random.random() < 0.1 and tracking.connections:
            tracker.remove(random.choice(tracking.connections))
        tracker.sweep(10_000)
        engine.now += 0.125  # what has not ended yet is looked at in the next eighth of a second
        tracker.sweep(10_000)
        assert tracker.count(3) == sum(one.zone == 3 and one.expires > engine.now for one in tracker.index)
    tracker.clear()
    assert (tracker.count(3), len(tracker)) == (0, 0)
    engine.namespace.close()


def test_a_time_that_becomes_shorter_counts(engine: Engine) -> None:
    tracking = Tracking(engine)
    for flags, reply in ((tcp.SYN, False), (tcp.SYN | tcp.ACK, True), (tcp.ACK, False)):
        engine.hosts[1].send(segment(flags, reply=reply))
    engine.now += 10
    engine.hosts[1].send(segment(tcp.RST))
    engine.now += 9
    assert len(engine.namespace.tracker) == 1
    engine.now += 2
    assert len(engine.namespace.tracker) == 0
    assert tracking.connections == []


def test_a_long_time_is_kept(engine: Engine) -> None:
    tracking = Tracking(engine)
    for flags, reply in ((tcp.SYN, False), (tcp.SYN | tcp.ACK, True), (tcp.ACK, False)):
        engine.hosts[1].send(segment(flags, reply=reply))
    for _ in range(9):
        engine.now += DAY / 2
        assert len(engine.namespace.tracker) == 1
    engine.now += DAY / 2 + 1
    assert len(engine.namespace.tracker) == 0
    assert tracking.connections == []


def agenda_of(*times: float) -> Agenda:
    """Return an agenda of connections that end at these times, made at the time 0."""
    agenda = Agenda()
    for time in times:
        connection = Connection(0, NAMES, NAMES, 0.0)
        connection.expires = time
        agenda.add(connection, 0.0)
    return agenda


def test_one_that_has_not_quite_ended_is_looked_at_once() -> None:
    agenda = agenda_of(10.1)
    for now, due in ((9.9, 0), (10.05, 1), (10.06, 0), (10.2, 1), (10.3, 0)):
        found = 0
        for connection in agenda.take_due(now, 100):
            found += 1
            if connection.expires > now:
                agenda.add(connection, now)
        assert found == due, now


def test_times_far_away_take_no_more_places() -> None:
    """They are looked at before."""
    agenda = agenda_of(*range(0, 5 * DAY, 60))
    assert len(agenda._slots) == len(agenda._ticks) < 1100
    assert len(list(agenda.take_due(200.0, 10_000))) == 5 * DAY // 60
    assert not agenda._slots


# Ports to choose from.


@pytest.mark.parametrize(("ports", "tries"), [((5000, 5099), 100), ((5000, 5128), 248), (None, 248)])
def test_ports_are_tried_up_to_a_bound(engine: Engine, ports: tuple[int, int] | None, tries: int) -> None:
    candidates = engine.namespace.translator._with_other_ports(NAMES, Range(9, 9, ports), is_source=True)
    assert len(list(islice(candidates, 1000))) == tries


def query(server: int) -> bytes:
    """Return a packet from one source to another server."""
    ends = "10.0.0.1", f"10.1.{server >> 8}.{server & 255}", 1000, 53
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp(*ends, b"." * 32))


def test_a_source_that_is_translated_often_costs_no_more() -> None:
    """Only its newest translations are looked at."""
    costs = []
    for size in (200, 800):
        engine = Engine()
        Tracking(engine, "ct(commit,nat(src=192.0.2.1))")
        engine.flow("in_port(2),eth(),eth_type(0x0800),ipv4()", "ct(commit,nat(src=192.0.2.2))")
        for server in range(size):
            engine.hosts[1].send(query(server))
        costs.append(steps_of(partial(engine.hosts[2].send, query(size))))
        engine.namespace.close()
    few, many = costs
    assert many < few + 100
