"""What is typed for the picture of each command: command lines that are run on a terminal, and shown.

They run in order, in one directory, with a server of datapaths in user space of their own; `BEFORE` makes what they
are about. No root, no kernel module: so the pictures can be made wherever the manual is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_ARP = "in_port(1),eth(),eth_type(0x0806),arp()"
_WEB = "in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/24,proto=6,frag=no),tcp(dst=80),tcp_flags(0/0)"
_DNS = "in_port(1),eth(),eth_type(0x0800),ipv4(proto=17,frag=no),udp(dst=53)"
UFID = "ufid:00112233-4455-6677-8899-aabbccddeeff"

FILES = {
    "flows.txt": f"{_DNS} 2\nin_port(2),eth(),eth_type(0x0800),ipv4(frag=no) 1\n",
    "commands.txt": f"add-dp netdev@br3 p9,type=dummy\nadd-flow netdev@br3 {_ARP} drop\ndump-flows netdev@br3\n",
}

BEFORE = f"""\
add-dp netdev@br0 p1,type=dummy p2,type=dummy
add-flow netdev@br0 {UFID},{_WEB} 2
add-dp netdev@lan lan1,type=dummy,rx_pcap=lan.pcap
"""
"""A batch of command lines; ``lan.pcap`` is the capture that comes with dpif."""

PYTHON_BEFORE = """\
import dpif
from dpif.packet import build
with dpif.open("netdev@br0") as dp:
    for number in range(3):
        packet = build.udp(f"10.0.0.{number + 1}", "10.0.0.9", 40000 + number, 53, b"hello")
        frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
        dp.execute(frame, f"ct(commit,zone={number % 2 + 4}),2")
"""
"""Packets whose connections are tracked."""

MEANWHILE: Mapping[str, str] = {
    "psample": """\
import time
import dpif
from dpif.packet import build
with dpif.open("netdev@br0") as dp:
    while True:
        packet = build.udp("10.0.0.1", "10.0.0.9", 40000, 53, b"hello")
        frame = build.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", packet)
        dp.execute(frame, "psample(group=1,cookie=0xc0ffee),2")
        time.sleep(0.1)
"""
}
"""Python that runs beside the scene of a command, and is ended with it."""

SCENES: Mapping[str, Sequence[str]] = {
    "show": ["dpif show netdev@br0"],
    "add-dp": ["dpif add-dp netdev@br1 p3,type=dummy p4,type=dummy,port_no=7", "dpif show netdev@br1"],
    "del-dp": ["dpif del-dp netdev@br1", "dpif dump-dps"],
    "add-if": ["dpif add-if netdev@br0 p5,type=dummy tun0,type=vxlan,dst_port=4790", "dpif show netdev@br0"],
    "set-if": ["dpif set-if netdev@br0 p5,port_no=3"],
    "del-if": ["dpif del-if netdev@br0 p5 4", "dpif show netdev@br0"],
    "dump-dps": ["dpif dump-dps"],
    "add-flow": [f'dpif add-flow netdev@br0 "{_ARP}" 2', "dpif dump-flows netdev@br0"],
    "mod-flow": [f'dpif mod-flow netdev@br0 "{_ARP}" drop', f'dpif mod-flow --clear netdev@br0 "{_ARP}"'],
    "get-flow": [f"dpif get-flow netdev@br0 {UFID}"],
    "add-flows": ["cat flows.txt", "dpif add-flows netdev@br0 flows.txt"],
    "dump-flows": [
        "dpif dump-flows netdev@br0",
        "dpif dump-flows netdev@br0 filter='ipv4.dst in 10.0.0.0/8 or arp' --no-names",
    ],
    "mod-flows": ["dpif mod-flows netdev@br0 flows.txt"],
    "del-flow": [f'dpif del-flow netdev@br0 "{_ARP}"'],
    "del-flows": ["dpif del-flows netdev@br0", "dpif show netdev@br0"],
    "cache-set-size": ["dpif cache-set-size netdev@br0 masks-cache 512"],
    "cache-get-size": ["dpif cache-get-size netdev@br0"],
    "dump-conntrack": ["dpif dump-conntrack netdev@br0", "dpif dump-conntrack netdev@br0 zone=5"],
    "ct-stats-show": ["dpif ct-stats-show netdev@br0"],
    "flush-conntrack": ["dpif flush-conntrack netdev@br0 zone=5", "dpif ct-stats-show netdev@br0"],
    "ct-set-limits": ["dpif ct-set-limits netdev@br0 default=10000 zone=4,limit=50"],
    "ct-get-limits": ["dpif ct-get-limits netdev@br0"],
    "ct-del-limits": ["dpif ct-del-limits netdev@br0 zone=4"],
    "send": ["dpif send netdev@br0 p1 'udp 10.0.0.1:1000 > 10.0.0.2:53'", "dpif show -s netdev@br0"],
    "execute": ["dpif execute netdev@br0 'icmp 10.0.0.1 > 10.0.0.2' 'push_vlan(vid=5,pcp=0),2'"],
    "doctor": ["dpif doctor netdev@br0"],
    "upcalls": ["dpif upcalls --count 3 netdev@lan"],
    "psample": ["dpif psample --count 2 netdev@"],
    "switch": ["timeout -s INT 3 dpif switch netdev@br2 lan2,type=dummy,rx_pcap=lan.pcap"],
    "serve": ["dpif serve --detach --socket other.sock", "dpif serve --stop --socket other.sock"],
    "lab": ["dpif lab --packages"],
    "play": ["dpif play h1 ping -c 2 h2"],
    "demo": ["dpif demo | head -n 22"],
    "batch": ["cat commands.txt", "dpif batch commands.txt"],
    "parse-actions": ['dpif parse-actions "push_vlan(vid=5,pcp=0),2"'],
    "normalize-actions": ['dpif normalize-actions "eth(),eth_type(0x1234)" "push_vlan(vid=9,pcp=0),2,pop_vlan,1"'],
    "completion": ["dpif completion bash | head -n 8"],
    "help": ["dpif help del-if"],
    "list-commands": ["dpif list-commands | head -n 6"],
    "version": ["dpif version"],
}
"""By the names of commands, in the order in which they are run. A command without shows its help."""

REFUSES = {"doctor", "switch"}
"""Those that do not end in 0 here: nobody listens to br0, and the time of the switch is up."""
