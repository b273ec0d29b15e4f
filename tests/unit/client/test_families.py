"""A peer that has no family at all but the one that names them."""

from __future__ import annotations

import errno

import pytest

from dpif.client.families import transact_optional
from dpif.errors import NetlinkError, Unavailable
from dpif.netlink.connection import Connection
from dpif.netlink.loopback import LoopbackTransport
from dpif.netlink.service import Service
from dpif.odp.messages.meter import MeterRecord

REQUEST = MeterRecord(command=1).request("reading the meter features of br0")


def test_a_family_that_is_not_there_is_not_supported() -> None:
    service = Service()
    with (
        Connection(lambda: LoopbackTransport(service)) as connection,
        pytest.raises(NetlinkError, match="there is no generic netlink family ovs_meter") as caught,
    ):
        transact_optional(connection, REQUEST)
    assert caught.value.errno == errno.EOPNOTSUPP


def test_a_closed_connection_is_another_matter() -> None:
    connection = Connection(lambda: LoopbackTransport(Service()))
    connection.close()
    with pytest.raises(Unavailable, match="the connection is closed"):
        transact_optional(connection, REQUEST)
