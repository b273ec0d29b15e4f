from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from dpif.conntrack.entry import Entry
from dpif.conntrack.match import Masked, Match, TuplePattern
from dpif.conntrack.tuples import Tuple

HERE, THERE, PUBLIC = map(IPv4Address, ("10.0.0.1", "10.0.0.2", "10.9.9.9"))
UDP = Entry(Tuple(HERE, THERE, 17, 1000, 53), Tuple(THERE, PUBLIC, 17, 53, 2000), mark=0x15, labels=0xAB << 64)
PING = Entry(
    Tuple(HERE, THERE, 1, icmp_id=7, icmp_type=8, icmp_code=0),
    Tuple(THERE, HERE, 1, icmp_id=7, icmp_type=0, icmp_code=0),
)


@pytest.mark.parametrize(
    ("match", "fits_udp", "fits_ping"),
    [
        (Match(), True, True),
        (Match(17), True, False),
        (Match(orig=TuplePattern(src=HERE)), True, True),
        (Match(orig=TuplePattern(dst=HERE)), False, False),
        (Match(orig=TuplePattern(dst_port=53)), True, False),
        (Match(orig=TuplePattern(src_port=53)), False, False),
        (Match(reply=TuplePattern(dst=PUBLIC)), True, False),
        (Match(reply=TuplePattern(icmp_type=0)), False, True),
        (Match(1, TuplePattern(icmp_id=7)), False, True),
        (Match(mark=Masked(0x05, 0x0F)), True, False),
        (Match(mark=Masked(0x05, 0xFF)), False, False),
        (Match(mark=Masked(0, 0xFF)), False, True),
        (Match(labels=Masked(0xAB << 64, 0xFF << 64)), True, False),
    ],
)
def test_fits(match: Match, fits_udp: bool, fits_ping: bool) -> None:
    assert (match.fits(UDP), match.fits(PING)) == (fits_udp, fits_ping)


FULL = TuplePattern(HERE, THERE, 1000, 53)


@pytest.mark.parametrize(
    ("match", "connection"),
    [
        (Match(17, FULL), UDP.orig),
        (Match(1, TuplePattern(HERE, THERE, icmp_id=7, icmp_type=8, icmp_code=0)), PING.orig),
        (Match(1, TuplePattern(HERE, THERE)), None),
        (Match(orig=FULL), None),
        (Match(17, FULL._replace(dst_port=None)), None),
        (Match(17, FULL._replace(src=None)), None),
        (Match(17, FULL, mark=Masked(0, 1)), None),
        (Match(17, FULL, labels=Masked(0, 1)), None),
        (Match(17, FULL, TuplePattern(src=THERE)), None),
    ],
)
def test_the_one_connection_that_is_meant(match: Match, connection: Tuple | None) -> None:
    assert match.connection == connection


def test_everything_is_meant_by_nothing() -> None:
    assert Match().is_all
    assert not Match(17).is_all
    assert not Match(mark=Masked(0, 0xFF)).is_all
