"""The learning switch on a userspace datapath in this process, by a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

import dpif
from dpif.apps.switch import Switch, SwitchOptions, run_switch
from dpif.client import Datapath, Flows
from dpif.errors import NoSuchObject
from dpif.odp.model.key import format_key
from dpif.packet.build import arp_request, ethernet, vlan
from dpif.testing.waiting import PATIENCE

BROADCAST = "ff:ff:ff:ff:ff:ff"


class Lan:
    """A datapath with hosts in memory, at work on a switch; `clock` is in seconds."""

    def __init__(self, us: dpif.Userspace, options: SwitchOptions | None = None) -> None:
        self.us = us
        self.now = 1000.0
        self.dp: Datapath = us.open("br0", create=True)
        self.options = options or SwitchOptions()
        self.switch = self.start()

    def start(self) -> Switch:
        options = {name: getattr(self.options, name) for name in SwitchOptions.__slots__}
        return Switch(self.dp, SwitchOptions(**{**options, "clock": lambda: self.now}))

    def attach(self, *names: str) -> None:
        for name in names:
            self.us.device(name)
        self.switch.attach(names)

    def send(self, port: str, frame: bytes) -> set[str]:
        """Send a frame into a port, let the switch work, and return the ports that it came out of."""
        self.us.device(port).send(frame)
        self.switch.step()
        names = {other.name for other in self.dp.ports}
        return {name for name in names if self.received(name, frame)}

    def received(self, name: str, frame: bytes) -> bool:
        device = self.us.device(name)
        frames = list(iter(device.recv, None))
        assert frames in ([], [frame]), "each packet arrives once at most, and unchanged"
        return bool(frames)

    def wait(self, seconds: float) -> None:
        """Let time pass, a second at a step."""
        for _ in range(round(seconds)):
            self.now += 1
            self.switch.step()

    def flows(self) -> dict[str, str]:
        found = {}
        for flow in self.dp.flows:
            assert flow.key is not None
            found[format_key(flow.key, flow.mask)] = str(flow.actions) or "drop"
        return found


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def frame(src: int | str, dst: int | str, vid: int | None = None) -> bytes:
    source, target = (mac(end) if isinstance(end, int) else end for end in (src, dst))
    payload = arp_request(source, "10.0.0.1", "10.0.0.2")
    return ethernet(source, target, payload if vid is None else vlan(vid, payload))


def flow(in_port: int, src: int, dst: int | str) -> str:
    """The flow for packets to a station, or to a group: of these it matches what tells that no bridge keeps them."""
    target = mac(dst) if isinstance(dst, int) else f"{dst[:-1]}0/ff:ff:ff:ff:ff:f0"
    return f"recirc_id(0),in_port({in_port}),eth(src={mac(src)},dst={target})"


@pytest.fixture
def us() -> Iterator[dpif.Userspace]:
    with dpif.Userspace() as made:
        yield made


@pytest.fixture
def lan(us: dpif.Userspace) -> Iterator[Lan]:
    """Three hosts at ports 1, 2 and 3."""
    made = Lan(us)
    made.attach("h1", "h2", "h3")
    yield made
    made.switch.close()


# -- learning and forwarding --------------------------------------------------------------------------------------


def test_a_broadcast_goes_everywhere_but_back(lan: Lan) -> None:
    assert lan.send("h1", frame(1, BROADCAST)) == {"br0", "h2", "h3"}
    assert lan.flows() == {flow(1, 1, BROADCAST): "0,2,3"}


def test_the_answer_goes_where_the_question_came_from(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    assert lan.send("h2", frame(2, 1)) == {"h1"}
    assert lan.flows()[flow(2, 2, 1)] == "1"


def test_the_second_packet_of_a_kind_does_not_come_up(lan: Lan) -> None:
    for _ in range(5):
        assert lan.send("h1", frame(1, BROADCAST)) == {"br0", "h2", "h3"}
        assert lan.send("h2", frame(2, 1)) == {"h1"}
    counters = lan.switch.counters
    assert (counters.upcalls, counters.switched, counters.installed) == (2, 8, 2)
    assert (counters.flows, counters.macs, counters.ports) == (2, 2, 4)


def test_a_flood_becomes_a_flow_to_one_port_as_soon_as_the_station_is_known(lan: Lan) -> None:
    assert lan.send("h1", frame(1, 2)) == {"br0", "h2", "h3"}
    assert lan.flows() == {flow(1, 1, 2): "0,2,3"}
    lan.send("h2", frame(2, BROADCAST))
    assert lan.flows()[flow(1, 1, 2)] == "2"
    assert lan.send("h1", frame(1, 2)) == {"h2"}
    counters = lan.switch.counters
    assert (counters.upcalls, counters.changed) == (2, 1)


def test_question_and_answer_in_one_batch(lan: Lan) -> None:
    lan.us.device("h1").send(frame(1, 2))
    lan.us.device("h2").send(frame(2, 1))
    assert lan.switch.step() == 2
    assert lan.flows() == {flow(1, 1, 2): "2", flow(2, 2, 1): "1"}
    assert lan.switch.counters.changed == 0


def test_a_burst_of_one_kind_is_one_flow(lan: Lan) -> None:
    for _ in range(20):
        lan.us.device("h1").send(frame(1, BROADCAST))
    assert lan.switch.step() == 20
    assert len(list(iter(lan.us.device("h2").recv, None))) == 20
    assert lan.switch.counters.installed == 1
    assert lan.switch.counters.refused == 0


def test_packets_that_came_up_before_their_flow_was_installed_do_no_harm(lan: Lan) -> None:
    for _ in range(130):  # more than one step takes
        lan.us.device("h1").send(frame(1, BROADCAST))
    steps = iter(lan.switch.step, 0)
    assert sum(steps) == 130
    assert lan.switch.counters.refused == 0
    assert len(lan.flows()) == 1


def test_a_destination_at_the_port_it_came_from_is_dropped(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    assert lan.send("h1", frame(9, 1)) == set()
    assert lan.flows()[flow(1, 9, 1)] == "drop"


@pytest.mark.parametrize("last", [0x00, 0x0E, 0x0F])
def test_addresses_that_bridges_keep_are_not_forwarded(lan: Lan, last: int) -> None:
    reserved = f"01:80:c2:00:00:{last:02x}"
    assert lan.send("h1", frame(1, reserved)) == set()
    assert lan.flows() == {
        "recirc_id(0),in_port(1),eth(src=00:00:00:00:00:00/01:00:00:00:00:00,"
        "dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0)": "drop"
    }, "whoever sends it"


@pytest.mark.parametrize("group", ["01:80:c2:00:00:10", "01:00:5e:00:00:fb", "33:33:00:00:00:01"])
def test_other_groups_are_flooded(lan: Lan, group: str) -> None:
    assert lan.send("h1", frame(1, group)) == {"br0", "h2", "h3"}


def test_what_claims_to_come_from_a_group_is_dropped_and_not_learned(lan: Lan) -> None:
    assert lan.send("h1", frame("03:00:00:00:00:01", 2)) == set()
    assert lan.flows() == {"recirc_id(0),in_port(1),eth(src=01:00:00:00:00:00/01:00:00:00:00:00)": "drop"}
    assert lan.switch.counters.macs == 0


def test_each_vlan_has_its_stations(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST, vid=5))
    assert lan.send("h2", frame(2, 1, vid=5)) == {"h1"}
    assert lan.send("h2", frame(2, 1, vid=6)) == {"br0", "h1", "h3"}
    assert lan.send("h2", frame(2, 1)) == {"br0", "h1", "h3"}
    for _ in range(3):
        lan.send("h2", frame(2, 1, vid=5))
    assert lan.switch.counters.switched == 3


# -- moving -------------------------------------------------------------------------------------------------------


def test_a_station_that_moves_is_found_where_it_is(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.send("h2", frame(2, 1))
    lan.send("h1", frame(1, 2))
    assert lan.send("h3", frame(1, 2)) == {"h2"}
    assert lan.send("h2", frame(2, 1)) == {"h3"}
    assert lan.flows() == {flow(3, 1, 2): "2", flow(2, 2, 1): "3"}
    assert lan.switch.counters.moved == 1


def test_a_station_that_moves_within_a_batch(lan: Lan) -> None:
    lan.us.device("h1").send(frame(1, 2))
    lan.us.device("h3").send(frame(1, 2))
    lan.switch.step()
    assert lan.flows() == {flow(3, 1, 2): "0,1,2"}


# -- ports --------------------------------------------------------------------------------------------------------


def test_a_port_that_somebody_adds_is_flooded_to(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.us.device("h4")
    lan.us.open("br0").ports.add("h4")
    lan.switch.step()
    assert lan.flows() == {flow(1, 1, BROADCAST): "0,2,3,4"}
    assert lan.send("h1", frame(1, BROADCAST)) == {"br0", "h2", "h3", "h4"}
    assert lan.send("h4", frame(4, 1)) == {"h1"}


def test_a_port_whose_device_goes_takes_its_stations_and_flows_along(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.send("h2", frame(2, 1))
    lan.send("h1", frame(1, 2))
    lan.us.device("h2").close()
    lan.switch.step()
    assert lan.flows() == {flow(1, 1, BROADCAST): "0,3", flow(1, 1, 2): "0,3"}
    assert lan.send("h1", frame(1, 2)) == {"br0", "h3"}
    counters = lan.switch.counters
    assert (counters.ports, counters.macs) == (3, 1)


def test_packets_of_a_port_that_is_gone_are_not_learned_from(lan: Lan) -> None:
    lan.us.device("h2").send(frame(2, BROADCAST))
    lan.us.device("h2").close()
    lan.switch.step()
    assert lan.switch.counters.macs == 0
    assert lan.flows() == {}
    assert lan.switch.counters.upcalls == 1


def test_attach_takes_ports_that_are_there_already_as_they_are(lan: Lan) -> None:
    assert [port.number for port in lan.switch.attach(["h2", "h1"])] == [2, 1]
    with pytest.raises(NoSuchObject, match="nothere"):
        lan.switch.attach(["nothere"])


# -- time ---------------------------------------------------------------------------------------------------------


def test_a_look_at_the_flows_that_takes_long_is_not_repeated_soon(lan: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    dump = Flows.dump

    def slow_dump(self: Flows, **options: Any) -> Any:
        looks.append(lan.now)
        lan.now += 3
        return dump(self, **options)

    monkeypatch.setattr(Flows, "dump", slow_dump)
    lan.wait(60)
    assert [later - before for before, later in pairwise(looks)] == [30, 30]


def test_a_flow_that_nothing_hits_goes_after_the_idle_timeout(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.wait(9)
    assert len(lan.flows()) == 1
    lan.wait(1)
    assert lan.flows() == {}
    counters = lan.switch.counters
    assert (counters.flows, counters.expired, counters.macs) == (0, 1, 1)


def test_a_flow_that_is_hit_stays(lan: Lan) -> None:
    for _ in range(10):
        lan.send("h1", frame(1, BROADCAST))
        lan.wait(8)
    counters = lan.switch.counters
    assert (counters.upcalls, counters.expired) == (1, 0)


def test_a_station_is_forgotten_when_it_has_been_silent_for_the_age(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.wait(299)
    assert lan.switch.counters.macs == 1
    lan.wait(1)
    assert lan.switch.counters.macs == 0


def test_packets_that_flows_switch_keep_their_source_known(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    for _ in range(50):
        lan.send("h1", frame(1, BROADCAST))
        lan.wait(8)
    assert lan.switch.counters.upcalls == 1
    assert lan.switch.counters.macs == 1


def test_flows_to_a_station_that_is_forgotten_flood_again(us: dpif.Userspace) -> None:
    lan = Lan(us, SwitchOptions(mac_age=20, idle_timeout=100))
    lan.attach("h1", "h2", "h3")
    lan.send("h2", frame(2, BROADCAST))
    for _ in range(5):
        lan.send("h1", frame(1, 2))
        lan.wait(5)
    assert lan.flows() == {flow(1, 1, 2): "0,2,3"}, "and the flow from it is gone"
    lan.switch.close()


# -- bounds and interference --------------------------------------------------------------------------------------


def test_beyond_its_bounds_packets_are_switched_one_by_one(us: dpif.Userspace) -> None:
    lan = Lan(us, SwitchOptions(max_flows=1))
    lan.attach("h1", "h2", "h3")
    for _ in range(2):
        assert lan.send("h1", frame(1, BROADCAST)) == {"br0", "h2", "h3"}
        assert lan.send("h2", frame(2, 1)) == {"h1"}
    assert len(lan.flows()) == 1
    assert lan.switch.counters.upcalls == 3
    lan.switch.close()


def test_a_station_that_there_is_no_room_for_is_flooded_to(us: dpif.Userspace) -> None:
    lan = Lan(us, SwitchOptions(max_macs=1))
    lan.attach("h1", "h2", "h3")
    lan.send("h1", frame(1, BROADCAST))
    assert lan.send("h2", frame(2, 1)) == {"h1"}
    assert lan.send("h1", frame(1, 2)) == {"br0", "h2", "h3"}
    assert set(lan.flows()) == {flow(1, 1, BROADCAST), flow(1, 1, 2)}, "none from a station that it cannot follow"
    lan.switch.close()


def test_flows_that_somebody_removes_are_installed_again(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.dp.flows.flush()
    for _ in range(3):
        assert lan.send("h1", frame(1, BROADCAST)) == {"br0", "h2", "h3"}
    assert lan.switch.counters.upcalls == 3, "one to find out, one to install it anew"
    assert len(lan.flows()) == 1


def test_flows_that_are_gone_are_noticed_by_the_way(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.dp.flows.flush()
    lan.wait(1)
    assert lan.switch.counters.flows == 0
    assert lan.switch.counters.expired == 0


def test_flows_of_others_are_left_alone(lan: Lan) -> None:
    lan.dp.flows.add("in_port(1),eth(),eth_type(0x88cc)", "drop")
    lan.send("h1", frame(1, BROADCAST))
    lan.wait(20)
    assert list(lan.flows().values()) == ["drop"]
    lan.switch.close()
    assert list(lan.flows().values()) == ["drop"]


# -- beginning and end --------------------------------------------------------------------------------------------


def test_it_takes_nothing_for_granted_that_a_former_run_left(us: dpif.Userspace) -> None:
    lan = Lan(us)
    lan.attach("h1", "h2", "h3")
    lan.send("h1", frame(1, BROADCAST))
    lan.send("h2", frame(2, 1))
    former, lan.switch = lan.switch, lan.start()  # it is still there, as if it had been killed
    lan.switch.step()
    assert lan.flows() == {}, "it does not know these stations"
    lan.attach("h1", "h2", "h3")
    assert lan.send("h2", frame(2, 1)) == {"br0", "h1", "h3"}
    assert lan.switch.counters.upcalls == 1
    lan.switch.close()
    assert len(list(lan.dp.ports)) == 4, "it did not attach them"
    former.close()


def test_it_leaves_a_clean_datapath(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.switch.close()
    lan.switch.close()
    assert lan.flows() == {}
    assert [port.name for port in lan.dp.ports] == ["br0"]
    assert lan.dp.user_features == 0


def test_keep_leaves_the_ports_but_no_flows(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.switch.close(keep=True)
    assert lan.flows() == {}
    assert [port.name for port in lan.dp.ports] == ["br0", "h1", "h2", "h3"]


def test_closing_after_the_datapath_is_gone(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    lan.dp.destroy()
    with pytest.raises(NoSuchObject):
        lan.wait(1)
    lan.switch.close()


def test_it_says_what_it_does_in_one_line(lan: Lan) -> None:
    lan.send("h1", frame(1, BROADCAST))
    line = "came up 1, by flows 0, lost 0 | flows 1 (+1 -0), MACs 1, ports 4"
    assert lan.switch.describe() == line


def test_upcalls_that_are_lost_are_counted(lan: Lan) -> None:
    sent = 0
    while lan.switch.counters.lost == 0:
        assert sent < 100_000
        lan.us.device("h1").send(frame(1, BROADCAST))
        sent += 1
    came_up = sum(iter(lan.switch.step, 0))
    assert came_up + lan.switch.counters.lost == sent


def test_a_flood_on_one_port_takes_nothing_from_another(lan: Lan) -> None:
    while lan.switch.counters.lost == 0:
        lan.us.device("h1").send(frame(1, BROADCAST))
    lost = lan.switch.counters.lost
    for number in range(20):
        lan.us.device("h2").send(frame(100 + number, BROADCAST))
    while lan.switch.step():
        pass
    counters = lan.switch.counters
    assert (counters.lost, counters.macs) == (lost, 21)


# -- run ----------------------------------------------------------------------------------------------------------


def test_run_ends_when_it_is_told_to(lan: Lan) -> None:
    thread = threading.Thread(target=lan.switch.run)
    thread.start()
    lan.switch.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert lan.switch.stopped


def test_run_wakes_up_for_packets_and_asks_until(lan: Lan) -> None:
    lan.us.device("h1").send(frame(1, BROADCAST))
    lan.switch.run(until=lambda: lan.switch.counters.upcalls == 1)
    assert not lan.switch.stopped


@pytest.mark.parametrize("keep", [False, True])
def test_run_switch_cleans_up_what_was_made_for_it(us: dpif.Userspace, keep: bool) -> None:
    lines: list[str] = []
    us.device("h1")
    dp = us.open("br0", create=True)
    counters = run_switch(dp, ["h1"], created=True, keep=keep, report=lines.append, started=Switch.stop)
    assert counters.ports == 2
    assert lines == []
    if keep:
        assert [port.name for port in us.open("br0").ports] == ["br0", "h1"]
    else:
        with pytest.raises(NoSuchObject):
            us.open("br0")


def test_run_switch_reports_and_leaves_a_datapath_that_was_there(us: dpif.Userspace) -> None:
    dp = us.open("br0", create=True)
    lines: list[str] = []
    switches: list[Switch] = []

    def report(line: str) -> None:
        lines.append(line)
        switches[0].stop()

    run_switch(dp, [], report=report, interval=0.0, started=switches.append)
    assert len(lines) == 1
    assert lines[0].endswith("ports 1")
    assert us.open("br0").name == "br0"


def test_run_switch_undoes_what_it_began_when_a_port_is_not_there(us: dpif.Userspace) -> None:
    us.device("h1")
    dp = us.open("br0", create=True)
    with pytest.raises(NoSuchObject, match="nothere"):
        run_switch(dp, ["h1", "nothere"])
    assert [port.name for port in dp.ports] == ["br0"]
    with pytest.raises(NoSuchObject, match="nothere"):
        run_switch(dp, ["h1", "nothere"], created=True, keep=True)
    with pytest.raises(NoSuchObject):
        us.open("br0")


def test_ports_of_any_type_are_attached_and_detached(us: dpif.Userspace) -> None:
    dp = us.open("br0", create=True)
    with Switch(dp, ports={"i0": {"type": "internal", "number": 7}}) as switch:
        switch.attach({"vx": {"type": "vxlan", "options": {"dst_port": 4790}}})
        assert [(port.number, port.type) for port in dp.ports] == [(0, "internal"), (1, "vxlan"), (7, "internal")]
    assert len(dp.ports) == 1
