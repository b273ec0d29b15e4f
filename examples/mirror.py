"""A switch that shows an intrusion detection system what watched networks send and get.

The copies are of packets as they came in, and made by the datapath: no packet of a running conversation comes up.
"""

from dpif.program import Program, drop, flood, mirror, output

program = Program("mirror")
stations = program.table("stations", idle=300)  # by MAC: the port where it is
watched = program.lpm("watched")  # networks
sensors = program.table("sensors")  # names of the ports where somebody listens


@program.forward
def switch(packet):
    """Switch a packet, and let it be seen if it is of interest."""
    if program.ports[packet.in_port] in sensors:
        return drop()  # who listens says nothing
    stations[packet.eth.src] = packet.in_port
    port = stations.get(packet.eth.dst)
    way = flood(but=sensors) if port is None else output(port)
    return mirror(*sensors) + way if is_watched(packet.ip) else way


def is_watched(ends):
    """Tell whether one of the ends is in a watched network."""
    return ends is not None and (watched.lookup(ends.src, False) or watched.lookup(ends.dst, False))
