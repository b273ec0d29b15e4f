"""The commands of the table that run something, or look at packets on their way: those under "Programs"."""

from __future__ import annotations

from dpif.cli.command import IFACE, MANY, PROGRAMS, Command

__all__ = ["PROGRAM_COMMANDS"]

_SUCCESS = "Success says nothing about delivery."

_PACKET = """\
A packet is written in hexadecimal digits; as pcap:FILE for all packets of a capture (pcap or pcapng), pcap:FILE#N for
its Nth; or in a short form:
  udp 10.0.0.1:1000 > 10.0.0.2:53
  tcp [2001:db8::1]:1000 > [2001:db8::2]:80 flags syn
  icmp 10.0.0.1 > 10.0.0.2
  arp who-has 10.0.0.2 tell 10.0.0.1
  arp reply 10.0.0.2 is-at 02:00:00:00:00:02 tell 10.0.0.1
  ip 10.0.0.1 > 10.0.0.2 proto 47
with eth 02:00:00:00:00:01 > 02:00:00:00:00:02, vlan 5, ttl 1, tos 16, reply (of icmp), len 100 or data 6869 (in
hexadecimal digits), and in PORT beside it where they are wanted."""

_TRACED = """\
Goes through recirculation, conntrack, NAT and tunnels, changes nothing, and says which flow the packet takes at each
lookup, what its actions change, and where the packet leaves; of flows that do not match, which come nearest and in
what they differ. With file@PATH the flows are those of a saved dump; of a miss it is told then that the dump has no
such flow.

The packet may be a flow key, such as in_port(1),eth(),ipv4(dst=10.0.0.2),tcp(dst=80), which need not be told whole.
Where something is not known the trace branches, the busiest flow first, but only as far as the flows tell the cases
apart. Conntrack is not asked: --ct-next est|rpl gives the state behind one ct(), and again behind the next; --ct
zone=5,state=est|rpl,mark=1 what is known of the connection in a zone."""


PROGRAM_COMMANDS = (
    Command(
        "doctor",
        "[dp...]",
        0,
        MANY,
        "find what is wrong, and say what to do",
        "doctor:doctor",
        ("dpif doctor", "dpif doctor dp0"),
        PROGRAMS,
        """\
Looks at this host and its datapaths: the kernel's module, the rights, who listens to upcalls,
losses, flows, masks, and the ports' devices; changes nothing. The exit status is 1 when there is a problem.""",
    ),
    Command(
        "trace",
        "[dp|file@PATH] packet",
        1,
        2,
        "tell what happens to a packet, through the flows that are there",
        "trace:trace",
        (
            "dpif trace dp0 'tcp 10.0.0.1:1000 > 10.0.0.2:80 in 1'",
            "dpif trace dp0 'in_port(1),eth(),ipv4(dst=10.0.0.2),udp(dst=53)'",
            "dpif trace --ct-next new --json dp0 'in_port(1),eth(),ipv4(),tcp(dst=80)'",
        ),
        PROGRAMS,
        f"""\
{_TRACED}

{_PACKET}""",
        options=("ct_next", "ct", "hash", "len", "strict"),
    ),
    Command(
        "upcalls",
        "[-m] [--names] dp [port...]",
        1,
        MANY,
        "print the packets that a datapath hands up",
        "upcalls:upcalls",
        (
            "dpif upcalls dp0",
            "dpif upcalls --count 1 dp0 v0",
            "dpif upcalls --json-lines dp0 v0 v1",
        ),
        PROGRAMS,
        """\
Packets that no flow matches, of all ports or of those given by name or number, and those that userspace(...) actions
send here; Ctrl-C ends it, and so does the end of the datapath. They go no further: nobody else gets them meanwhile.
So it is refused where somebody is named to get them already, such as ovs-vswitchd, unless --take-over is given. With
-m each line ends in the packet. --json-lines gives an object for each packet as it comes.""",
        writes=True,
        options=("more", "names", "no_names", "count", "take_over"),
        runs_on=True,
    ),
    Command(
        "send",
        "dp port packet...",
        3,
        MANY,
        "send packets out of a port",
        "packets:send",
        (
            "dpif send dp0 v0 'udp 10.0.0.1:1000 > 10.0.0.2:53'",
            "dpif send dp0 v0 'arp who-has 10.0.0.2 tell 10.0.0.1'",
            "dpif send --speed 1000 dp0 v0 pcap:trace.pcap",
        ),
        PROGRAMS,
        f"""\
The packets go out of the port, past all flows, as Datapath.send_packet sends them. {_SUCCESS}

{_PACKET}""",
        writes=True,
        options=("timed", "speed"),
    ),
    Command(
        "execute",
        "dp packet actions",
        3,
        3,
        "apply actions to packets, as a flow does",
        "packets:execute",
        (
            "dpif execute dp0 'icmp 10.0.0.1 > 10.0.0.2' 'push_vlan(vid=5,pcp=0),2'",
            "dpif execute dp0 'udp 10.0.0.1:1000 > 10.0.0.2:53 in v0' 'recirc(0)'",
            "dpif execute dp0 pcap:trace.pcap#3 2",
        ),
        PROGRAMS,
        f"""\
With the actions recirc(0) the flows decide, as if the packet had come in by the port that it names with in PORT
(else by port 0). {_SUCCESS}

{_PACKET}""",
        writes=True,
        options=("timed", "speed"),
    ),
    Command(
        "psample",
        "[type@] [group...]",
        0,
        MANY,
        "print packets that are sampled",
        "psample:psample",
        ("dpif psample", "dpif psample --count 10 1 2", "dpif psample --json-lines netdev@"),
        PROGRAMS,
        """\
Samples are what actions such as psample(group=1,cookie=0xc0ffee) and sample(sample=1%,actions(psample(group=1)))
send, of all datapaths of a network namespace (system@, the default) or of 'dpif serve' (netdev@), and what tc
samples; of all groups, or of those given. Ctrl-C ends it. Each line ends in the packet. Nothing is changed by it.""",
        options=("count",),
        runs_on=True,
    ),
    Command(
        "switch",
        "dp [iface...]",
        1,
        MANY,
        "run a learning Ethernet switch on a datapath",
        "programs:switch",
        (
            "dpif switch dp0 v0 v1",
            "dpif switch --keep netdev@br0",
            "dpif switch dp0 v0 v1,port_no=7",
        ),
        PROGRAMS,
        f"""\
Makes the datapath and adds the interfaces where they are missing; Ctrl-C ends it, and takes away what it made: with
--keep its flows alone, which nobody would correct when a station moves.

{IFACE}""",
        writes=True,
        options=("keep",),
        text_only=True,
        runs_on=True,
    ),
    Command(
        "run",
        "file.py [dp] [iface...]",
        1,
        MANY,
        "forward by a function of Python",
        "running:run",
        (
            "dpif run switch.py dp0 v0 v1",
            "dpif run --explain switch.py netdev@br0",
            "dpif run --workers 2 switch.py dp0 v0 v1",
            "dpif run --pcap capture.pcap --out-dir out switch.py",
        ),
        PROGRAMS,
        f"""\
The file has a 'program' (dpif.program) whose function is asked for packets that no flow matches; its answers become
flows. Saved anew, it is taken over at once: tables stay, and flows too for which it decides the same. A datapath that
is not there yet is written with its type, system@dp0; without one, the program runs on a datapath of its own in user
space. With --pcap a capture is played through it, into the first of the ports p1 to p4 or of those that are named,
and it is told how many packets came up. Ctrl-C ends it, and takes away what it made; with --keep its flows stay, too,
and forward what they match. Started again it takes over those that it would make itself. With --workers it does not
look whether the file is saved. The exit status is 1 when the function failed.

{IFACE}""",
        writes=True,
        options=("explain", "check", "workers", "pcap", "out_dir", "keep"),
        runs_on=True,
    ),
    Command(
        "serve",
        "",
        0,
        0,
        "serve datapaths in user space, netdev@NAME",
        "serving:serve",
        (
            "dpif serve",
            "dpif serve --detach",
            "dpif serve --stop",
            "dpif serve --socket /run/user/0/br.sock",
            "dpif serve --local-ip 127.0.0.2",
            "dpif serve --max flows=1000",
            "dpif serve --like 6.1",
        ),
        PROGRAMS,
        """\
Other processes use them. Its socket is --socket, else DPIF_SOCKET, else the user's own. The datapaths go when it
ends (Ctrl-C, or --stop). With --detach it goes on in a process of its own, and what it would say is not heard.
They follow the newest Linux; with --like 6.1 or 6.12 they do what that one does, and no more.""",
        writes=True,
        options=("detach", "stop", "local_ip", "max", "like"),
        text_only=True,
        runs_on=True,
    ),
    Command(
        "lab",
        "[--] [command...]",
        0,
        MANY,
        "run a command, or a shell, on a real kernel of its own",
        "programs:lab",
        (
            "dpif lab -- dpif add-dp dp0",
            "dpif lab --timeout 60 ovs-dpctl show",
            "dpif lab --kernel newest -- dpif show",
            "dpif lab --qemu --cpus 2 -- nproc",
        ),
        PROGRAMS,
        """\
The kernel has openvswitch; it needs no root. It is an ordinary process (user-mode Linux) or, with --qemu and where
that does not boot, an emulated machine. The exit status is the command's; 124 when --timeout is over, 125 when the
lab failed.

Its files are this machine's own: what is written or deleted there, as you or, where you are root, as root, is written
or deleted here. Its /run, /dev, /proc and /sys, its network, and its processes are its own.""",
        options=("kernel", "mem", "module", "qemu", "no_qemu", "cpus", "verbose", "packages"),
        verbatim=True,
        keeps_time=True,
        text_only=True,
    ),
    Command(
        "play",
        "[program.py] [command...]",
        0,
        MANY,
        "play with hosts and a switch of your own, without root",
        "programs:play",
        (
            "dpif play",
            "dpif play switch.py",
            "dpif play h1 ping -c 1 h2",
            "dpif play --hosts 2 switch.py h1 ping -c 1 h2",
        ),
        PROGRAMS,
        """\
Makes namespaces with hosts h1, h2, ... at the ports of the datapath netdev@play, which is in user space, and gives
a shell where 'h1 ping h2' works; with a command it runs that, and ends. The first word is a program if it ends in
.py: a file with a function main(dp), which gets the datapath, open. It is started anew when it is saved. Without one
the learning switch runs. Nothing of the host is touched. It needs no root where user namespaces are allowed, and the
commands ip and nsenter.""",
        options=("hosts",),
        verbatim=True,
        text_only=True,
    ),
    Command(
        "demo",
        "",
        0,
        0,
        "watch the switch at work",
        "programs:demo",
        ("dpif demo",),
        PROGRAMS,
        "On recorded packets in user space, then on a real kernel in the lab.",
        text_only=True,
    ),
    Command(
        "batch",
        "[--keep-going] file",
        1,
        1,
        "run the command lines of a file, or of stdin ('-')",
        "batch:batch",
        ("dpif batch commands.txt", "dpif batch --keep-going --json-lines -"),
        PROGRAMS,
        """\
A line is what would stand behind 'dpif', quoted as for a shell; blank lines and what follows a # are passed over.
The first that fails ends the batch. --socket and --read-only hold for all lines, --timeout for all together; commands
that run for long cannot be among them. With --json each line has a result: its number, the line, what its command
prints as a document of its own, its exit status, and what was said of failures.""",
        options=("keep_going",),
    ),
)
