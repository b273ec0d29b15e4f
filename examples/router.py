"""A router for IPv4: it answers ARP and pings, routes by the longest prefix, and sends the ICMP errors it owes."""

from ipaddress import ip_interface

from dpif.packet import answer, build, constants
from dpif.program import Program, check_pkt_len, consume, dec_ttl, drop, output, recirculate

program = Program("router")
interfaces = program.table("interfaces")  # by name of port: MAC, address, MTU
routes = program.lpm("routes")  # by network: port, gateway; no gateway where it is linked, no port to the router
neighbours = program.table("neighbours", idle=300)  # by address: MAC


def add_interface(port, mac, address, mtu=1500):
    """Give a port its address, and the router the routes that follow from it."""
    at = ip_interface(address)
    interfaces[port] = mac, at.ip, mtu
    routes.update({at.network: (port, None), at.ip: (None, None)})


@program.forward
def route(packet):
    """Send a packet on towards its destination, or answer it."""
    mac, address, _ = interfaces.get(program.ports[packet.in_port], (None, None, None))
    if packet.arp is not None and mac:
        station = neighbours[packet.arp.sip] = packet.arp.sha
        if packet.arp.op == constants.ARPOP_REQUEST and packet.arp.tip == address:
            reply = build.arp_reply(mac, address, station, packet.arp.sip)
            program.send(build.ethernet(mac, station, reply), packet.in_port)
        return consume()
    if packet.ipv4 is None or packet.eth.dst != mac:
        return drop()
    out, gateway = routes.lookup(packet.ipv4.dst, ("", None))
    if out == "":
        return answer_with(packet, constants.ICMP_DEST_UNREACH)
    if out is None:
        is_ping = packet.icmp is not None and packet.icmp.type == constants.ICMP_ECHO
        return answer_with(packet, constants.ICMP_ECHOREPLY) if is_ping else drop()
    mac, address, mtu = interfaces[out]
    hop = gateway or packet.ipv4.dst
    if hop not in neighbours:
        program.send(build.ethernet(mac, "ff:ff:ff:ff:ff:ff", build.arp_request(mac, address, hop)), out)
        return drop(hard=1)  # the reply changes the table, and this flow with it
    packet.eth.src, packet.eth.dst = mac, neighbours[hop]
    too_large = recirculate(answer_with, constants.ICMP_DEST_UNREACH, constants.ICMP_FRAG_NEEDED, mtu)
    too_old = recirculate(answer_with, constants.ICMP_TIME_EXCEEDED)
    return dec_ttl(too_old) + check_pkt_len(14 + mtu, too_large, output(out))


def answer_with(packet, kind, code=0, rest=0):
    """Send an ICMP message back, about this packet alone."""
    out, gateway = routes.lookup(packet.ipv4.src, (None, None))
    station = neighbours.get(gateway or packet.ipv4.src)
    if station and out in interfaces:
        (mac, address, _), data = interfaces[out], packet.data
        message = answer.icmp_error(address, data, kind, code, rest=rest) if kind else answer.echo_reply(data)
        if message:
            program.send(build.ethernet(mac, station, message), out)
    return consume()
