"""The masked flow table: which flow a key finds, by which of the three ways, and what it costs."""

from __future__ import annotations

import pytest

from dpif.userspace.engine.table import Flow, FlowTable

Table = FlowTable[str]


def flow(key: int, mask: int, name: str = "", ufid: bytes | None = None) -> Flow[str]:
    return Flow(key, mask, ufid, name)


@pytest.fixture
def table() -> Table:
    return FlowTable()


def test_a_key_finds_the_flow_whose_mask_covers_it(table: Table) -> None:
    wide = flow(0x1234, 0xFF00)
    table.insert(wide)
    assert table.lookup(0x12FF) is wide
    assert table.lookup(0x1334) is None


def test_lookups_count_the_masks_that_they_try(table: Table) -> None:
    for mask in (0xF000, 0x0F00, 0x00F0):
        table.insert(flow(0x1110 & mask, mask))
    assert table.n_masks == 3
    table.lookup(0x1000)
    assert table.n_mask_hit == 1
    table.lookup(0x0010)
    assert table.n_mask_hit == 4
    table.lookup(0x0000)
    assert table.n_mask_hit == 7


def test_finding_without_a_packet_counts_nothing(table: Table) -> None:
    table.insert(flow(1, 1))
    assert table.find(1) is not None
    assert table.find(2) is None
    assert table.n_mask_hit == 0


def test_flows_with_one_mask_share_it(table: Table) -> None:
    for key in range(8):
        table.insert(flow(key, 7))
    assert (len(table), table.n_masks) == (8, 1)


def test_an_unused_mask_goes(table: Table) -> None:
    flows = [flow(0xFFFF, mask) for mask in (1, 2, 4)]
    for one in flows:
        table.insert(one)
    table.remove(flows[0])
    assert table.n_masks == 2
    assert [table.find(key) for key in (1, 2, 4)] == [None, flows[1], flows[2]]


def test_the_last_mask_takes_the_place_of_the_one_that_goes(table: Table) -> None:
    flows = [flow(0xFFFF, mask) for mask in (1, 2, 4)]
    for one in flows:
        table.insert(one)
    table.remove(flows[0])
    table.lookup(4)
    assert table.n_mask_hit == 1


def test_exact_finds_by_the_unmasked_key_only(table: Table) -> None:
    wide = flow(0x1234, 0xFF00)
    table.insert(wide)
    assert table.find_exact(0x1234) is wide
    assert table.find_exact(0x12FF) is None


def test_exact_looks_behind_a_flow_that_covers_the_key_too(table: Table) -> None:
    table.insert(flow(0x1200, 0xFF00))
    narrow = flow(0x1234, 0xFFFF)
    table.insert(narrow)
    assert table.find_exact(0x1234) is narrow


def test_a_flow_with_an_identifier_is_not_found_by_key(table: Table) -> None:
    named = flow(0x1234, 0xFFFF, ufid=b"name")
    table.insert(named)
    assert table.find_exact(0x1234) is None
    assert table.find_ufid(b"name") is named
    assert table.lookup(0x1234) is named


def test_an_identifier_goes_with_its_flow(table: Table) -> None:
    named = flow(1, 1, ufid=b"name")
    table.insert(named)
    table.remove(named)
    assert table.find_ufid(b"name") is None


def test_a_flow_without_identifier_is_for_its_unmasked_key() -> None:
    assert flow(0x1234, 0xFF00).is_for(0x1234)
    assert not flow(0x1234, 0xFF00).is_for(0x1200)


def test_a_flow_with_identifier_is_for_its_masked_key() -> None:
    assert flow(0x1234, 0xFF00, ufid=b"name").is_for(0x1200)
    assert not flow(0x1234, 0xFF00, ufid=b"name").is_for(0x1234)


def test_iteration_bears_changes(table: Table) -> None:
    flows = [flow(key, 0xFF) for key in range(4)]
    for one in flows:
        table.insert(one)
    seen = []
    for one in table:
        seen.append(one)
        table.remove(one)
        table.insert(flow(one.key + 100, 0xFF))
    assert seen == flows
    assert len(table) == 4


def test_flushing_leaves_nothing(table: Table) -> None:
    table.insert(flow(1, 1, ufid=b"name"))
    table.flush()
    assert (len(table), table.n_masks, table.find_ufid(b"name"), list(table)) == (0, 0, None, [])


def test_nobody_waits_for_a_list_of_all_flows(table: Table) -> None:
    """Of each mask there are those that it has when its turn comes."""
    for mask in (0xFF00, 0x00FF):
        table.insert(flow(0x0101, mask))
    met = iter(table)
    assert next(met).mask == 0xFF00
    late = flow(0x0102, 0x00FF)
    table.insert(late)
    table.insert(flow(0x0200, 0xFF00))
    first, *rest = met
    assert (first.mask, rest) == (0x00FF, [late])
