"""A stateful firewall on a wire: who is inside may begin connections, who is outside only those that a rule allows.

A connection ends the moment its rule goes: its flows hang on the rule, which they know by the addresses and ports
that the connection began with, in both directions and for ICMP errors too.
"""

from dpif.program import Program, ct, drop, output

NEIGHBOURS = range(130, 138)  # types of ICMPv6: who is there, and who listens to which group (RFC 2710, RFC 4861)
GROUPS = 143  # and the newer form of the latter (RFC 3810)

program = Program("firewall")
other_ends = program.table("other_ends")  # by name of port: the name of the port at the other end of the wire
inside = program.table("inside")  # the names of ports behind the firewall
rules = program.table("rules")  # (protocol, address, port) of what is inside and may be reached from outside


def protect(inner, outer):
    """Make a wire of two ports, the first of them inside."""
    other_ends.update({inner: outer, outer: inner})
    inside[inner] = True


@program.forward
def firewall(packet):
    """Have IP packets tracked, and let pass what neighbours ask each other."""
    port = program.ports[packet.in_port]
    if port not in other_ends:
        return drop()
    if packet.arp is not None or asks_neighbours(packet):
        return output(other_ends[port])
    return ct(then=tracked, arguments=(port,)) if packet.ip is not None else drop()


def asks_neighbours(packet):
    """Tell whether this is what IPv6 has in the place of ARP; no connection has it."""
    if packet.ipv6 is None or packet.icmpv6 is None:
        return False
    return packet.icmpv6.type in NEIGHBOURS or packet.icmpv6.type == GROUPS


def tracked(packet, port):
    """Let pass what belongs to a connection that may be."""
    state, begun = packet.ct.state, packet.ct.orig
    if state.inv or begun is None:
        return drop()
    from_inside = (port in inside) != state.rpl
    if not from_inside and (begun.proto, begun.dst, begun.tp_dst) not in rules:
        return drop()
    way = output(other_ends[port])
    return ct(commit=True) + way if state.new else way
