"""Packets that are tracked and translated, step by step, on the kernel's datapath and on ours.

``DPIF_TRACKING_SEQUENCES`` says how many sequences are tried (200 unless told), ``DPIF_TRACKING_SEED`` makes other
ones. One that fails is made simpler before it is shown; ``DPIF_TRACKING_SEQUENCE`` gives one to be tried alone.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from dpif.testing import ct_sequences
from dpif.testing.ct_player import side_by_side
from dpif.testing.ct_sequences import Sequence, random_sequence
from dpif.testing.kernel import KernelHarness, ways
from dpif.testing.userspace import UserspaceHarness

SEED = int(os.environ.get("DPIF_TRACKING_SEED", "1"))
SEQUENCES = int(os.environ.get("DPIF_TRACKING_SEQUENCES", "200"))
ONE = os.environ.get("DPIF_TRACKING_SEQUENCE")


def sequences(copies: bool) -> list[Sequence]:
    if ONE:
        return [eval(ONE, vars(ct_sequences))]
    random = Random(SEED)
    return [random_sequence(random, copies=copies) for _ in range(SEQUENCES)]


def test_the_same_happens() -> None:
    with KernelHarness() as kernel, UserspaceHarness(ways()) as ours, side_by_side(kernel, ours) as both:
        tried = sequences(both.players[0].copies_share())
        for sequence in tried:
            found = both.difference(sequence)
            if found:
                simple = both.simplify(sequence)
                pytest.fail(f"{both.difference(simple) or found}\n{simple!r}", pytrace=False)
    steps = sum(len(sequence.steps) for sequence in tried)
    assert both.compared > steps // 4, "the others took too long, or chance decided"
