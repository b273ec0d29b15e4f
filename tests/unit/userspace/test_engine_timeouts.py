"""Timeout policies: made, changed, taken away, and what connections have of them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from socket import AF_INET, AF_INET6

import pytest

from dpif.conntrack.constants import UdpTimeout
from dpif.packet import build
from dpif.userspace.engine.conntrack.connection import Connection
from dpif.userspace.engine.conntrack.timeouts import DEFAULTS, Policies, Policy, require_protocol
from dpif.userspace.engine.limits import Limits

from ..steps import steps_of
from .conftest import Engine

IP = "eth(),eth_type(0x0800),ipv4()"


def udp(port: int = 1000, *, ipv6: bool = False) -> bytes:
    ends = ("fc00::1", "fc00::2") if ipv6 else ("10.0.0.1", "10.0.0.2")
    return build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", build.udp(*ends, port, 53))


def refused(code: int, act: Callable[[], object]) -> None:
    with pytest.raises(OSError) as caught:
        act()
    assert caught.value.errno == code


def put(engine: Engine, name: str, seconds: dict[int, int], family: int = AF_INET) -> None:
    engine.namespace.tracker.policies.put(Policy(name, family, 17), seconds, may_replace=True)


def only(engine: Engine) -> Connection:
    (connection,) = engine.namespace.tracker
    return connection


def test_policies_have_names() -> None:
    policies = Policies(9)
    policies.put(Policy("one", AF_INET, 17), {UdpTimeout.REPLIED: 5})
    assert [policy.name for policy in policies] == ["one"]
    assert policies.get("one").seconds == {**DEFAULTS[17], UdpTimeout.REPLIED: 5}
    refused(errno.EBUSY, lambda: policies.put(Policy("one", AF_INET, 17), {}))
    refused(errno.EEXIST, lambda: policies.put(Policy("one", AF_INET, 17), {}, may_replace=True, must_be_new=True))
    refused(errno.EINVAL, lambda: policies.put(Policy("one", AF_INET6, 17), {}, may_replace=True))
    policies.put(Policy("one", AF_INET, 17), {}, may_replace=True)
    assert policies.get("one").seconds == DEFAULTS[17]
    policies.remove("one")
    refused(errno.ENOENT, lambda: policies.get("one"))
    refused(errno.ENOENT, lambda: policies.remove("one"))
    refused(errno.EOPNOTSUPP, lambda: require_protocol(250))


def test_there_is_room_for_so_many_policies() -> None:
    engine = Engine(Limits(policies=2))
    policies = engine.namespace.tracker.policies
    for name in ("one", "two"):
        policies.put(Policy(name, AF_INET, 17), {})
    refused(errno.ENOMEM, lambda: policies.put(Policy("three", AF_INET, 17), {}))
    policies.put(Policy("two", AF_INET, 17), {}, may_replace=True)
    policies.remove("one")
    policies.put(Policy("three", AF_INET, 17), {})
    engine.namespace.close()


def test_policies_go_all_together_whatever_connections_and_ports_there_are() -> None:
    """But for those that a flow uses."""
    costs = []
    for size in (1, 20):
        engine = Engine()
        for number in range(50):
            put(engine, f"p{number}", {})
        engine.flow(f"in_port(1),{IP}", "ct(commit,timeout=p7)")
        for number in range(size):
            engine.add_host(f"more{number}")
            engine.hosts[1].send(udp(port=number))
        costs.append(steps_of(engine.namespace.remove_policies))
        assert [policy.name for policy in engine.namespace.tracker.policies] == ["p7"]
        engine.namespace.close()
    assert costs[1] < costs[0] + 100


def test_a_connection_lives_as_its_policy_says(engine: Engine) -> None:
    put(engine, "long", {UdpTimeout.UNREPLIED: 900})
    engine.flow(f"in_port(1),{IP}", "ct(commit,timeout=long)")
    engine.hosts[1].send(udp())
    assert only(engine).expires == engine.now + 900
    put(engine, "long", {UdpTimeout.UNREPLIED: 1200})
    engine.hosts[1].send(udp())
    assert only(engine).expires == engine.now + 1200


def test_a_policy_is_for_its_protocol_and_version_of_ip(engine: Engine) -> None:
    put(engine, "six", {UdpTimeout.UNREPLIED: 900}, AF_INET6)
    engine.flow("in_port(1),eth(),eth_type(0x0800),ipv4()", "ct(commit,timeout=six)")
    engine.flow("in_port(1),eth(),eth_type(0x86dd),ipv6()", "ct(commit,timeout=six)")
    engine.hosts[1].send(udp())
    assert only(engine).expires == engine.now + 30
    engine.namespace.tracker.remove(only(engine))
    engine.hosts[1].send(udp(ipv6=True))
    assert only(engine).expires == engine.now + 900


def test_a_packet_that_was_tracked_without_it_begins_anew_with_a_policy(engine: Engine) -> None:
    put(engine, "long", {UdpTimeout.UNREPLIED: 900})
    engine.flow(f"in_port(1),{IP}", "ct,ct(commit,timeout=long)")
    engine.hosts[1].send(udp())
    assert only(engine).expires == engine.now + 900


def test_a_policy_is_in_use_as_long_as_a_flow_names_it(engine: Engine) -> None:
    put(engine, "long", {UdpTimeout.UNREPLIED: 900})
    engine.flow(f"in_port(1),{IP}", "ct(commit,timeout=long)")
    engine.hosts[1].send(udp())
    refused(errno.EBUSY, lambda: engine.namespace.remove_policy("long"))
    engine.dp.table.flush()
    engine.namespace.remove_policy("long")
    assert only(engine).lifetimes == DEFAULTS[17], "its connections have the default from now on"
