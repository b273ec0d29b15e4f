"""Texts of flows, read and encoded as ``add-flows`` does, and formatted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import workload

from dpif.client.operations import Put
from dpif.odp.actions import parse_actions
from dpif.odp.model.key import format_key, parse_match

COUNT = 1000

Case = tuple[str, int, Callable[[], object]]


def bench_text() -> Iterator[Case]:
    texts = [(workload.key(number), workload.actions(number)) for number in range(COUNT)]
    matches = [parse_match(key) for key, _ in texts]
    puts = [Put(key, actions) for key, actions in texts]
    yield "parse a match", COUNT, lambda: [parse_match(key) for key, _ in texts]
    yield "parse actions", COUNT, lambda: [parse_actions(actions) for _, actions in texts]
    # More texts than are remembered, so that on every line one element is new, as in a file.
    files = itertools.cycle(
        [
            [(workload.key(number), workload.actions(number)) for number in range(start, start + COUNT)]
            for start in range(0, 20 * COUNT, COUNT)
        ]
    )
    yield "make a put of texts", COUNT, lambda: [Put(key, actions) for key, actions in next(files)]
    yield "its request", COUNT, lambda: [put.request(5) for put in puts]
    yield "format a match", COUNT, lambda: [format_key(key, mask) for key, mask in matches]
