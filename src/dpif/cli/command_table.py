"""The table of commands: everything that ``dpif`` can do, one entry each.

Order is that of the help. A handler is named by module and function and imported when its command is run. This
file knows no more than names and texts, so that reading the table costs nothing.
"""

from __future__ import annotations

import sys

from dpif.cli.command_texts import COMPLETION, FILE, FILTER, FLOW, IFACE, LIMITS, MATCH, NAME, PACKET, SUCCESS, TRACED


class Command:
    """One command.

    ``usage`` is what follows its name; ``least`` and ``most`` count those words. ``summary`` is one line for the
    list, ``details`` a few more for its own help, ``examples`` are command lines that work. ``handler`` is
    ``module:function`` within `dpif.cli.commands`. ``writes`` is what ``--read-only`` asks for. ``options`` are keys
    of the table of options. A command that runs another one is ``verbatim``: behind its first word nothing is an
    option of ours. One that ``keeps_time`` looks after ``--timeout`` itself; one that is ``text_only`` has no JSON;
    one that ``runs_on`` until it is told to end is not for a batch. One that is ``refused`` fails, its examples too.
    ``nothing`` is what a terminal shows of an empty list.
    """

    # Every start makes all of these: written out it costs a third of what a NamedTuple does, or a dataclass.
    def __init__(
        self,
        name: str,
        usage: str,
        least: int,
        most: int,
        summary: str,
        handler: str,
        examples: tuple[str, ...],
        topic: str,
        details: str = "",
        *,
        writes: bool = False,
        options: tuple[str, ...] = (),
        verbatim: bool = False,
        keeps_time: bool = False,
        text_only: bool = False,
        runs_on: bool = False,
        refused: bool = False,
        nothing: str = "",
    ) -> None:
        self.name = name
        self.usage = usage
        self.least = least
        self.most = most
        self.summary = summary
        self.handler = handler
        self.examples = examples
        self.topic = topic
        self.details = details
        self.writes = writes
        self.options = options
        self.verbatim = verbatim
        self.keeps_time = keeps_time
        self.text_only = text_only
        self.runs_on = runs_on
        self.refused = refused
        self.nothing = nothing

    @property
    def synopsis(self) -> str:
        """How to write it, for the end of a complaint."""
        return f"usage: dpif {self.name} {self.usage}".rstrip()


_NO_DATAPATHS = "no datapaths; 'dpif add-dp dp0' makes one"

MANY = sys.maxsize
"""As many words as one likes."""

_DP = "Datapaths and ports"
_FLOWS = "Flows (dp may be left out where there is one datapath)"
_CACHES = "Caches and hardware offload"
_CT = "Connections (dp may be left out where there is one datapath)"
REFUSED = "Refused: only the datapath inside ovs-vswitchd has it (ovs-appctl dpctl/...)"
_RUN = "Programs"
_ABOUT = "About"
TOPICS = (_DP, _FLOWS, _RUN, _CT, _CACHES, _ABOUT, REFUSED)
"""In the order of the help."""

_ARP = '"in_port(1),eth(),eth_type(0x0806),arp()"'


def _refused(
    name: str, usage: str, least: int, most: int, what: str, example: str, *, writes: bool = False
) -> Command:
    summary = f"{what} (not supported)"
    return Command(
        name,
        usage,
        least,
        most,
        summary,
        "refusals:refuse",
        (f"dpif {name} {example}",),
        REFUSED,
        f"Only the datapath inside ovs-vswitchd has it: ovs-appctl dpctl/{name}. Here it always fails.",
        writes=writes,
        refused=True,
    )


COMMANDS = (
    Command(
        "add-dp",
        "dp [iface...]",
        1,
        MANY,
        "make a datapath, with interfaces as ports",
        "datapaths:add_dp",
        (
            "dpif add-dp dp0",
            "dpif add-dp dp0 v0 v1,port_no=7",
            "dpif add-dp netdev@br0",
            "dpif add-dp --features unaligned,vport-pids --ifindex 100 dp0",
        ),
        _DP,
        f"""\
{NAME}

Features are those of OVS_DP_F_*: unaligned (packets may come up unaligned), vport-pids (a port may have several
receivers of upcalls), tc-recirc-sharing, dispatch-upcall-per-cpu; or a number. 'show --json' tells them.

{IFACE}""",
        writes=True,
        options=("features", "ifindex", "play"),
    ),
    Command(
        "del-dp",
        "dp",
        1,
        1,
        "delete a datapath, its flows and its ports",
        "datapaths:del_dp",
        ("dpif del-dp dp0",),
        _DP,
        "Network devices that were its ports stay.",
        writes=True,
    ),
    Command(
        "add-if",
        "dp iface...",
        2,
        MANY,
        "add interfaces as ports",
        "ports:add_if",
        (
            "dpif add-if dp0 v0",
            "dpif add-if dp0 v0,port_no=7 int0,type=internal",
            "dpif add-if dp0 tun0,type=vxlan,dst_port=4790",
            "dpif add-if dp0 tun0,type=vport-geneve",
        ),
        _DP,
        IFACE,
        writes=True,
        options=("play",),
    ),
    Command(
        "del-if",
        "dp iface...",
        2,
        MANY,
        "remove ports, given by name or number",
        "ports:del_if",
        ("dpif del-if dp0 v0", "dpif del-if dp0 1 2"),
        _DP,
        "An iface of digits alone is a port number.",
        writes=True,
    ),
    Command(
        "set-if",
        "dp iface...",
        2,
        MANY,
        "check the settings of ports (none can be changed)",
        "ports:set_if",
        ("dpif set-if dp0 v0,port_no=1",),
        _DP,
        IFACE,
        writes=True,
    ),
    Command(
        "dump-dps",
        "",
        0,
        0,
        "list all datapaths",
        "datapaths:dump_dps",
        ("dpif dump-dps",),
        _DP,
        nothing=_NO_DATAPATHS,
    ),
    Command(
        "show",
        "[-s] [dp...]",
        0,
        MANY,
        "show datapaths and their ports",
        "show:show",
        ("dpif show", "dpif show -s dp0", "dpif show netdev@br0", "dpif show -s --output csv"),
        _DP,
        options=("statistics", "strict"),
        nothing=_NO_DATAPATHS,
    ),
    Command(
        "dump-flows",
        "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]",
        0,
        6,
        "list flows",
        "flow_listing:dump_flows",
        (
            "dpif dump-flows",
            "dpif dump-flows --names dp0",
            "dpif -m dump-flows dp0",
            "dpif dump-flows dp0 filter='tcp.dst == 80 and packets > 100'",
            "dpif dump-flows dp0 filter=tcp,tp_dst=80",
            "dpif dump-flows dp0 --sort=-packets --limit 10",
            "dpif dump-flows dp0 --tree --names",
            "dpif dump-flows dp0 --output csv",
        ),
        _FLOWS,
        FILTER,
        options=("more", "names", "no_names", "sort", "limit", "tree", "strict"),
        nothing="no flows",
    ),
    Command(
        "add-flow",
        "[dp] flow actions",
        2,
        3,
        "add a flow",
        "flows:add_flow",
        (f"dpif add-flow dp0 {_ARP} 2", f"dpif add-flow {_ARP} drop"),
        _FLOWS,
        FLOW,
        writes=True,
        options=("statistics",),
    ),
    Command(
        "mod-flow",
        "[dp] flow [actions]",
        1,
        3,
        "change the actions of a flow, or reset its counters",
        "flows:mod_flow",
        (
            f"dpif mod-flow dp0 {_ARP} 3",
            f"dpif mod-flow --may-create dp0 {_ARP} 3",
            f"dpif mod-flow --clear dp0 {_ARP}",
        ),
        _FLOWS,
        f"""\
Without actions the flow keeps those that it has; one with an identifier may then be named by that alone.

{FLOW}""",
        writes=True,
        options=("statistics", "clear", "may_create"),
    ),
    Command(
        "get-flow",
        "[dp] ufid",
        1,
        2,
        "show the flow that has an identifier",
        "flows:get_flow",
        ("dpif get-flow dp0 ufid:00112233-4455-6677-8899-aabbccddeeff",),
        _FLOWS,
        "dump-flows -m shows the identifiers of flows that have one.",
        options=("more", "names", "no_names"),
    ),
    Command(
        "del-flow",
        "[dp] flow",
        1,
        2,
        "delete a flow",
        "flows:del_flow",
        (f"dpif del-flow dp0 {_ARP}", "dpif del-flow dp0 ufid:00112233-4455-6677-8899-aabbccddeeff"),
        _FLOWS,
        "The flow is found by the key that it was added with, masks left out; one with an identifier by that.",
        writes=True,
        options=("statistics",),
    ),
    Command(
        "add-flows",
        "[dp] file",
        1,
        2,
        "add the flows in a file",
        "flow_files:add_flows",
        ("dpif add-flows dp0 flows.txt", "dpif add-flows dp0 -"),
        _FLOWS,
        FILE,
        writes=True,
        options=("statistics",),
    ),
    Command(
        "mod-flows",
        "[dp] file",
        1,
        2,
        "change the flows in a file",
        "flow_files:mod_flows",
        ("dpif mod-flows dp0 flows.txt",),
        _FLOWS,
        FILE,
        writes=True,
        options=("statistics",),
    ),
    Command(
        "del-flows",
        "[dp] [file] [filter=..]",
        0,
        2,
        "delete all flows, those that a filter picks, or those in a file",
        "flow_files:del_flows",
        ("dpif del-flows dp0", "dpif del-flows dp0 filter='packets == 0'", "dpif del-flows dp0 flows.txt"),
        _FLOWS,
        """\
Each line of the file has a flow without actions, else it is as those of add-flows. With filter= those flows go that
dump-flows lists with it ('dpif dump-flows --help' says how one is written), and it is said how many.""",
        writes=True,
        options=("statistics",),
    ),
    Command(
        "cache-get-size",
        "[dp]",
        0,
        1,
        "show the sizes of caches",
        "caches:get_size",
        ("dpif cache-get-size", "dpif cache-get-size dp0"),
        _CACHES,
    ),
    Command(
        "cache-set-size",
        "dp cache size",
        3,
        3,
        "change the size of a cache",
        "caches:set_size",
        ("dpif cache-set-size dp0 masks-cache 512",),
        _CACHES,
        "The size is rounded up to a power of two; 0 switches the cache off.",
        writes=True,
    ),
    Command(
        "dump-conntrack",
        "[-m] [-s] [dp] [zone=N]",
        0,
        4,
        "list connections",
        "conntrack:dump",
        (
            "dpif dump-conntrack",
            "dpif dump-conntrack -m -s dp0 zone=5",
            "dpif dump-conntrack --sort=-bytes --limit 10",
        ),
        _CT,
        """\
--sort takes protocol, src, dst, sport, dport (of the packets that opened the connection), zone, mark, state, timeout,
packets, bytes (both ways together) and start, separated by commas: --sort zone,src. With - in front, or :desc behind,
it descends. --limit N shows the first N connections.""",
        options=("more", "statistics", "sort", "limit", "strict"),
        nothing="no connections",
    ),
    Command(
        "flush-conntrack",
        "[dp] [zone=N] [mark=X[/M]] [labels=Y[/N]] [ct-orig-tuple [ct-reply-tuple]]",
        0,
        6,
        "delete connections",
        "conntrack:flush",
        (
            "dpif flush-conntrack",
            "dpif flush-conntrack zone=5",
            "dpif flush-conntrack dp0 ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80",
            "dpif flush-conntrack '' ct_nw_dst=10.0.0.1",
        ),
        _CT,
        MATCH,
        writes=True,
    ),
    Command(
        "ct-stats-show",
        "[-m] [dp] [zone=N] [verbose]",
        0,
        3,
        "count connections by protocol",
        "conntrack:show_statistics",
        ("dpif ct-stats-show", "dpif ct-stats-show -m dp0 zone=5"),
        _CT,
        "With -m or the word verbose those of TCP by state, too.",
        options=("more", "strict"),
    ),
    Command(
        "ct-bkts",
        "[dp] [gt=N]",
        0,
        2,
        "say that the kernel shows no buckets of its table",
        "refusals:show_buckets",
        ("dpif ct-bkts",),
        _CT,
    ),
    Command(
        "ct-set-limits",
        "[dp] [default=L] [zone=N,limit=L]...",
        1,
        MANY,
        "limit the connections of zones",
        "ct_limits:set_limits",
        ("dpif ct-set-limits default=10000", "dpif ct-set-limits dp0 zone=1,limit=5 zone=2,limit=0"),
        _CT,
        LIMITS,
        writes=True,
    ),
    Command(
        "ct-del-limits",
        "[dp] [default] [zone=N1[,N2]...]",
        1,
        3,
        "remove limits of zones",
        "ct_limits:delete_limits",
        ("dpif ct-del-limits zone=1,2", "dpif ct-del-limits dp0 default"),
        _CT,
        writes=True,
    ),
    Command(
        "ct-get-limits",
        "[dp] [zone=N1[,N2]...]",
        0,
        2,
        "show limits of zones",
        "ct_limits:get_limits",
        ("dpif ct-get-limits", "dpif ct-get-limits dp0 zone=1,2"),
        _CT,
        LIMITS,
    ),
    Command(
        "offload-stats-show",
        "[dp]",
        0,
        1,
        "show statistics of hardware offload, of which there are none",
        "refusals:show_offload",
        ("dpif offload-stats-show dp0",),
        _CACHES,
    ),
    _refused("dump-conntrack-exp", "[dp] [zone=N]", 0, 2, "list expected connections", "dp0"),
    _refused("ct-set-maxconns", "[dp] maxconns", 1, 2, "limit all connections", "10000", writes=True),
    _refused("ct-get-maxconns", "[dp]", 0, 1, "show the limit of all connections", "dp0"),
    _refused("ct-get-nconns", "[dp]", 0, 1, "show the number of connections", "dp0"),
    _refused("ct-enable-tcp-seq-chk", "[dp]", 0, 1, "check TCP sequence numbers", "dp0", writes=True),
    _refused("ct-disable-tcp-seq-chk", "[dp]", 0, 1, "do not check TCP sequence numbers", "dp0", writes=True),
    _refused("ct-get-tcp-seq-chk", "[dp]", 0, 1, "show whether TCP sequence numbers are checked", "dp0"),
    _refused("ct-get-sweep-interval", "[dp]", 0, 1, "show how often old connections are looked for", "dp0"),
    _refused(
        "ct-set-sweep-interval", "[dp] ms", 1, 2, "set how often old connections are looked for", "30", writes=True
    ),
    _refused("ipf-set-enabled", "[dp] v4|v6", 1, 2, "put fragments together", "v4", writes=True),
    _refused("ipf-set-disabled", "[dp] v4|v6", 1, 2, "do not put fragments together", "v6", writes=True),
    _refused("ipf-set-min-frag", "[dp] v4|v6 minfragment", 2, 3, "set the smallest fragment", "v4 1200", writes=True),
    _refused("ipf-set-max-nfrags", "[dp] maxfrags", 1, 2, "limit the fragments that wait", "1000", writes=True),
    _refused("ipf-get-status", "[dp]", 0, 1, "show how fragments are put together", "dp0"),
    Command(
        "doctor",
        "[dp...]",
        0,
        MANY,
        "find what is wrong, and say what to do",
        "doctor:doctor",
        ("dpif doctor", "dpif doctor dp0"),
        _RUN,
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
        _RUN,
        f"""\
{TRACED}

{PACKET}""",
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
        _RUN,
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
        _RUN,
        f"""\
The packets go out of the port, past all flows, as Datapath.send_packet sends them. {SUCCESS}

{PACKET}""",
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
        _RUN,
        f"""\
With the actions recirc(0) the flows decide, as if the packet had come in by the port that it names with in PORT
(else by port 0). {SUCCESS}

{PACKET}""",
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
        _RUN,
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
        _RUN,
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
        _RUN,
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
        _RUN,
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
        _RUN,
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
        _RUN,
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
        _RUN,
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
        _RUN,
        """\
A line is what would stand behind 'dpif', quoted as for a shell; blank lines and what follows a # are passed over.
The first that fails ends the batch. --socket and --read-only hold for all lines, --timeout for all together; commands
that run for long cannot be among them. With --json each line has a result: its number, the line, what its command
prints as a document of its own, its exit status, and what was said of failures.""",
        options=("keep_going",),
    ),
    Command(
        "parse-actions",
        "actions",
        1,
        MANY,
        "parse actions and print them again",
        "about:parse_actions",
        ('dpif parse-actions "push_vlan(vid=5,pcp=0),2"',),
        _ABOUT,
    ),
    Command(
        "normalize-actions",
        "flow actions [name=port...]",
        2,
        MANY,
        "print actions grouped by the VLAN tags they leave",
        "normalize:normalize_actions",
        ('dpif normalize-actions "eth(),eth_type(0x1234)" "push_vlan(vid=9,pcp=0),2,pop_vlan,1"',),
        _ABOUT,
    ),
    Command(
        "completion",
        "bash|zsh|fish",
        1,
        1,
        "print the completion of dpif for a shell",
        "about:completion",
        ("dpif completion bash", "dpif completion zsh", "dpif completion fish"),
        _ABOUT,
        COMPLETION,
        text_only=True,
    ),
    Command(
        "help",
        "[command...]",
        0,
        MANY,
        "show help, of all or of one command",
        "about:help_",
        ("dpif help", "dpif help add-flow"),
        _ABOUT,
    ),
    Command(
        "list-commands",
        "",
        0,
        MANY,
        "list the commands with their arguments",
        "about:list_commands",
        ("dpif list-commands", "dpif list-commands --json"),
        _ABOUT,
    ),
    Command(
        "version",
        "",
        0,
        0,
        "show the version, as --version does",
        "about:version",
        ("dpif version", "dpif version --json"),
        _ABOUT,
    ),
)

BY_NAME = {command.name: command for command in COMMANDS}
