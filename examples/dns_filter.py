"""A DNS filter in a switch: it answers itself that a blocked name does not exist, and lets other questions pass.

Questions come up one by one, since no flow matches names. All else is the learning switch's, flows and all.
"""

from learning_switch import program, switch

from dpif.packet import answer, build
from dpif.program import consume

blocked = program.table("blocked")  # names: each stands for what is below it, too

DNS = 53
HEADER = 12
NO_SUCH_NAME = 0x8183  # an answer, as of a server that asks others, with the code NXDOMAIN (RFC 1035, section 4.1.1)


@program.forward
def dns_filter(packet):
    """Answer a question for a blocked name; switch everything else."""
    if packet.udp is None or packet.udp.dst != DNS:
        return switch(packet)
    query = packet.payload
    name, end = question(query)
    if not is_blocked(name):
        return switch(packet)
    reply = query[:2] + NO_SUCH_NAME.to_bytes(2) + bytes((0, 1, 0, 0, 0, 0, 0, 0)) + query[HEADER:end]
    datagram = answer.udp_reply(packet.data, reply)
    program.send(build.ethernet(packet.eth.dst, packet.eth.src, datagram), packet.in_port)
    return consume()


def question(query):
    """Return the labels of the first name that is asked for, and where its question ends; what has none fails."""
    labels, at = [], HEADER
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += 1 + length
    return labels, at + 5


def is_blocked(labels):
    """Tell whether a name, or one above it, is blocked."""
    return any(".".join(labels[start:]) in blocked for start in range(len(labels)))
