"""What a flow must have to be installed though a dump does not show it, for it is wildcarded."""

from __future__ import annotations

from dpif import FlowKey, parse_match
from dpif.odp.constants import FragType, KeyAttr
from dpif.odp.kernel.protocols import ND_TYPES, NETWORK, TRANSPORT

_WILDCARDED = {KeyAttr.TCP_FLAGS: "tcp_flags(0/0)"}


def complete(match: str) -> str:
    """Return the text of a match with the attributes that its protocols have, and what a tunnel's header needs."""
    key, _ = parse_match(match)
    if key.tunnel is not None and key.tunnel.ttl is None:
        match = match.replace("tunnel(", "tunnel(ttl=0/0,", 1)
    depth, inner = 0, key
    while inner.encap is not None:
        depth, inner = depth + 1, inner.encap
    missing = [
        _WILDCARDED.get(number, f"{FlowKey.ATTRS[number].text_name}()")
        for number in _expected(inner)
        if number not in dict(inner.kept())
    ]
    end = len(match) - depth
    return ",".join([match[:end], *missing]) + match[end:]


def _expected(key: FlowKey) -> list[int]:
    """Return what the protocols in a key ask for."""
    found = list(NETWORK.get(key.eth_type, ()))
    header = key.ipv4 or key.ipv6
    if header is not None and header.frag != FragType.LATER:
        found += TRANSPORT.get((key.eth_type, header.proto), ())
        if key.icmpv6 is not None and key.icmpv6.type in ND_TYPES:
            found.append(KeyAttr.ND)
    return found
