"""Settings of the kernel's datapath: the mask cache, and features, which no other change may touch."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from dpif import Datapath, EncodeError, NetlinkError
from dpif.odp.constants import DatapathFeature
from dpif.testing.kernel import KernelHarness


@pytest.fixture
def dp() -> Iterator[Datapath]:
    with KernelHarness() as harness:
        yield harness.open("set0", create=True)


@pytest.mark.parametrize(("asked", "size"), [(0, 0), (1, 1), (2, 2), (3, 4), (100, 128), (128, 128), (2049, 4096)])
def test_the_mask_cache_has_a_power_of_two(dp: Datapath, asked: int, size: int) -> None:
    assert dp.set_masks_cache_size(asked) == size
    assert dp.masks_cache_size() == size


def test_a_mask_cache_that_is_too_large(dp: Datapath) -> None:
    before = dp.masks_cache_size()
    with pytest.raises(NetlinkError, match="changing datapath set0: Numerical result out of range") as caught:
        dp.set_masks_cache_size(1 << 30)
    assert caught.value.errno == errno.ERANGE
    for size in (-1, 1 << 33):
        with pytest.raises(EncodeError, match="MASKS_CACHE_SIZE"):
            dp.set_masks_cache_size(size)
    assert dp.masks_cache_size() == before


def test_the_size_of_the_mask_cache_does_not_touch_features(dp: Datapath) -> None:
    features = dp.set_features(DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS)
    dp.set_masks_cache_size(64)
    assert dp.user_features == features == DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS


def test_features_are_added_and_removed_one_by_one(dp: Datapath) -> None:
    assert dp.set_features(DatapathFeature.UNALIGNED) == DatapathFeature.UNALIGNED
    both = dp.set_features(DatapathFeature.VPORT_PIDS)
    assert both == DatapathFeature.UNALIGNED | DatapathFeature.VPORT_PIDS
    assert dp.set_features(0, remove=DatapathFeature.UNALIGNED) == DatapathFeature.VPORT_PIDS
    assert dp.user_features == DatapathFeature.VPORT_PIDS


def test_a_feature_that_the_kernel_does_not_know(dp: Datapath) -> None:
    dp.set_features(DatapathFeature.UNALIGNED)
    with pytest.raises(NetlinkError) as caught:
        dp.set_features(1 << 30)
    assert caught.value.errno == errno.EOPNOTSUPP
    assert dp.user_features == DatapathFeature.UNALIGNED
