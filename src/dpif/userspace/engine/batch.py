"""Lists of packets that come in together: what `Datapath.receive` does with each, at less cost for each.

Their fingerprints are taken all at once (`columns`). Packets that are known and are output and nothing else gather
by the port that they leave through, which gets them as a list. A packet to which anything else happens, or which
is not known yet, is dealt with by itself, after those before it have left; so every port sends packets in the
order in which they came in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from dpif._typing import TYPE_CHECKING, TypeAlias
from dpif.odp.kernel.swkey import TCP_FLAGS
from dpif.userspace.engine.columns import fingerprints

if TYPE_CHECKING:
    from dpif.userspace.engine.datapath import Datapath
    from dpif.userspace.engine.port import Port

_Leaving: TypeAlias = "defaultdict[int, list[bytes]]"
"""Packets by the number of the port that they leave through."""


def receive_many(port: Port, packets: Sequence[bytes], until: float) -> Sequence[bytes]:
    """Carry packets that came in through `port`, as long as it is there; return those that are left.

    When the datapath's clock is at `until` behind a packet that was dealt with by itself, the others are left.
    """
    datapath, recent = port.datapath, port.recent
    leaving: _Leaving = defaultdict(list)
    size = count = 0
    now = datapath.clock()
    left: Sequence[bytes] = ()
    printed = zip(packets, fingerprints(packets), strict=True)
    for packet, print_ in printed:
        found = recent.get(print_)
        if found is None or not found[0].in_table or (outputs := found[0].program.outputs) is None:
            _send(datapath, leaving)
            if port.device.port is not port:
                break
            datapath.receive(port, packet)
            now = datapath.clock()
            if now >= until:
                left = [packet for packet, _ in printed]
            continue
        flow, key = found
        length = len(packet)
        flow.packets += 1  # as Flow.count does
        flow.bytes += length
        flow.tcp_flags |= key & TCP_FLAGS
        flow.used = now
        count += 1
        size += length
        for number in outputs:
            leaving[number].append(packet)
    _send(datapath, leaving)
    port.received_packets += count
    port.received_bytes += size
    datapath.n_hit += count
    datapath.n_cache_hit += count
    return left


def _send(datapath: Datapath, leaving: _Leaving) -> None:
    for number, packets in leaving.items():
        port = datapath.ports.get(number)
        if port is not None:
            port.send_many(packets)
    leaving.clear()
