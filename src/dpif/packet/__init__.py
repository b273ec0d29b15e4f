"""Packets as bytes: finding, reading, building and changing their headers; captures.

What belongs here knows networks and nothing of Open vSwitch:

- `addresses`: `Mac`; IP addresses are the standard library's.
- `checksum`: the Internet checksum, whole and incremental, and SCTP's CRC.
- `layout`: `locate(packet)` says where the headers begin.
- `headers`: headers as values, to read and to pack.
- `build`: whole packets, one call per layer.
- `answer`: echo replies and ICMP errors to a packet.
- `fragment`: IP packets cut into fragments.
- `edit`: changes in place, as a datapath's actions make them.
- `capture`: pcap and pcapng files.
- `written`: packets as people write them on a command line.
- `constants`: EtherTypes, protocols, message types.

A packet is ``bytes``, or a ``bytearray`` where it is changed. Import the modules by name
(``from dpif.packet import build, edit``); this package itself loads none of them.
"""
