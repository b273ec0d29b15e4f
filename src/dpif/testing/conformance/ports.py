"""Behaviour of ports: attaching, detaching, looking up."""

from __future__ import annotations

import errno

import pytest

from dpif.client import Datapath, find_port
from dpif.errors import NetlinkError, NoSuchObject
from dpif.netlink.constants import NLM_F_ECHO
from dpif.odp.constants import VportCmd, VportType
from dpif.odp.messages import VportRecord
from dpif.testing.conformance.harness import NONE_WITHIN, Harness, refused, two_ports
from dpif.testing.conformance.looks import count_requests


def attach_raw(dp: Datapath, name: str, port_no: int | None = None) -> VportRecord:
    """Attach a device by a plain request; return the reply."""
    record = VportRecord(
        command=VportCmd.NEW,
        dp_ifindex=dp.ifindex,
        name=name,
        type=VportType.NETDEV,
        port_no=port_no,
        upcall_pid=(0,),
    )
    reply = dp.connection.transact(record.request(f"attach {name}", NLM_F_ECHO))
    assert reply is not None
    return reply


class PortNumbering:
    """Numbers where the caller leaves the choice: interface.md sections 1.1 and 1.2."""

    def test_a_freed_number_is_used_last(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        dp.ports.delete(1)
        third = harness.host()
        assert dp.ports.add(first.name).number == 3
        assert dp.ports.add(third.name).number == 4
        waiting = list(iter(dp.ports._numbers.take, None))
        assert (waiting[0], waiting[-1]) == (5, 1)
        assert [port.number for port in dp.ports] == [0, 2, 3, 4]

    def test_numbers_taken_by_others_are_passed_over(self, harness: Harness) -> None:
        """One look at the ports tells of all of them."""
        harness.open("conf0", create=True)
        for number in range(1, 8):
            attach_raw(harness.open("conf0"), harness.host().name, port_no=number)
        dp = harness.open("conf0")
        requests = count_requests(dp)
        assert dp.ports.add(harness.host().name).number == 8
        assert requests.count(VportCmd.NEW) == 2

    def test_a_device_of_somebody_else_costs_no_numbers(self, harness: Harness) -> None:
        """Trap T1: EBUSY says that the number is taken, or that the device is."""
        dp, first, _ = two_ports(harness)
        other = harness.open("conf1", create=True)
        requests = count_requests(other)
        with refused(errno.EBUSY):
            other.ports.add(first.name)
        assert len(requests) <= 3
        dp.ports.delete(1)
        assert other.ports.add(first.name).number == 1

    def test_a_refusal_says_which_it_was(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        other = harness.open("conf1", create=True)
        for number in (None, 7):
            with pytest.raises(NetlinkError, match="busy: it is port 1 of conf0 already"):
                other.ports.add(first.name, number=number)
        with pytest.raises(NetlinkError, match="exists: it is port 1 of conf0 already"):
            dp.ports.add(first.name)
        with pytest.raises(NetlinkError, match="port number 2 is taken"):
            dp.ports.add(harness.host().name, number=2)

    def test_any_refusal_costs_no_number(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        for _ in range(3):
            with refused(errno.ENODEV):
                dp.ports.add("nosuchdev")
        assert dp.ports.add(harness.host().name).number == 1

    def test_numbers_freed_by_others_come_back_with_a_list(self, harness: Harness) -> None:
        """Row 17; a list that does not come to its end tells nothing of the kind (trap T3)."""
        dp, first, _ = two_ports(harness)
        harness.open("conf0").ports.delete(1)
        list(dp.ports)
        remaining = [dp.ports._numbers.take() for _ in range(dp.ports.max_ports - 2)]
        assert remaining[-1] == 1
        assert 2 not in remaining
        assert dp.ports._numbers.take() is None
        assert dp.ports.add(first.name).number == 1  # chosen by the datapath, as there is none left

    def test_a_list_that_fails_frees_no_numbers(self, harness: Harness) -> None:
        """Trap T3."""
        dp, _, _ = two_ports(harness)
        dp.destroy()
        with refused(errno.ENODEV):
            list(dp.ports)
        assert dp.ports._numbers.take() == 3
        remaining = {dp.ports._numbers.take() for _ in range(dp.ports.max_ports)}
        assert not remaining & {1, 2}


class PortLife:
    """What ports do when all is well."""

    def test_a_device_becomes_a_port(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        host = harness.host()
        port = dp.ports.add(host.name)
        assert (port.number, port.name, port.type) == (1, host.name, "system")
        assert dp.ports.get(1).name == host.name
        assert dp.ports.get(host.name).number == 1

    def test_the_lowest_free_number_is_given(self, harness: Harness) -> None:
        """By the datapath, when it is left the choice; 0 leaves it as well."""
        dp = harness.open("conf0", create=True)
        assert dp.ports.add(harness.host().name, number=2).number == 2
        assert [attach_raw(dp, harness.host().name).port_no for _ in range(2)] == [1, 3]
        assert attach_raw(dp, harness.host().name, port_no=0).port_no == 4

    def test_the_highest_number_is_65534(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        assert dp.ports.add(harness.host().name, number=65534).number == 65534

    def test_an_internal_port_is_a_device_of_its_own(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        port = dp.ports.add("conf0i", type="internal")
        assert (port.number, port.type) == (1, "internal")
        with refused(errno.EEXIST):
            harness.open("conf0i", create=True)

    def test_the_index_of_an_internal_device_may_be_chosen(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        assert dp.ports.add("conf0i", type="internal", ifindex=4711).ifindex == 4711
        with pytest.raises(NetlinkError, match="another device has the interface index 4711"):
            dp.ports.add("conf0j", type="internal", ifindex=4711)
        with pytest.raises(NetlinkError, match="another device has the interface index 4711"):
            dp.ports.add("conf0j", type="internal", ifindex=4711, number=9)
        for type_ in ("system", "vxlan", "vport-vxlan"):
            with refused(errno.EOPNOTSUPP, type_):
                dp.ports.add(harness.host().name, type=type_, ifindex=4712)
        assert len(dp.ports.names()) == 4

    def test_ports_are_listed_by_number(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        third = harness.host()
        dp.ports.add(third.name, number=1023)
        assert dp.ports.names() == {0: "conf0", 1: first.name, 2: second.name, 1023: third.name}

    def test_ports_are_looked_up_by_number_and_name(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        port = dp.ports[first.name]
        assert (port.number, dp.ports[1].name, len(dp.ports)) == (1, first.name, 3)
        assert 1 in dp.ports
        assert first.name in dp.ports
        assert port in dp.ports
        with pytest.raises(NoSuchObject):
            dp.ports["nobody"]
        dp.ports.delete(1)
        assert (first.name in dp.ports, 1 in dp.ports, port in dp.ports, len(dp.ports)) == (False, False, False, 2)

    @pytest.mark.parametrize("port", ["", "x" * 15, "x" * 16, "x" * 300, -1, 65535, 1 << 40, None, 1.0, b"conf0"])
    def test_what_can_be_no_port_is_none(self, harness: Harness, port: object) -> None:
        dp = harness.open("conf0", create=True)
        assert port not in dp.ports

    def test_a_port_of_another_datapath_is_none_here(self, harness: Harness) -> None:
        _, first, _ = two_ports(harness)
        assert first.name not in harness.open("conf1", create=True).ports

    def test_ports_show_themselves(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        assert repr(dp.ports) == f"<Ports of {dp}: 0:conf0, 1:{first.name}, 2:{second.name}>"
        dp.destroy()
        assert repr(dp.ports).startswith(f"<Ports of {dp}: ")
        assert dp.ports  # asks nobody

    def test_a_detached_port_is_gone_and_its_device_free(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        dp.ports.delete(1)
        dp.ports.delete(second.name)
        assert [port.number for port in dp.ports] == [0]
        other = harness.open("conf1", create=True)
        assert other.ports.add(first.name).number == 1

    def test_the_ports_of_a_deleted_datapath_are_free(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        dp.destroy()
        other = harness.open("conf1", create=True)
        assert other.ports.add(first.name).number == 1

    def test_a_device_that_vanishes_takes_its_port_along(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        first.remove()
        with refused(errno.ENODEV):
            dp.ports.get(1)

    def test_upcall_pids_are_what_was_set(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        assert dp.ports.get(1).upcall_pids == (0,)
        dp.ports.set_upcall_pids(1, (4711,))
        assert dp.ports.get(1).upcall_pids == (4711,)

    def test_counters_are_seen_from_the_datapath(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        before = {port.number: port.stats for port in dp.ports}
        dp.execute(bytes(60), "2")
        assert second.recv() == bytes(60)
        first.send(bytes(64))
        assert second.recv(NONE_WITHIN) is None
        after = {port.number: port.stats for port in dp.ports}
        assert after[2].tx_packets == before[2].tx_packets + 1  # type: ignore[union-attr]
        assert after[2].tx_bytes == before[2].tx_bytes + 60  # type: ignore[union-attr]
        assert after[1].rx_packets == before[1].rx_packets + 1  # type: ignore[union-attr]
        assert after[1].rx_bytes == before[1].rx_bytes + 64  # type: ignore[union-attr]


class PortErrors:
    """What is refused, and how: wire.md section 4."""

    def test_attaching(self, harness: Harness) -> None:
        dp, first, second = two_ports(harness)
        other = harness.open("conf1", create=True)
        with refused(errno.ENODEV):
            dp.ports.add("nosuchdev")
        with refused(errno.EEXIST):
            dp.ports.add(first.name)
        with refused(errno.EBUSY):
            other.ports.add(first.name)
        with refused(errno.EBUSY):
            dp.ports.add(harness.host().name, number=2)
        with refused(errno.EFBIG):
            dp.ports.add(harness.host().name, number=65535)
        with refused(errno.EEXIST):
            dp.ports.add(second.name, type="internal")
        with refused(errno.EINVAL):
            dp.ports.add("conf1")  # another datapath's internal device

    def test_attaching_with_a_type_that_is_not_known(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        record = VportRecord(
            command=VportCmd.NEW, dp_ifindex=dp.ifindex, name="conf0x", type=VportType.LISP, upcall_pid=(0,)
        )
        with refused(errno.EAFNOSUPPORT):
            dp.connection.transact(record.request("unknown type"))

    def test_attaching_without_a_mandatory_attribute(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        whole = {"name": harness.host().name, "type": VportType.NETDEV, "upcall_pid": (0,)}
        for left_out in whole:
            rest = {name: value for name, value in whole.items() if name != left_out}
            record = VportRecord(command=VportCmd.NEW, dp_ifindex=dp.ifindex, **rest)  # type: ignore[arg-type]
            with refused(errno.EINVAL):
                dp.connection.transact(record.request(f"without {left_out}"))

    def test_detaching(self, harness: Harness) -> None:
        dp = harness.open("conf0", create=True)
        with refused(errno.ENODEV):
            dp.ports.delete(7)
        with refused(errno.EINVAL):
            dp.ports.delete(0)
        with refused(errno.EFBIG):
            dp.ports.delete(65535)

    def test_looking_up(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        other = harness.open("conf1", create=True)
        with refused(errno.ENODEV):
            dp.ports.get(7)
        with refused(errno.ENODEV):
            dp.ports.get("nosuchdev")
        with refused(errno.EFBIG):
            dp.ports.get(65535)
        with refused(errno.ENODEV):
            other.ports.get(first.name)
        with refused(errno.EINVAL):
            dp.connection.transact(VportRecord(command=VportCmd.GET, dp_ifindex=dp.ifindex).request("neither"))

    def test_a_name_is_looked_up_in_all_datapaths_when_none_is_given(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        record = VportRecord(command=VportCmd.GET, dp_ifindex=0, port_no=0, name=first.name)
        reply = dp.connection.transact(record.request("find"))
        assert reply is not None
        assert (reply.dp_ifindex, reply.port_no) == (dp.ifindex, 1)
        ifindex, port = find_port(dp.connection, first.name)
        assert (ifindex, port.number) == (dp.ifindex, 1)

    def test_internal_devices_are_told_from_others(self, harness: Harness) -> None:
        dp, first, _ = two_ports(harness)
        other = harness.open("conf1", create=True)
        other.ports.add("conf1i", type="internal")
        for name, internal in (("conf0", True), ("conf1i", True), (first.name, False), ("nosuchdev", False)):
            assert dp.is_internal_device(name) == internal, name

    def test_changing(self, harness: Harness) -> None:
        dp, _, _ = two_ports(harness)
        wrong_type = VportRecord(command=VportCmd.SET, dp_ifindex=dp.ifindex, port_no=1, type=VportType.INTERNAL)
        with refused(errno.EINVAL):
            dp.connection.transact(wrong_type.request("change type", NLM_F_ECHO))
        with refused(errno.ENODEV):
            dp.ports.set_upcall_pids(7, (1,))
        with refused(errno.EINVAL):
            dp.ports.set_upcall_pids(1, ())
