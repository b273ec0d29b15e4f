"""A switch with access ports, each in one VLAN without a tag, and trunks, which carry all VLANs with theirs."""

from dpif.program import Program, drop, mirror, output

program = Program("vlan-switch")
access = program.table("access")  # by name of port: its VLAN; a port that is not here is a trunk
stations = program.table("stations", idle=300)  # by VLAN and MAC: the name of the port


@program.forward
def switch(packet):
    """Learn where the packet comes from, and send it where its station is, or everywhere in its VLAN."""
    port = program.ports[packet.in_port]
    own = access.get(port)
    if (own is None) == (packet.vlan is None):
        return drop()  # no tags at access ports, and nothing else on trunks
    vlan = own or packet.vlan.vid
    if not packet.eth.src.is_multicast:  # no station has a group address
        stations[vlan, packet.eth.src] = port
    at = None if packet.eth.dst.is_multicast else stations.get((vlan, packet.eth.dst))
    return deliver(packet, vlan, members(vlan) if at is None else [at])


def members(vlan):
    """Return the names of the ports of a VLAN: trunks are of all."""
    return [port for port in program.ports.values() if access.get(port, vlan) == vlan]


def deliver(packet, vlan, ports):
    """Send a packet out of ports: as it came where they are of the same kind, and else with a tag or without."""
    own = program.ports[packet.in_port]
    is_tagged = packet.vlan is not None
    alike = [port for port in ports if port != own and (port not in access) == is_tagged]
    others = [port for port in ports if port != own and port not in alike]
    if is_tagged:
        packet.pop_vlan()
    else:
        packet.push_vlan(vlan)
    return mirror(*alike) + output(*others)
