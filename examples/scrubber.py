"""A scrubber before servers: it limits what each network sends, and keeps SYN floods with forged addresses away.

A first SYN is answered by an acknowledgement of a number that is wrong, and that a secret makes of the addresses. Who
really sent it resets that with the very number, and asks again at once (RFC 9293, section 3.10.7.3); who forged its
address never learns the number. Limits are the datapath's: what exceeds them never comes up.
"""

from hashlib import blake2b
from secrets import token_bytes

from dpif.packet import build
from dpif.packet.headers import Tcp
from dpif.packet.layout import locate
from dpif.program import Program, consume, drop, meter, output, recirculate

program = Program("scrubber")
other_ends = program.table("other_ends")  # by name of port: the name of the port at the other end of the wire
servers = program.table("servers")  # the names of ports behind which they are
limits = program.lpm("limits")  # by network: a meter, as `program.meter(1000, "pktps")`
genuine = program.table("genuine", idle=600)  # addresses that sent packets of their own

SYN_ACK = 0x12
SECRET = token_bytes(16)


def protect(outer, inner):
    """Make a wire of two ports, the servers behind the second one."""
    other_ends.update({inner: outer, outer: inner})
    servers[inner] = True


@program.forward
def scrub(packet):
    """Let pass what servers send; limit what is sent to them."""
    port = program.ports[packet.in_port]
    out = other_ends.get(port)
    if out is None or port in servers or packet.ipv4 is None:
        return output(out) if out else drop()
    limit = limits.lookup(packet.ipv4.src)
    return meter(limit) + recirculate(admit, out) if limit else admit(packet, out)


def admit(packet, out):
    """Let TCP in from genuine addresses alone."""
    ip, tcp = packet.ipv4, packet.tcp
    if tcp is None or genuine.touch(ip.src):
        return output(out)
    ends = f"{ip.src} {ip.dst} {tcp.src} {tcp.dst}".encode()
    number = int.from_bytes(blake2b(ends, key=SECRET, digest_size=4).digest())
    if tcp.flags.syn and not tcp.flags.ack:
        reply = build.tcp(ip.dst, ip.src, tcp.dst, tcp.src, flags=SYN_ACK, ack=number)
        program.send(build.ethernet(packet.eth.dst, packet.eth.src, reply), packet.in_port)
    elif tcp.flags.rst and Tcp.read(packet.data, locate(packet.data).l4).seq == number:
        genuine[ip.src] = True
    return consume()
