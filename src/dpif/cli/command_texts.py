"""What the help of commands says beyond a line: texts that several share, or that are long.

Words of a line that begins with blanks stay as they stand; other lines are filled to the width of the terminal.
"""

from __future__ import annotations

NAME = "A datapath is [type@]name: system@ (the default) is the kernel's, netdev@ that of 'dpif serve'."
IFACE = """\
An iface is name[,key=value...]: type=TYPE (system, the default: a network device that exists; internal: a new device
of the host; vxlan, geneve, gre: a tunnel), port_no=N (else a free number), dst_port=N (of a tunnel), ifindex=N (of an
internal one). A tunnel's device is called by its type and UDP port, vxlan_sys_4789, whatever the name; with
type=vport-vxlan, vport-geneve or vport-gre it is a port of the datapath's own, which has the name given. A netdev@
datapath also has the types tap (a new TAP device of the host) and dummy (rx_pcap=FILE is played into the datapath
when somebody listens to what misses, each packet once the one before is dealt with; tx_pcap=FILE records what it
sends there)."""
FLOW = """\
A flow is a list such as in_port(1),eth(),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0); what it leaves out
matches anything. With ufid:UUID in front of it the flow gets that identifier. Actions are a list such as
1,2 or push_vlan(vid=5,pcp=0),3; drop drops. Ports are numbers, or names of ports. What dpif does not know is
written by number and bytes, as it is shown: key99(00 01), action99(07 00).

What packets of the type have must be there, at least empty: eth_type(0x0800) needs ipv4(), ipv4(proto=17) needs
udp(), ipv4(proto=6) needs tcp() and tcp_flags(0/0). The syntax is that of dump-flows, not that of ovs-ofctl; for many
flows at once there is add-flows."""
FILTER = """\
A filter is made of fields, comparisons (== != < <= > >= in has), and, or, not and parentheses:
  filter='ipv4.dst in 10.0.0.0/8 and packets > 100'
  filter='in_port == 3 or eth_type == 0x0806'
  filter='tcp and not actions has ct'
  filter='output == 2 and used < 5'
  filter='ct_state has new or ct_state == -new+est+trk'
  filter='eth_type == arp and eth.dst in 01:00:00:00:00:00/01:00:00:00:00:00'
Fields are those of the flow, as in ipv4.dst, tunnel.tun_id or tunnel.geneve.class; with .mask behind them, their
masks; ufid, packets, bytes, used (seconds ago, or never), flags (TCP flags seen), and output (ports that it sends
to). A field alone asks whether the flow has it. A comparison with a field that the flow leaves open is false. With
has, flags must be set; 'actions has' takes an action, nat, or what goes to user space (slow_path, controller). A
value with a mask, and +new-est, is compared by == as it is shown, and by in with all packets that the flow takes.

The filters of ovs-dpctl work too, in the fields of OpenFlow: filter=tcp,tp_dst=80, filter=in_port=1,dl_vlan=5, or
filter=arp. They show the flows that agree in all that both look at; what a flow leaves open agrees with anything.
With pmd=N those of one packet processing thread, of which there are none in the datapaths of dpif.

--sort takes such fields, separated by commas, for an ascending order: --sort in_port,ipv4.dst. With - in front, or
:desc behind, it descends: --sort=-packets. Flows without the field come last. --limit N shows the first N flows.

--tree groups flows by the port that packets come in by, and puts below each flow those that recirc() in its actions
leads to, without what the flows above match already. A filter keeps the paths of the flows that it picks, --limit
counts flows at the top."""
FILE = """\
Each line of the file has a flow and its actions; in front of them add, modify or delete may say what to do. A
line that fails is reported with its number, the others are carried out. '-' is standard input. Empty lines and
what follows a # are passed over."""

SUCCESS = "Success says nothing about delivery."
PACKET = """\
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

TRACED = """\
Goes through recirculation, conntrack, NAT and tunnels, changes nothing, and says which flow the packet takes at each
lookup, what its actions change, and where the packet leaves; of flows that do not match, which come nearest and in
what they differ. With file@PATH the flows are those of a saved dump; of a miss it is told then that the dump has no
such flow.

The packet may be a flow key, such as in_port(1),eth(),ipv4(dst=10.0.0.2),tcp(dst=80), which need not be told whole.
Where something is not known the trace branches, the busiest flow first, but only as far as the flows tell the cases
apart. Conntrack is not asked: --ct-next est|rpl gives the state behind one ct(), and again behind the next; --ct
zone=5,state=est|rpl,mark=1 what is known of the connection in a zone."""

MATCH = """\
Without anything all are deleted. mark=X[/M] and labels=Y[/N] match under a mask. A tuple is a list of ct_nw_src=A,
ct_nw_dst=A (IPv6: ct_ipv6_src, ct_ipv6_dst), ct_nw_proto=N, ct_tp_src=N, ct_tp_dst=N, or in place of ports icmp_id=N,
icmp_type=N, icmp_code=N; '' is any."""
LIMITS = "A limit of 0 is none. The limits hold for all datapaths of the network namespace."

COMPLETION = """\
Where to put it, for the shells that are started from then on:
  dpif completion bash > ~/.local/share/bash-completion/completions/dpif
  dpif completion zsh > ~/.zsh/_dpif      with fpath=(~/.zsh $fpath) before compinit in ~/.zshrc
  dpif completion fish > ~/.config/fish/completions/dpif.fish
For the shell at hand: source <(dpif completion bash), the same with zsh, dpif completion fish | source."""
