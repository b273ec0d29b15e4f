"""A switch over many hosts: the stations of a virtual network find each other through VXLAN, wherever they are.

Each host runs this, with a tunnel port and the addresses of the others. Who is where they learn from what they see,
and what comes out of a tunnel goes into none.
"""

from dpif.program import Program, drop, output, tunnel

TUNNEL = "vxlan_sys_4789"

program = Program("vxlan-overlay")
networks = program.table("networks")  # by name of port: the VNI of the virtual network that it is in
hosts = program.table("hosts")  # addresses of the other hosts
stations = program.table("stations", idle=300)  # by VNI and MAC: the name of the port, or the address of the host


@program.forward
def switch(packet):
    """Learn where a packet comes from, and send it where its station is, or to all of its network."""
    outer = packet.tunnel
    port = program.ports[packet.in_port]
    network = networks.get(port) if outer is None else outer.id
    if network is None:
        return drop()
    stations[network, packet.eth.src] = port if outer is None else outer.src
    at = stations.get((network, packet.eth.dst))
    if at is None:
        return to_all(network, port)
    if isinstance(at, str):
        return output(at) if at != port else drop()
    return tunnel(TUNNEL, at, network) if outer is None else drop()


def to_all(network, port):
    """Send a packet to all ports of its network, and a copy to each host unless one sent it."""
    way = output(*[other for other, theirs in networks.items() if theirs == network and other != port])
    for host in hosts if port != TUNNEL else ():
        way += tunnel(TUNNEL, host, network)
    return way
