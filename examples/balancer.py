"""A balancer: TCP connections to one address are shared out to servers by Maglev hashing, and stay where they began.

A new connection is of one of 256 shares, by a hash that the datapath computes. Each server has nearly as many shares
as the others, and few change hands when one comes or goes. Where a connection went conntrack knows: a server that
takes no new ones keeps those that it has.
"""

from dpif.packet import answer, build, constants
from dpif.program import Program, consume, ct, drop, flood, maglev, output, select

program = Program("balancer")
service = program.table("service")  # "mac" and "address"
servers = program.table("servers")  # by address: MAC
health = program.table("health")  # by address of a server: whether it may have new connections
stations = program.table("stations", idle=300)  # by MAC: the port where it is

SHARES = 256


@program.forward
def balance(packet):
    """Answer for the service's address, have TCP tracked, and switch the rest."""
    stations[packet.eth.src] = packet.in_port
    mac, arp = service.get("mac"), packet.arp
    if arp is not None and arp.op == constants.ARPOP_REQUEST and arp.tip == service.get("address"):
        program.send(build.ethernet(mac, arp.sha, answer.arp(packet.data, mac)), packet.in_port)
        return consume()
    return ct(nat="", then=tracked) if packet.ipv4 is not None and packet.tcp is not None else deliver(packet)


def tracked(packet):
    """Send on what belongs to a connection, now that its addresses are those of its other end."""
    mac, address = service.get("mac"), service.get("address")
    if packet.eth.dst == mac:
        if packet.ipv4.dst == address:
            return select(chosen) if packet.ct.state.new else drop()
        if packet.ipv4.dst not in servers:
            return drop()
        packet.eth.dst = servers[packet.ipv4.dst]
    elif packet.ipv4.src == address:
        packet.eth.src = mac
    return deliver(packet)


def chosen(packet):
    """Let a new connection be that of the server whose share it is in."""
    able = [server for server, is_able in health.items() if is_able]
    if not able:
        return drop()
    owners = maglev(able, SHARES)
    return ct(commit=True, nat=f"dst={owners[packet.dp_hash & SHARES - 1]}", then=tracked)


def deliver(packet):
    """Send a packet to its station."""
    port = stations.get(packet.eth.dst)
    return flood() if port is None else output(port)
