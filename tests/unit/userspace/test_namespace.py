"""Datapaths and devices that come and go, and which requests about them are refused."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager

import pytest

from dpif.odp.constants import DP_MAX_PORTS, VportType
from dpif.userspace.devices.memory import MemoryDevice
from dpif.userspace.engine.datapath import Datapath
from dpif.userspace.engine.namespace import Namespace, PortRequest
from dpif.userspace.engine.port import Port

from .conftest import PORT_ID, Engine


def refused(code: int) -> AbstractContextManager[object]:
    return pytest.raises(OSError, match=rf"\[Errno {code}\]")


def request(name: str, number: int = 0, type_: int = VportType.NETDEV, ifindex: int = 0) -> PortRequest:
    return PortRequest(name, type_, (PORT_ID,), number, ifindex)


def test_a_datapath_has_a_local_port_of_its_name(engine: Engine) -> None:
    port = engine.dp.local
    assert (port.number, port.name, port.type, port.device.is_internal) == (0, "dp0", VportType.INTERNAL, True)
    assert engine.namespace.find_datapath(engine.dp.ifindex) is engine.dp
    assert engine.namespace.find_datapath(0, "dp0") is engine.dp


@pytest.mark.parametrize("name", ["dp0", "h1"])
def test_a_taken_name_is_refused(engine: Engine, name: str) -> None:
    with refused(errno.EEXIST):
        engine.add_datapath(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a:b", "a b", "a" * 16])
def test_a_bad_name_is_refused(engine: Engine, name: str) -> None:
    with refused(errno.EINVAL):
        engine.add_datapath(name)
    assert name not in engine.namespace.devices


def test_a_taken_number_of_a_datapath_is_a_taken_name(engine: Engine) -> None:
    with refused(errno.EEXIST):
        engine.namespace.add_datapath(Datapath(engine.namespace), "dp1", 0, engine.dp.ifindex)
    assert "dp1" not in engine.namespace.devices


def test_a_wanted_number_is_given(engine: Engine) -> None:
    other = Datapath(engine.namespace)
    engine.namespace.add_datapath(other, "dp1", 0, 100)
    assert other.ifindex == 100


@pytest.mark.parametrize(("number", "name"), [(999, None), (0, "dp9"), (0, "h1")])
def test_what_is_no_datapath_is_not_found(engine: Engine, number: int, name: str | None) -> None:
    with refused(errno.ENODEV):
        engine.namespace.find_datapath(number, name)


def test_a_removed_datapath_leaves_the_devices_that_were_there_before_it(engine: Engine) -> None:
    engine.namespace.add_port(engine.dp, request("int0", type_=VportType.INTERNAL))
    engine.namespace.remove_datapath(engine.dp)
    assert set(engine.namespace.devices) == {"h1", "h2", "h3"}
    assert engine.namespace.datapaths == {}
    assert all(device.port is None for device in engine.namespace.devices.values())


def test_numbers_of_removed_devices_are_not_given_again(engine: Engine) -> None:
    number = engine.dp.ifindex
    engine.namespace.remove_datapath(engine.dp)
    assert engine.add_datapath("dp0").ifindex != number


def test_the_lowest_free_port_number_is_given(engine: Engine) -> None:
    engine.namespace.remove_port(engine.dp.ports[2])
    engine.device("h9")
    assert engine.namespace.add_port(engine.dp, request("h9")).number == 2


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (request("nowhere"), errno.ENODEV),
        (request("h1"), errno.EEXIST),
        (request("dp0"), errno.EINVAL),
        (request("free", 1), errno.EBUSY),
        (request("free", DP_MAX_PORTS), errno.EFBIG),
        (request("free", type_=VportType.INTERNAL), errno.EEXIST),
        (request("free", type_=VportType.DUMMY), errno.EEXIST),
        (request("new", type_=VportType.LISP), errno.EAFNOSUPPORT),
        (request("new", type_=VportType.INTERNAL, ifindex=2), errno.EBUSY),
        (request("a b", type_=VportType.INTERNAL), errno.EINVAL),
        (PortRequest("free", VportType.NETDEV, ()), errno.EINVAL),
        (PortRequest("free", VportType.NETDEV, (1, 2)), errno.EINVAL),
    ],
)
def test_bad_ports_are_refused(engine: Engine, wanted: PortRequest, code: int) -> None:
    engine.device("free")
    with refused(code):
        engine.namespace.add_port(engine.dp, wanted)
    assert set(engine.dp.ports) == {0, 1, 2, 3}
    assert set(engine.namespace.devices) == {"dp0", "h1", "h2", "h3", "free"}


def test_a_device_of_another_datapath_is_busy(engine: Engine) -> None:
    other = engine.add_datapath("dp1")
    with refused(errno.EBUSY):
        engine.namespace.add_port(other, request("h1"))


def test_a_full_datapath_has_no_number_left(engine: Engine) -> None:
    engine.dp.ports.update((number, engine.dp.ports[1]) for number in range(4, DP_MAX_PORTS))
    engine.device("h9")
    with refused(errno.EFBIG):
        engine.namespace.add_port(engine.dp, request("h9"))
    for number in range(4, DP_MAX_PORTS):
        del engine.dp.ports[number]


def test_the_local_port_stays(engine: Engine) -> None:
    with refused(errno.EINVAL):
        engine.namespace.remove_port(engine.dp.local)


def test_a_removed_device_takes_its_port_with_it(engine: Engine) -> None:
    gone: list[tuple[int, bool]] = []

    def note(port: Port) -> None:
        gone.append((port.number, port.number in engine.dp.ports))

    engine.namespace.on_port_gone = note
    engine.hosts[1].close()
    engine.hosts[1].close()
    assert gone == [(1, True)]
    assert set(engine.dp.ports) == {0, 2, 3}
    assert "h1" not in engine.namespace.devices


def test_a_device_without_a_port_goes_quietly(engine: Engine) -> None:
    gone: list[Port] = []
    engine.namespace.on_port_gone = gone.append
    engine.device("free").close()
    assert gone == []


def test_an_internal_device_goes_with_its_port_only(engine: Engine) -> None:
    port = engine.namespace.add_port(engine.dp, request("int0", type_=VportType.INTERNAL))
    for device in (port.device, engine.dp.local.device):
        with refused(errno.EOPNOTSUPP):
            device.close()
    engine.namespace.remove_port(port)
    assert "int0" not in engine.namespace.devices


def test_a_device_that_is_no_port_loses_its_packets(engine: Engine) -> None:
    device = engine.device("free")
    device.send(bytes(60))
    assert engine.dp.n_missed == 0


def test_changes_of_devices_are_told(engine: Engine) -> None:
    told: list[set[str]] = []
    engine.namespace.on_devices_changed = lambda: told.append(set(engine.namespace.devices))
    device = engine.device("new")
    device.close()
    assert [("new" in names) for names in told] == [True, False]


def test_closing_ends_everything(engine: Engine) -> None:
    engine.namespace.close()
    assert (engine.namespace.datapaths, engine.namespace.devices) == ({}, {})


def test_a_device_that_cannot_be_made_known_is_released(engine: Engine) -> None:
    released: list[str] = []

    class Fussy(MemoryDevice):
        def release(self) -> None:
            released.append(self.name)

    def make(namespace: Namespace, name: str, options: object) -> Fussy:
        return Fussy(namespace, name)

    engine.namespace.factories = {VportType.INTERNAL: make}
    with refused(errno.EBUSY):
        engine.namespace.add_port(engine.dp, request("new", type_=VportType.INTERNAL, ifindex=engine.dp.ifindex))
    assert released == ["new"]
