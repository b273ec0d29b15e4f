"""The demonstration's second part, on the lab's kernel."""

from __future__ import annotations

import pytest

from dpif.demo.kernel import play_kernel

pytestmark = pytest.mark.lab


def test_first_packets_go_through_python_and_the_rest_by_the_kernel() -> None:
    lines: list[str] = []
    assert play_kernel(lines.append, required=True), "\n".join(lines)
    rounds = [[int(cell) for cell in line.split()] for line in lines if line.strip().replace(" ", "").isdigit()]
    assert [row[:2] for row in rounds] == [[1, 1], [10, 10], [100, 100]]
    came_up, switched = [row[2] for row in rounds], [row[3] for row in rounds]
    assert came_up[0] == came_up[2] <= 6
    assert switched[1] - switched[0] == 20
    assert switched[2] - switched[1] == 200
