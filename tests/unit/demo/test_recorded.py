from __future__ import annotations

from pathlib import Path

import pytest

import dpif
from dpif.apps import Switch
from dpif.demo.recorded import CAPTURE, Lan, account, play_recorded
from dpif.packet import capture
from dpif.packet.build import arp_request, ethernet

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


@pytest.fixture(scope="module")
def lines() -> list[str]:
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")  # whatever terminal this runs on
        assert play_recorded(found.append) is True
    return found


def numbers(lines: list[str]) -> dict[str, int]:
    """The counts that are told, by the first words that follow them."""
    counted = [line.split(maxsplit=1) for line in lines if line.strip()[:1].isdigit() and line.startswith("  ")]
    return {what: int(number) for number, what in counted}


def test_it_tells_where_every_packet_went(lines: list[str]) -> None:
    played = len(list(capture.read(CAPTURE)))
    found = numbers(lines)
    assert found["packets were played"] == played >= 500
    (switched,) = (count for what, count in found.items() if what.startswith("were switched by flows"))
    assert found["of them came up to Python"] + switched == played
    assert switched > 0.9 * played


def test_one_sees_upcalls_become_flows(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert "all (broadcast)" in text
    assert "h1    all (broadcast)            ARP   all 18 others" in text
    assert "in_port(h4),eth(src=74:83:ef:07:d0:a9,dst=a6:82:4b:c9:a1:a7), packets:27," in text
    assert any(line.endswith("no packet is unaccounted for.") for line in lines)


def test_one_sees_why_a_flow_is_what_it_is_and_what_takes_it_back(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert "      stations[vlan, source] = packet.in_port\n" in text
    assert ": stations[0, 74:83:ef:07:d0:a9]\n      its decision: ports[4]\n" in text
    assert lines[-1] == "  from h9 to 74:83:ef:07:d0:a9  h4 -> h1"


def test_no_line_is_too_long_for_a_terminal(lines: list[str]) -> None:
    assert max(map(len, lines)) <= 100


def test_what_does_not_add_up_is_told() -> None:
    packets = [ethernet(A, B, arp_request(A, "10.0.0.1", "10.0.0.2"))]
    lines: list[str] = []
    with dpif.Userspace() as us, us.open("br0", create=True) as dp, Switch(dp) as switch:
        lan = Lan(us, dp, [*packets, ethernet(B, A, arp_request(B, "10.0.0.2", "10.0.0.1"))])
        switch.attach(lan.hosts.values())
        lan.send(1, packets[0], switch)
        assert account(lan, 1, switch, lines.append)
        lan.delivered += 1
        assert not account(lan, 2, switch, lines.append)
    text = "\n".join(lines)
    assert "1 packets came up, met a flow, or were lost, and not 2" in text
    assert "1 packets are in the ports' counters as sent, and not 2" in text


def test_a_capture_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(dpif.DpifError, match=r"none\.pcap"):
        play_recorded(lambda line: None, tmp_path / "none.pcap")
