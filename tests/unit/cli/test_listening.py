"""The commands that print packets as they come: ``upcalls`` and ``psample``."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest

from dpif._open import open as open_datapath
from dpif.userspace import UserspaceSystem

from .conftest import Run
from .test_programs import FRAME, interrupt, running

KEY = (
    "eth(src=02:00:00:00:00:01,dst=ff:ff:ff:ff:ff:ff),eth_type(0x0806),"
    "arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha=02:00:00:00:00:01,tha=00:00:00:00:00:00)"
)
ARP = "in_port(1),eth(),eth_type(0x0806),arp()"


def settings(br0: str) -> tuple[object, ...]:
    """Return who is named to get upcalls."""
    with open_datapath(br0) as dp:
        record = dp.read()
        return record.user_features, record.per_cpu_pids, [port.upcall_pids for port in dp.ports]


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a command prints."""
    assert process.stdout is not None
    return process.stdout.readline()


# -- upcalls


def test_misses_are_printed_as_they_come_until_ctrl_c(system: UserspaceSystem, br0: str) -> None:
    before = settings(br0)
    with running("upcalls", br0) as upcalls:
        for number in (1, 2):
            system.device(f"h{number}").send(FRAME)
            assert line(upcalls) == f"miss: in_port({number}),{KEY}, length:42\n"
        assert settings(br0) != before
        assert interrupt(upcalls) == (0, "", "")
    assert settings(br0) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_they_end_by_either_signal_and_hand_the_place_back(br0: str, number: int) -> None:
    before = settings(br0)
    with running("upcalls", br0, "h1") as upcalls:
        upcalls.send_signal(number)
        assert upcalls.wait() == 0
    assert settings(br0) == before


def test_the_place_is_handed_back_when_the_time_is_over_or_the_reader_gone(system: UserspaceSystem, br0: str) -> None:
    before = settings(br0)
    with running("upcalls", "--timeout", "1000", br0) as upcalls:
        upcalls.send_signal(signal.SIGALRM)  # as when it is over
        assert upcalls.wait() == 142
    assert settings(br0) == before
    with running("upcalls", br0) as upcalls:
        assert upcalls.stdout is not None
        upcalls.stdout.close()
        system.device("h1").send(FRAME)
        assert upcalls.wait() == 141
    assert settings(br0) == before


def test_more_is_said_of_each(system: UserspaceSystem, br0: str) -> None:
    with running("upcalls", "-m", "--count=1", br0) as upcalls:
        system.device("h1").send(FRAME)
        stdout, _ = upcalls.communicate()
    metadata = "recirc_id(0),dp_hash(0),skb_priority(0),in_port(h1),skb_mark(0),ct_state(0),"
    assert stdout.startswith(f"miss: {metadata}")
    assert stdout.endswith(f"{KEY}, length:42, packet:{FRAME.hex()}\n")


def test_a_count_ends_them(system: UserspaceSystem, br0: str) -> None:
    with running("upcalls", "-c", "2", "--names", br0) as upcalls:
        for _ in range(5):
            system.device("h2").send(FRAME)
        stdout, stderr = upcalls.communicate()
    assert (upcalls.returncode, stdout, stderr) == (0, f"miss: in_port(h2),{KEY}, length:42\n" * 2, "")


def test_they_end_with_their_datapath(system: UserspaceSystem, br0: str, run: Run) -> None:
    """Behind what came before; that it was not Ctrl-C is said, and a failure."""
    with running("upcalls", br0) as upcalls:
        system.device("h1").send(FRAME)
        run("del-dp", br0)
        expected = (f"miss: in_port(1),{KEY}, length:42\n", f"dpif: {br0} was deleted\n")
        assert upcalls.communicate() == expected
    assert upcalls.returncode == 1


@pytest.mark.parametrize("port", ["h2", "2"])
def test_some_ports_alone(system: UserspaceSystem, br0: str, port: str) -> None:
    with running("upcalls", "--count", "1", br0, port) as upcalls:
        system.device("h1").send(FRAME)
        system.device("h2").send(FRAME)
        assert upcalls.communicate() == (f"miss: in_port(2),{KEY}, length:42\n", "")


def test_what_actions_send(system: UserspaceSystem, br0: str, run: Run) -> None:
    with running("upcalls", "-c2", br0) as upcalls:
        run("add-flow", br0, ARP, "userspace(pid=1,userdata(00112233445566778899),actions),2")
        run("add-flow", br0, ARP.replace("(1)", "(2)", 1), "userspace(pid=1,slow_path(cfm))")
        system.device("h1").send(FRAME)
        system.device("h2").send(FRAME)
        first, second = upcalls.communicate()[0].splitlines()
    userdata = "userspace(pid=1,userdata(00112233445566778899),actions),2"
    assert first == f"action: in_port(1),{KEY}, length:42, userdata(00112233445566778899), actions:{userdata}"
    assert second == f"action: in_port(2),{KEY}, length:42, slow_path(cfm)"


def test_upcalls_as_json(system: UserspaceSystem, br0: str, run: Run, check_json: Any) -> None:
    with running("upcalls", "--json-lines", "-c2", br0) as upcalls:
        system.device("h1").send(FRAME)
        (miss,) = check_json.lines(line(upcalls), "upcalls")
        run("add-flow", br0, ARP, "userspace(pid=1,slow_path(cfm),actions)")
        system.device("h1").send(FRAME)
        (action,) = check_json.lines(upcalls.communicate()[0], "upcalls")
    assert (miss["kind"], miss["packet"], miss["length"]) == ("miss", FRAME.hex(), 42)
    assert (miss["match"], miss["key"]["arp"]["op"]) == (f"in_port(1),{KEY}", 1)
    assert (miss["userdata"], miss["actions"], miss["action_list"]) == (None, None, None)
    assert action["kind"] == "action"
    assert action["cookie"] == {"slow_path": {"unused": 0, "reserved": 0, "reason": ["cfm"]}}
    assert action["actions"] == "userspace(pid=1,slow_path(cfm),actions)"
    with running("upcalls", "--json", br0) as upcalls:
        system.device("h2").send(FRAME)
        system.device("h2").send(FRAME)
        line(upcalls)
        status, rest, stderr = interrupt(upcalls)
    assert (status, stderr) == (0, "")
    assert rest.endswith('],"complete":true}\n')


def test_whoever_listens_is_not_robbed_unless_told(br0: str, run: Run) -> None:
    with running("upcalls", br0) as first:
        ran = run("upcalls", br0)
        assert (ran.status, ran.stdout) == (1, "")
        assert "somebody is named to get these packets already (netlink port ids: " in ran.stderr
        assert "--take-over takes them" in ran.stderr
        with running("upcalls", "--take-over", br0) as second:
            assert interrupt(second)[0] == 0
        ran = run("upcalls", "--take-over", br0, "h1")
        assert "(Device or resource busy): its misses are dispatched per CPU" in ran.stderr
        assert interrupt(first)[0] == 0
    with running("upcalls", br0, "h1") as first, running("upcalls", br0, "h2") as second:
        assert "somebody is named" in run("upcalls", br0, "h1").stderr
        assert interrupt(first)[0] == interrupt(second)[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("upcalls", "netdev@br0", "nope"), 1, "no port named nope; netdev@br0 has: br0, h1, h2"),
        (("upcalls", "netdev@br0", "7"), 1, "no port named 7; netdev@br0 has: br0, h1, h2"),
        (("upcalls", "netdev@br9"), 1, "opening datapath (No such device)"),
        (("upcalls", "-c", "x", "netdev@br0"), 2, "--count takes a number of packets, not 'x'"),
        (("--read-only", "upcalls", "netdev@br0"), 1, "does not work in read only mode"),
        (("psample", "netdev@", "x"), 2, "'x' is no group of samples, which is a number"),
        (("psample", "foo@"), 1, "there is no type foo of datapaths; there are system, netdev"),
    ],
)
def test_what_cannot_be_listened_to(br0: str, run: Run, words: tuple[str, ...], status: int, said: str) -> None:
    ran = run(*words)
    assert (ran.status, ran.stdout) == (status, "")
    assert said in ran.stderr


# -- psample


def test_samples_are_printed_as_they_come_until_ctrl_c(system: UserspaceSystem, br0: str, run: Run) -> None:
    run("add-flow", br0, ARP, "psample(group=1,cookie=0xc0ffee),trunc(14),psample(group=2),2")
    ifindex = system.device("h1").ifindex
    with running("psample", "netdev@") as psample:
        system.device("h1").send(FRAME)
        told = f"probability:100.0%, in_ifindex:{ifindex}, length:42, packet:{FRAME.hex()}\n"
        assert line(psample) == f"group:1, cookie:c0ffee, {told}"
        assert line(psample) == f"group:2, {told.replace(FRAME.hex(), FRAME[:14].hex())}"
        assert interrupt(psample) == (0, "", "")


def test_samples_of_some_groups_up_to_a_count(system: UserspaceSystem, br0: str, run: Run) -> None:
    run("add-flow", br0, ARP, "psample(group=1),psample(group=2),psample(group=3)")
    with running("--read-only", "psample", "-c", "3", "netdev@", "2", "3") as psample:
        system.device("h1").send(FRAME)
        system.device("h1").send(FRAME)
        stdout, stderr = psample.communicate()
    assert [text.partition(",")[0] for text in stdout.splitlines()] == ["group:2", "group:3", "group:2"]
    assert (psample.returncode, stderr) == (0, "")


def test_samples_as_json(system: UserspaceSystem, br0: str, run: Run, check_json: Any) -> None:
    tunnel = "tunnel(tun_id=0x5,dst=10.0.0.9,ttl=64,flags(key))"
    run("add-flow", br0, ARP, f"set({tunnel}),sample(sample=99.9999%,actions(psample(group=1,cookie=0xff)))")
    with running("psample", "--json-lines", "netdev@", "-c1") as psample:
        for _ in range(3):
            system.device("h1").send(FRAME)
        (sample,) = check_json.lines(psample.communicate()[0], "psample")
    assert (sample["group"], sample["cookie"], sample["packet"]) == (1, "ff", FRAME.hex())
    assert 0.99 < sample["probability"] < 1
    assert sample["tunnel"] == {"tun_id": 5, "dst": "10.0.0.9", "ttl": 64}
    with running("psample", "netdev@", "-c1") as psample:
        for _ in range(3):
            system.device("h1").send(FRAME)
        assert f", {tunnel}, length:42" in psample.communicate()[0]


def test_a_datapath_like_an_older_one_has_no_samples(run: Run, tmp_path: Any) -> None:
    path = str(tmp_path / "old")
    with running("serve", "--like", "6.1", "--socket", path):
        said = run("--socket", path, "psample", "netdev@").stderr
    assert "listening to samples: there are no samples here" in said
    assert "no kernel '5.4' is known here; there are 6.1, 6.12, newest" in run("serve", "--like", "5.4").stderr
