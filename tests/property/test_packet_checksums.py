"""Checksums: the quick sums against the definition, and the incremental update against a new sum."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dpif.packet.checksum import checksum, ones_complement_sum, update

words = st.integers(0, 0xFFFF)


def slow_sum(data):
    """RFC 1071 by the letter: 16-bit words, carries added around."""
    total = 0
    for high, low in zip(data[::2], [*data[1::2], 0][: len(data[::2])], strict=True):
        total += high << 8 | low
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=200))
def test_sum_is_the_slow_sum(data):
    assert ones_complement_sum(data) == slow_sum(data)


@given(st.binary(max_size=64).filter(lambda data: len(data) % 2 == 0), words)
def test_initial_is_as_good_as_more_data(data, initial):
    assert checksum(data, initial) == checksum(data + initial.to_bytes(2))


@given(st.binary(max_size=64).filter(lambda data: len(data) % 2 == 0))
def test_with_its_checksum_all_sums_to_zero(data):
    assert checksum(data + checksum(data).to_bytes(2)) == 0


@given(st.sampled_from([16, 32, 128]), st.data())
def test_update_is_a_new_sum(bits, data):
    numbers = st.integers(0, (1 << bits) - 1)
    old, new, rest = data.draw(numbers), data.draw(numbers), data.draw(st.binary(min_size=2, max_size=2))
    before, after = old.to_bytes(bits // 8) + rest, new.to_bytes(bits // 8) + rest
    updated = update(checksum(before), old, new, bits)
    assert updated % 0xFFFF == checksum(after) % 0xFFFF
    assert updated != 0xFFFF
