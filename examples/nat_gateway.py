"""A NAT gateway: a network behind one address, of whose ports each group of subscribers has some of its own.

ICMP errors find back to whom they concern: connection tracking translates what they quote as well.
"""

from ipaddress import ip_address

from dpif.packet import answer, build, constants
from dpif.program import Program, consume, ct, dec_ttl, drop, output, recirculate

program = Program("nat-gateway")
sides = program.table("sides")  # by name of port: MAC, address, next hop, the port of the other side, is it inside?
blocks = program.lpm("blocks")  # by network of subscribers: the ports that are theirs, "1024-2047"
neighbours = program.table("neighbours", idle=300)  # by address: MAC


def join(inner, outer, inside, outside, hop):
    """Make a gateway of two ports: `inside` and `outside` are MAC and address there, `hop` the next one outside."""
    sides[inner] = inside[0], ip_address(inside[1]), None, outer, True
    sides[outer] = outside[0], ip_address(outside[1]), ip_address(hop), inner, False


@program.forward
def gateway(packet):
    """Answer ARP, and have what is to be sent on translated as its connection is."""
    mac, address, _, other, is_inside = sides.get(program.ports[packet.in_port], (None,) * 5)
    if packet.arp is not None and mac:
        station = neighbours[packet.arp.sip] = packet.arp.sha
        if packet.arp.op == constants.ARPOP_REQUEST and packet.arp.tip == address:
            program.send(build.ethernet(mac, station, answer.arp(packet.data, mac)), packet.in_port)
        return consume()
    if packet.ipv4 is None or packet.eth.dst != mac:
        return drop()
    late = recirculate(too_old, mac, address) if is_inside else drop()
    return dec_ttl(late) + ct(nat="", then=tracked, arguments=(other, is_inside))


def too_old(packet, mac, address):
    """Tell who is inside that a packet went too far."""
    if error := answer.icmp_error(address, packet.data, constants.ICMP_TIME_EXCEEDED):
        program.send(build.ethernet(mac, packet.eth.src, error), packet.in_port)
    return consume()


def tracked(packet, out, is_outgoing):
    """Send on what an inside host asked for; who is outside begins nothing."""
    state = packet.ct.state
    ports = blocks.lookup(packet.ipv4.src) if is_outgoing and state.new else None
    if state.inv or (state.new and not ports):
        return drop()
    mac, address, hop, _, _ = sides[out]
    hop = hop or packet.ipv4.dst
    if hop not in neighbours:
        program.send(build.ethernet(mac, "ff:ff:ff:ff:ff:ff", build.arp_request(mac, address, hop)), out)
        return drop(hard=1)  # the reply changes the table, and this flow with it
    packet.eth.src, packet.eth.dst = mac, neighbours[hop]
    if ports or (is_outgoing and state.rel):
        return ct(commit=True, nat=f"src={address}:{ports}" if ports else "") + output(out)
    return output(out)
