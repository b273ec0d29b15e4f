from __future__ import annotations

from by_hand.mac_table import Learned, MacTable

A, B, C = b"station a", b"station b", b"station c"


def test_learning_says_what_is_new() -> None:
    table = MacTable(max_age=300, limit=10)
    assert table.port_of(A) is None
    assert table.learn(A, 1, now=0) is Learned.NEW
    assert table.learn(A, 1, now=1) is Learned.NOTHING
    assert table.learn(A, 2, now=2) is Learned.MOVED
    assert table.port_of(A) == 2
    assert len(table) == 1


def test_a_full_table_keeps_what_it_has() -> None:
    table = MacTable(max_age=10, limit=2)
    table.learn(A, 1, now=0)
    table.learn(B, 2, now=5)
    assert table.learn(C, 3, now=6) is Learned.FULL
    assert table.port_of(C) is None
    assert table.learn(A, 4, now=7) is Learned.MOVED, "those that are known may move"
    table.expire(now=15)
    assert table.learn(C, 3, now=15) is Learned.NEW


def test_stations_are_forgotten_when_they_have_been_silent_for_the_age() -> None:
    table = MacTable(max_age=10, limit=10)
    table.learn(A, 1, now=0)
    table.learn(B, 1, now=0)
    table.refresh(B, now=4)
    assert table.expire(now=9.9) == []
    assert table.expire(now=10) == [A]
    assert table.expire(now=13.9) == []
    assert table.expire(now=14) == [B]
    assert len(table) == 0


def test_refreshing_an_unknown_station_does_not_learn_it() -> None:
    table = MacTable(max_age=10, limit=10)
    table.refresh(A, now=0)
    assert table.port_of(A) is None


def test_a_port_is_forgotten_with_all_stations_at_it() -> None:
    table = MacTable(max_age=10, limit=10)
    for station, port in ((A, 1), (B, 2), (C, 1)):
        table.learn(station, port, now=0)
    assert sorted(table.forget_port(1)) == [A, C]
    assert table.port_of(B) == 2
    assert len(table) == 1
