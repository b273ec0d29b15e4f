"""Maglev hashing: everybody has nearly as many shares, and few change hands."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpif.program import ProgramError, maglev

members = st.sets(st.ip_addresses(v=4), min_size=1, max_size=40)


@given(members, st.sampled_from([64, 256, 1024]))
def test_shares_differ_by_one_at_most(servers: set[object], shares: int) -> None:
    counts = Counter(maglev(servers, shares))
    assert set(counts) == servers
    assert max(counts.values()) - min(counts.values()) <= 1


@given(members, st.randoms())
def test_the_order_of_members_does_not_matter(servers: set[object], random: object) -> None:
    shuffled = list(servers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert maglev(shuffled) == maglev(servers)


def test_few_shares_change_hands_when_one_leaves() -> None:
    servers = [f"10.0.0.{number}" for number in range(10)]
    before = maglev(servers, 1024)
    for gone in servers:
        after = maglev([server for server in servers if server != gone], 1024)
        moved = sum(old != new for old, new in zip(before, after, strict=True) if old != gone)
        assert moved < 0.1 * 1024, "of those that were not the server's own"


@pytest.mark.parametrize(("servers", "shares"), [([], 256), (["a"], 0), (["a"], 251)])
def test_what_cannot_be_shared_is_said(servers: list[str], shares: int) -> None:
    with pytest.raises(ProgramError, match="a power of two, and one or more"):
        maglev(servers, shares)
