"""Fixtures for tests in the lab. Every test in this directory is marked ``kernel``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpif.testing import netns
from dpif.testing.kernel import release

HERE = Path(__file__).parent


def is_newest() -> bool:
    """Tell whether this is the newest kernel of the lab; programs start there several times as fast as before."""
    return release() >= (7, 0)


on_the_newest_kernel = pytest.mark.skipif(not is_newest(), reason="once will do, on the newest kernel")


def pytest_itemcollected(item: pytest.Item) -> None:
    if HERE in item.path.parents:
        item.add_marker("kernel")


@pytest.fixture
def namespace() -> Iterator[netns.Namespace]:
    """An empty network namespace."""
    with netns.Namespace("test") as made:
        yield made


@pytest.fixture
def two_hosts() -> Iterator[list[netns.Host]]:
    """Two hosts, wired to two ports here that nothing connects."""
    with netns.hosts(2) as made:
        yield made
