"""A learning switch, with stations of their own in each VLAN."""

from dpif.program import Program, drop, flood, output

program = Program("learning-switch")
stations = program.table("stations", idle=300)

RESERVED = 0x0180C2000000  # 01:80:c2:00:00:0x: what bridges keep for themselves (IEEE 802.1D, table 7-10)


@program.forward
def switch(packet):
    """Learn where the packet comes from, and send it where its station is, or everywhere."""
    if packet.eth.dst.prefix(44) == RESERVED:
        return drop()
    vlan = packet.vlan.vid if packet.vlan is not None else 0
    if not packet.eth.src.is_multicast:  # no station has a group address
        stations[vlan, packet.eth.src] = packet.in_port
    port = None if packet.eth.dst.is_multicast else stations.get((vlan, packet.eth.dst))
    if port is None:
        return flood()
    return output(port) if port != packet.in_port else drop()
