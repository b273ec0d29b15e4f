"""Whatever happens to connections: each is found by the tuples that it has, and nothing else is found."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from dpif import Userspace
from dpif.odp.kernel.rules import KERNELS
from dpif.testing.ct_player import Player, play
from dpif.testing.ct_sequences import random_sequence
from dpif.userspace.engine.conntrack.index import Index
from dpif.userspace.underlays.memory import MemoryUnderlay

FOR_EVER = 10_000_000


def check(index: Index) -> None:
    """Fail unless the index and the connections in it agree."""
    expected = {}
    for connection in index:
        assert connection.is_confirmed
        if not connection.is_hidden:
            expected[connection.zone, connection.original] = (connection, False)
        expected[connection.zone, connection.reply] = (connection, True)
        sources = tuple(index.with_source(connection.zone, connection.original))
        assert sources.count(connection) == connection.source_set
        assert all(source in index for source in sources)
    assert dict(index.items()) == expected


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(sorted(KERNELS)))
def test_the_index_agrees_with_the_connections(seed: int, kernel: str) -> None:
    random = Random(seed)
    now = 0
    with Userspace(lambda: now, random, MemoryUnderlay("192.0.2.1"), kernel=kernel) as us:
        dp = us.open("br0", create=True)
        dp.ports.add(us.device("h1").name)
        index = us.namespace.tracker.index
        with dp, dp.upcalls(miss=False) as upcalls:
            for _ in play(random_sequence(random, zones=True), [Player(dp, upcalls)]):
                check(index)
                now += random.choice((0, 0, 0, 0, 1, 31, 121))
        now += FOR_EVER
        assert len(us.namespace.tracker) == 0
        check(index)
