"""What is made fast of the flows of workloads is what the slow ways make of them."""

from __future__ import annotations

import functools
import itertools
from random import Random

import pytest

from dpif.client.flows import Flow
from dpif.netlink.connection import Connection
from dpif.netlink.exchange import Request, RequestKind
from dpif.odp.actions import Actions
from dpif.odp.columns import WINDOW, Options, to_table
from dpif.odp.messages.flow import FlowRecord
from dpif.odp.messages.flow_rows import FlowRows
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.layouts import MISSES
from dpif.testing.columns import plain_columns

NAMES = ("plain", "ovn", "openstack", "dumps", "random")


def messages(name: str, seed: int, each: int = MISSES + 2) -> list[bytes]:
    """Return messages of some forms of a workload, of each some more than its layouts are compiled after."""
    from workloads import fill, forms

    given = [form._replace(share=1) for form in forms(name, seed)]
    some = Random(seed).sample(given, min(len(given), 24))
    return [flow.message() for flow in itertools.islice(fill(some, seed), each * len(some))]


@pytest.mark.parametrize("name", NAMES)
def test_typed_flows(name: str) -> None:
    rows = FlowRows()
    for message in messages(name, seed=11):
        record = rows(message)
        assert record == FlowRecord.from_reply(message)
        assert record.key is not None
        assert record.mask is not None
        assert record.actions is not None
        key, mask, actions = record.flow_key(), record.flow_mask(), record.flow_actions()
        assert key == FlowKey.from_bytes(record.key)
        assert mask == FlowMask.from_bytes(record.mask)
        assert actions == Actions.from_bytes(record.actions)
        assert (repr(key), repr(mask), repr(actions)) == (
            repr(FlowKey.from_bytes(record.key)),
            repr(FlowMask.from_bytes(record.mask)),
            repr(Actions.from_bytes(record.actions)),
        )


@pytest.mark.parametrize("name", NAMES)
def test_columns(name: str) -> None:
    from workloads import FAMILY, Replay

    given = messages(name, seed=12)
    replay = Replay(given)
    request = Request(RequestKind(FAMILY, bytes), b"")
    dump = functools.partial(Connection(lambda: replay).dump_datagrams, request, WINDOW)
    table = to_table(dump, Options(dotted=True), lambda record: record)
    expected = [plain_columns(Flow(FlowRecord.from_reply(message))) for message in given]
    rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    assert sorted(map(repr, map(sorted_items, rows))) == sorted(map(repr, map(sorted_items, expected)))


def sorted_items(row: dict[str, object]) -> list[tuple[str, object]]:
    return sorted(row.items())
