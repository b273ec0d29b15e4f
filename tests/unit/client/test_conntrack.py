from __future__ import annotations

import errno

import pytest

from dpif import NetlinkError
from dpif.client.conntrack import open_conntrack
from dpif.conntrack import Conntrack


def test_the_connections_of_a_userspace_datapath_are_out_of_reach() -> None:
    with pytest.raises(NetlinkError, match=r"for kernel datapaths \(system@\) only, not for netdev@") as caught:
        open_conntrack("netdev")
    assert caught.value.errno == errno.EOPNOTSUPP


def test_those_of_the_kernel_need_no_connection_before_they_are_asked_for() -> None:
    conntrack = open_conntrack("system")
    assert isinstance(conntrack, Conntrack)
    conntrack.close()
