"""The queue of free port numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpif.client.port_numbers import MAX_PORTS, PortNumbers


def rest(numbers: PortNumbers) -> list[int]:
    """Return the numbers that are left, in their order."""
    return list(iter(numbers.take, None))


def test_at_first_they_come_in_order_and_without_the_local_port() -> None:
    assert rest(PortNumbers()) == list(range(1, MAX_PORTS))


def test_a_freed_number_comes_last() -> None:
    numbers = PortNumbers(4)
    assert numbers.take() == 1
    numbers.freed(1)
    assert rest(numbers) == [2, 3, 1]


def test_a_number_freed_again_waits_again() -> None:
    numbers = PortNumbers(4)
    numbers.freed(1)
    assert rest(numbers) == [2, 3, 1]


def test_a_number_that_was_not_used_comes_first() -> None:
    numbers = PortNumbers(4)
    numbers.take()
    second = numbers.take()
    assert second is not None
    numbers.give_back(second)
    assert rest(numbers) == [2, 3]


def test_numbers_that_are_never_given_are_not_kept() -> None:
    numbers = PortNumbers(4)
    for number in (0, 4, 65534):
        numbers.freed(number)
    assert rest(numbers) == [1, 2, 3]


def test_a_list_takes_used_ones_out_and_puts_lost_ones_at_the_end() -> None:
    numbers = PortNumbers(6)
    assert [numbers.take(), numbers.take()] == [1, 2]
    numbers.observed({0, 2, 4})
    assert rest(numbers) == [3, 5, 1]


@given(st.lists(st.tuples(st.sampled_from(("take", "freed", "used", "give_back")), st.integers(1, 7))))
def test_no_number_waits_twice(steps: list[tuple[str, int]]) -> None:
    numbers = PortNumbers(8)
    for step, number in steps:
        getattr(numbers, step)(*(() if step == "take" else (number,)))
    left = rest(numbers)
    assert len(left) == len(set(left))
    assert set(left) <= set(range(1, 8))
