"""Large receive offload, on the one device that every system has."""

from __future__ import annotations

import sys

import pytest

from dpif.client.devices import has_lro, switch_off_lro

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ethtool is Linux's")


def test_the_loopback_device_has_none() -> None:
    assert not has_lro("lo")
    switch_off_lro("lo")  # nothing to do


def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OSError, match="No such device"):
        switch_off_lro("nosuchdev")
