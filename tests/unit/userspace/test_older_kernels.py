"""The datapath in user space with the ways of older kernels, where it is told to have them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from random import Random

import pytest

import dpif
from dpif.client import Datapath
from dpif.errors import EncodeError, NetlinkError, Unavailable
from dpif.netlink.attributes import attribute
from dpif.odp.actions import Action, Drop, Psample, Userspace, parse_actions
from dpif.odp.kernel.rules import KERNELS
from dpif.packet import build
from dpif.testing.conformance.packets import UDP4, UDP4_FLOW
from dpif.testing.ct_player import Player
from dpif.testing.ct_sequences import ADDRESSES, LOOK, Packet, ports

NEWER = {"drop", "psample", "hash_sym_l4", "upcall_stats", "upcall_pid"}
"""Features that not all of these kernels have."""
NOT_FOUND = dict.fromkeys(
    (
        "ah_follows_fragment",
        "exthdrs_must_fit",
        "strict_userspace",
        "clashes_match",
        "icmp_clashes",
        "dnat_in_order",
        "full_is_invalid",
    ),
    True,
)
"""What kernels do not tell of themselves."""
HOP_BY_HOP_BEYOND_THE_END = build.ethernet(
    "02:00:00:00:00:01", "02:00:00:00:00:02", build.ip("::1", "::2", 0, bytes([17, 200]) + bytes(6))
)


def open_dp(us: dpif.Userspace) -> Datapath:
    dp = us.open("dp0", create=True)
    dp.ports.add(us.device("h1").name)
    return dp


@pytest.mark.parametrize(
    ("kernel", "has"),
    [("6.1", set()), ("6.12", NEWER - {"upcall_pid"}), ("newest", NEWER)],
)
def test_features_are_those_of_the_kernel(kernel: str, has: set[str]) -> None:
    with dpif.Userspace(kernel=kernel) as us, open_dp(us) as dp:
        features = dp.features()
        assert {name for name in NEWER if getattr(features, name)} == has
        assert dp.rules._replace(**NOT_FOUND) == KERNELS[kernel]._replace(**NOT_FOUND)


def test_it_follows_the_newest_unless_told() -> None:
    with dpif.Userspace() as us, open_dp(us) as dp, dpif.Userspace(kernel="newest") as newest:
        assert dp.features() == open_dp(newest).features()


@pytest.mark.parametrize("actions", [[Drop(1)], [Psample(group=1)], parse_actions("hash(sym_l4(0))")], ids=str)
def test_newer_actions_are_refused(actions: list[Action]) -> None:
    with dpif.Userspace(kernel="6.1") as us, open_dp(us) as dp:
        with pytest.raises(NetlinkError) as caught:
            dp.flows.add(UDP4_FLOW, actions)
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(NetlinkError) as caught:
            dp.execute(UDP4, actions)
        assert caught.value.errno == errno.EINVAL


def test_there_are_no_samples() -> None:
    with (
        dpif.Userspace(kernel="6.1") as us,
        open_dp(us) as dp,
        pytest.raises(Unavailable, match="no samples here: load the kernel's module"),
    ):
        dp.samples()


def test_ports_do_not_tell_their_upcalls() -> None:
    with dpif.Userspace(kernel="6.1") as us, open_dp(us) as dp:
        assert {port.upcall_stats for port in dp.ports} == {None}


def test_who_is_to_get_the_upcalls_of_a_packet_is_passed_over() -> None:
    with (
        dpif.Userspace(kernel="6.12") as us,
        open_dp(us) as dp,
        dp.upcalls(miss=False) as usual,
        dp.upcalls(miss=False) as named,
    ):
        dp.execute(UDP4, [Userspace(pid=usual.port_id)], upcall_pid=named.port_id)
        assert (len(usual.poll()), len(named.poll())) == (1, 0)


@pytest.mark.parametrize(("kernel", "proto"), [("6.1", 17), ("newest", 59)])
def test_extension_headers_are_read_as_that_kernel_reads_them(kernel: str, proto: int) -> None:
    with dpif.Userspace(kernel=kernel) as us, open_dp(us) as dp, dp.upcalls() as upcalls:
        us.device("h1").send(HOP_BY_HOP_BEYOND_THE_END)
        (upcall,) = upcalls.poll()
        assert upcall.key.ipv6.proto == proto
        dp.execute(HOP_BY_HOP_BEYOND_THE_END, "recirc(1)", dpif.FlowKey(in_port=1))
        (upcall,) = upcalls.poll()
        assert upcall.key.ipv6.proto == proto


def test_a_kernel_that_is_not_known() -> None:
    with pytest.raises(EncodeError, match=r"no kernel '5\.4' is known here; there are 6\.1, 6\.12, newest"):
        dpif.Userspace(kernel="5.4")


@contextlib.contextmanager
def playing(kernel: str) -> Iterator[Player]:
    with (
        dpif.Userspace(random=Random(1), kernel=kernel) as us,
        open_dp(us) as dp,
        dp.upcalls(miss=False) as upcalls,
    ):
        yield Player(dp, upcalls)


HERE, THERE, ELSEWHERE = ADDRESSES[4]
AT_ONCE = ("ct", ("ct_clear", "ct(commit)"), "ct(commit)", LOOK)
BACK = tuple(f"set({field})" for field in (f"ipv4(src={THERE})", f"ipv4(dst={HERE})", "udp(src=53)", "udp(dst=1000)"))


@pytest.mark.parametrize(("kernel", "expected"), [("6.1", errno.EINVAL), ("6.12", errno.EINVAL), ("newest", 0)])
def test_two_pings_at_once(kernel: str, expected: int) -> None:
    with playing(kernel) as player:
        assert player.send(Packet("icmp", HERE, THERE, 7, 7).frame(), AT_ONCE).errno == expected


@pytest.mark.parametrize(("kernel", "expected"), [("6.1", 0), ("6.12", errno.EINVAL), ("newest", errno.EINVAL)])
def test_a_clash_with_another_connection(kernel: str, expected: int) -> None:
    """Older kernels take it for the same one if that is not translated."""
    with playing(kernel) as player:
        assert player.send(Packet("other", HERE, THERE, 0, 0).frame(), ("ct(commit)",)).errno == 0
        other = Packet("other", ELSEWHERE, THERE, 0, 0).frame()
        assert player.send(other, (f"ct(commit,nat(src={HERE}))",)).errno == expected


@pytest.mark.parametrize(("kernel", "is_kept"), [("6.1", False), ("6.12", True), ("newest", True)])
def test_a_clash_with_the_other_direction_keeps_the_port(kernel: str, is_kept: bool) -> None:
    packet = Packet("udp", HERE, THERE, 1000, 53).frame()
    with playing(kernel) as player:
        outcome = player.send(packet, ("ct", ("ct_clear", *BACK, "ct(commit)"), "ct(commit,nat(src))", LOOK))
        (seen,) = outcome.seen
        assert (seen[1] == packet) == is_kept
        assert len(outcome.connections) == 1


@pytest.mark.parametrize("protocol", ["udp", "icmp"])
@pytest.mark.parametrize(("kernel", "in_order"), [("6.1", False), ("6.12", True), ("newest", True)])
def test_ports_of_a_destination(kernel: str, in_order: bool, protocol: str) -> None:
    chosen = []
    with playing(kernel) as player:
        for port in range(3000, 3004):
            packet = Packet(protocol, HERE, THERE, port, 53).frame()
            outcome = player.send(packet, (f"ct(commit,nat(dst={ELSEWHERE}:5000-5999))", LOOK))
            chosen.append(ports(outcome.seen[0][1])[1])
    first = [5000] * 4 if protocol == "udp" else [5000, 5001, 5002, 5003]
    assert (chosen == first) == in_order


@pytest.mark.parametrize(("kernel", "is_refused"), [("6.1", False), ("6.12", False), ("newest", True)])
def test_unknown_attributes_of_userspace(kernel: str, is_refused: bool) -> None:
    action = Userspace.from_payload(Userspace(pid=5).payload() + attribute(60, b""))
    refusal = pytest.raises(NetlinkError) if is_refused else contextlib.nullcontext()
    with dpif.Userspace(kernel=kernel) as us, open_dp(us) as dp, refusal:
        dp.flows.add(UDP4_FLOW, [action])
