"""Congestion marks between the header around a packet and the packet: the tables of RFC 6040."""

from __future__ import annotations

import pytest

from dpif.errors import DecodeError
from dpif.packet import build
from dpif.packet.congestion import outer_tos, take_over

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
NOT_ECT, ECT_1, ECT_0, CE = range(4)


def packet(ecn: int, ends: tuple[str, str] = ("10.0.0.1", "10.0.0.2")) -> bytes:
    return build.ethernet(A, B, build.udp(*ends, 1, 2, b"payload", tos=0xB8 | ecn))


@pytest.mark.parametrize("ends", [("10.0.0.1", "10.0.0.2"), ("fc00::1", "fc00::2")])
@pytest.mark.parametrize(("inner", "outer"), [(NOT_ECT, NOT_ECT), (ECT_1, ECT_1), (ECT_0, ECT_0), (CE, ECT_0)])
def test_going_in(ends: tuple[str, str], inner: int, outer: int) -> None:
    assert outer_tos(0x41, packet(inner, ends)) == 0x40 | outer


@pytest.mark.parametrize("ends", [("10.0.0.1", "10.0.0.2"), ("fc00::1", "fc00::2")])
@pytest.mark.parametrize(
    ("outer", "inner", "then"),
    [
        *((NOT_ECT, inner, inner) for inner in range(4)),
        *((ECT_0, inner, inner) for inner in range(4)),
        *((ECT_1, inner, ECT_1 if inner == ECT_0 else inner) for inner in range(4)),
        *((CE, inner, CE) for inner in (ECT_0, ECT_1, CE)),
    ],
)
def test_coming_out(ends: tuple[str, str], outer: int, inner: int, then: int) -> None:
    assert take_over(outer, packet(inner, ends)) == packet(then, ends)


def test_one_that_cannot_tell_is_dropped() -> None:
    with pytest.raises(DecodeError, match="congestion"):
        take_over(CE, packet(NOT_ECT))


@pytest.mark.parametrize("other", [b"", bytes(60), packet(ECT_0)[:20], build.ethernet(A, B, b"x" * 40, 0x88B5)])
def test_what_is_not_ip_has_no_mark(other: bytes) -> None:
    assert outer_tos(0x43, other) == 0x40
    assert take_over(ECT_1, other) == other
    with pytest.raises(DecodeError):
        take_over(CE, other)
