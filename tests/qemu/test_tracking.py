"""Packets that are tracked and translated in two zones, step by step, on the kernel's datapath and on ours."""

from __future__ import annotations

from random import Random

from dpif.testing.ct_player import side_by_side
from dpif.testing.ct_sequences import random_sequence
from dpif.testing.kernel import KernelHarness, ways
from dpif.testing.userspace import UserspaceHarness

SEQUENCES = 16


def test_the_same_happens(harness: KernelHarness) -> None:
    """As in the first lane (tests/kernel/test_tracking_against_kernel.py), which has no zones."""
    random = Random(1)
    with UserspaceHarness(ways()) as ours, side_by_side(harness, ours) as both:
        for _ in range(SEQUENCES):
            sequence = random_sequence(random, zones=True)
            assert not both.difference(sequence), sequence
    assert both.compared > SEQUENCES, "some are long here, and not compared to their end"
