"""Fragments that wait for the rest of their packet (`Fragments`): conntrack looks at whole packets alone.

The rules are those of Linux: ip_defrag in net/ipv4/ip_fragment.c and nf_ct_frag6_gather in
net/ipv6/netfilter/nf_conntrack_reasm.c. Fragments may come in any order; one that is there already is passed over,
and one that overlaps others ends the packet (RFC 5722, and so for IPv4). What is held is bounded in bytes and in
time; and what IPv4 numbers with but 16 bits is not put together across many fragments of other packets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from errno import E2BIG, EINVAL, ENOMEM

from dpif._typing import Final, NamedTuple
from dpif.packet.checksum import checksum
from dpif.packet.constants import (
    ETH_P_IP,
    IP_DF,
    IP_MF,
    IP_OFFSET,
    IPPROTO_AH,
    IPPROTO_FRAGMENT,
    IPPROTO_ICMPV6,
    IPPROTO_NONE,
    IPPROTO_TCP,
    IPPROTO_UDP,
    IPV6_EXTENSIONS,
)
from dpif.packet.layout import Layout
from dpif.userspace.engine.conntrack.pieces import Overlap, Pieces
from dpif.userspace.engine.processor import ActionError

IPV4_SECONDS: Final = 30
IPV6_SECONDS: Final = 60
"""How long a packet's fragments wait for the rest (IP_FRAG_TIME, IPV6_FRAG_TIMEOUT)."""
MAX_BYTES: Final = 4 << 20
"""What fragments of each IP version may take before no more are accepted (IPV4_FRAG_HIGH_THRESH)."""
MAX_DISTANCE: Final = 64
"""By how many fragments that a source sent to anybody two of a packet of IPv4 may be apart (ipfrag_max_dist)."""
_MAX_SOURCES: Final = 65536
FRAGMENT_COST: Final = 768
"""Bytes that each fragment and each packet that waits counts for besides what is in it."""
_IPV6_SIZE: Final = 40
_FRAGMENT_HEADER_SIZE: Final = 8
_IPV6_MORE: Final = 0x0001
_MAX_LENGTH: Final = 65535
_CE: Final = 0x03
_NOT_ECT, _HAS_CE = 1 << 0, 1 << _CE
_HEADER_SIZES: Final = {IPPROTO_TCP: 20, IPPROTO_UDP: 8, IPPROTO_ICMPV6: 8}


class Whole(NamedTuple):
    """A packet that is no fragment (any more).

    ``mru`` is the size of the IP packet that was its largest fragment, ``sizes`` are how many bytes of payload its
    fragments had; without any for one that was never taken for a fragment.
    """

    packet: bytes
    mru: int = 0
    sizes: tuple[int, ...] = ()


class _Waiting:
    """A packet of which fragments have come; ``head`` is what was before the first one's payload.

    Its network header begins at ``l3``. ``count`` is how many fragments its source had sent with the latest one.
    ``ecn`` has a bit for each value of ECN that a fragment had.
    """

    def __init__(self, key: Hashable, expires: float) -> None:
        self.key = key
        self.expires = expires
        self.pieces = Pieces()
        self.head = b""
        self.l3 = 0
        self.ecn = 0
        self.largest = 0
        self.largest_df = 0
        self.count = 0
        self.cost = 0

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing is missing."""
        return self.pieces.are_complete and bool(self.head)


class _Store:
    """The packets of one IP version that wait, the oldest first."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._waiting: dict[Hashable, _Waiting] = {}
        self._cost = 0

    def __len__(self) -> int:
        self._sweep()
        return len(self._waiting)

    def find(self, key: Hashable) -> _Waiting:
        """Return the packet with this key, a new one if need be; ENOMEM when there is no room for fragments."""
        self._sweep()
        if self._cost > MAX_BYTES:
            raise ActionError(ENOMEM)
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = _Waiting(key, self._clock() + self._seconds)
            self._charge(found, 0)
        return found

    def add(self, waiting: _Waiting, offset: int, part: bytes) -> bool:
        """Add a piece to a packet; errors as of `Pieces.add`."""
        if not waiting.pieces.add(offset, part):
            return False
        self._charge(waiting, len(part))
        return True

    def forget(self, waiting: _Waiting) -> None:
        """Drop all that has come of a packet."""
        del self._waiting[waiting.key]
        self._cost -= waiting.cost

    def _charge(self, waiting: _Waiting, size: int) -> None:
        waiting.cost += FRAGMENT_COST + size
        self._cost += FRAGMENT_COST + size

    def _sweep(self) -> None:
        now = self._clock()
        while self._waiting:
            oldest = next(iter(self._waiting.values()))
            if oldest.expires > now:
                return
            self.forget(oldest)


class Fragments:
    """All fragments that wait; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._ipv4 = _Store(clock, IPV4_SECONDS)
        self._ipv6 = _Store(clock, IPV6_SECONDS)
        self._counts: dict[bytes, int] = {}  # fragments that IPv4 sources have sent

    def __len__(self) -> int:
        """Return of how many packets there are fragments."""
        return len(self._ipv4) + len(self._ipv6)

    def gather(self, zone: int, packet: bytes, layout: Layout, ifindex: int) -> Whole | None:
        """Take a fragment; return its packet if that is complete now.

        `zone` is conntrack's, `ifindex` of the device where the fragment came in, which tells packets between
        link-local addresses apart. Raises `ActionError` for a fragment that contradicts the others or is too much.
        """
        if layout.ethertype == ETH_P_IP:
            return self._gather_ipv4(zone, packet, layout)
        return self._gather_ipv6(zone, packet, layout, ifindex)

    def _gather_ipv4(self, zone: int, packet: bytes, layout: Layout) -> Whole | None:
        """Take a fragment (ip_frag_queue)."""
        l3 = layout.l3
        header = (packet[l3] & 0x0F) * 4
        addresses = packet[l3 + 12 : l3 + 20]
        waiting = self._find_ipv4((zone, layout.protocol, packet[l3 + 4 : l3 + 6], addresses), addresses[:4])
        field = int.from_bytes(packet[l3 + 6 : l3 + 8])
        offset, is_last = (field & IP_OFFSET) * 8, not field & IP_MF
        part = packet[l3 + header : layout.end]
        if not is_last:
            part = part[: len(part) & ~7]
        try:
            if not (waiting.pieces.reach(offset + len(part), is_last=is_last) and part):
                raise Overlap
            if not self._ipv4.add(waiting, offset, part):
                raise ActionError(EINVAL)
        except Overlap:
            self._ipv4.forget(waiting)
            raise ActionError(EINVAL) from None
        waiting.ecn |= 1 << (packet[l3 + 1] & _CE)
        waiting.largest = max(waiting.largest, header + len(part))
        if field & IP_DF:
            waiting.largest_df = max(waiting.largest_df, header + len(part))
        if not offset:
            waiting.head, waiting.l3 = packet[: l3 + header], l3
        if not waiting.is_complete:
            return None
        self._ipv4.forget(waiting)
        return _join_ipv4(waiting)

    def _find_ipv4(self, key: Hashable, source: bytes) -> _Waiting:
        """Return the packet with this key; it begins anew when `source` has sent much since (ip_frag_too_far)."""
        waiting = self._ipv4.find(key)
        if len(self._counts) >= _MAX_SOURCES:
            self._counts.clear()
        count = self._counts[source] = self._counts.get(source, 0) + 1
        if waiting.pieces and count - waiting.count > MAX_DISTANCE:
            self._ipv4.forget(waiting)
            largest = waiting.largest, waiting.largest_df  # which the kernel does not forget
            waiting = self._ipv4.find(key)
            waiting.largest, waiting.largest_df = largest
        waiting.count = count
        return waiting

    def _gather_ipv6(self, zone: int, packet: bytes, layout: Layout, ifindex: int) -> Whole | None:
        """Take a fragment (nf_ct_frag6_queue); what makes no sense as one is taken for a whole packet."""
        l3 = layout.l3
        length = int.from_bytes(packet[l3 + 4 : l3 + 6])
        found = _find_fragment_header(packet, l3)
        if not length or found is None:
            return Whole(packet)
        next_at, at = found
        destination = packet[l3 + 24 : l3 + 40]
        waiting = self._ipv6.find(
            (zone, packet[at + 4 : at + 8], packet[l3 + 8 : l3 + 40], ifindex if _is_of_link(destination) else 0)
        )
        field = int.from_bytes(packet[at + 2 : at + 4])
        offset, is_last = field & ~7, not field & _IPV6_MORE
        end = offset + length - (at + _FRAGMENT_HEADER_SIZE - l3 - _IPV6_SIZE)
        if end > _MAX_LENGTH:
            raise ActionError(EINVAL)
        if not is_last and end & 7:
            self._ipv6.forget(waiting)
            return Whole(packet)
        part = packet[at + _FRAGMENT_HEADER_SIZE :][: max(end - offset, 0)]
        if not (waiting.pieces.reach(end, is_last=is_last) and part):
            raise ActionError(EINVAL)
        try:
            if not self._ipv6.add(waiting, offset, part):
                return None
        except Overlap:
            self._ipv6.forget(waiting)
            raise ActionError(EINVAL) from None
        waiting.ecn |= 1 << (packet[l3 + 1] >> 4 & _CE)
        waiting.largest = max(waiting.largest, _IPV6_SIZE + length)
        if not offset:
            waiting.head, waiting.l3 = packet[:next_at] + packet[at : at + 1] + packet[next_at + 1 : at], l3
        if not waiting.is_complete:
            return None
        self._ipv6.forget(waiting)
        return _join_ipv6(waiting)


def _joint_ecn(ecn: int) -> int | None:
    """Return the ECN bits to be set in a packet whose fragments had those in the set `ecn`; None to drop it.

    RFC 3168 section 5.3: congestion that one fragment met is the packet's; fragments that can tell of it do not
    mix with such as cannot.
    """
    if ecn & _NOT_ECT and ecn != _NOT_ECT:
        return None
    return _CE if ecn & _HAS_CE else 0


def _join_ipv4(waiting: _Waiting) -> Whole:
    """Return the packet that is complete (ip_frag_reasm)."""
    ecn = _joint_ecn(waiting.ecn)
    if ecn is None:
        raise ActionError(EINVAL)
    l3, head = waiting.l3, bytearray(waiting.head)
    length = len(head) - l3 + waiting.pieces.length
    if length > _MAX_LENGTH:
        raise ActionError(E2BIG)
    head[l3 + 1] |= ecn
    head[l3 + 2 : l3 + 4] = length.to_bytes(2)
    head[l3 + 6 : l3 + 8] = (IP_DF if waiting.largest_df == waiting.largest else 0).to_bytes(2)
    head[l3 + 10 : l3 + 12] = bytes(2)
    head[l3 + 10 : l3 + 12] = checksum(head[l3:]).to_bytes(2)
    payload, sizes = waiting.pieces.join()
    return Whole(bytes(head) + payload, waiting.largest, sizes)


def _join_ipv6(waiting: _Waiting) -> Whole | None:
    """Return the packet that is complete, None when it must be dropped (nf_ct_frag6_reasm)."""
    ecn = _joint_ecn(waiting.ecn)
    l3, head = waiting.l3, bytearray(waiting.head)
    length = len(head) - l3 - _IPV6_SIZE + waiting.pieces.length
    if ecn is None or length > _MAX_LENGTH:
        return None
    head[l3 + 1] |= ecn << 4
    head[l3 + 4 : l3 + 6] = length.to_bytes(2)
    payload, sizes = waiting.pieces.join()
    return Whole(bytes(head) + payload, waiting.largest, sizes)


def _is_of_link(address: bytes) -> bool:
    """Tell whether an IPv6 address is of one link alone, or multicast."""
    return address[0] == 0xFF or (address[0] == 0xFE and address[1] & 0xC0 == 0x80)


def _find_fragment_header(packet: bytes, l3: int) -> tuple[int, int] | None:
    """Return where the fragment header's number is, and where it is; None for one that nothing can be done with.

    That is: none at all, and a first fragment without all headers (find_prev_fhdr, ipv6frag_thdr_truncated).
    """
    next_at, at = l3 + 6, l3 + _IPV6_SIZE
    while packet[next_at] != IPPROTO_FRAGMENT:
        if packet[next_at] not in IPV6_EXTENSIONS or at + 2 > len(packet):
            return None
        next_at, at = at, at + _extension_size(packet[next_at], packet[at + 1])
    if at + _FRAGMENT_HEADER_SIZE > len(packet) or _lacks_headers(packet, at):
        return None
    return next_at, at


def _extension_size(header: int, length: int) -> int:
    return (length + 2) * 4 if header == IPPROTO_AH else (length + 1) * 8


def _lacks_headers(packet: bytes, at: int) -> bool:
    """Tell whether the fragment with a fragment header at `at` is the first, and too short for all headers."""
    if int.from_bytes(packet[at + 2 : at + 4]) & ~7:
        return False
    header, at = packet[at], at + _FRAGMENT_HEADER_SIZE
    while header in IPV6_EXTENSIONS:
        if at + 2 > len(packet):
            return False
        size = _FRAGMENT_HEADER_SIZE if header == IPPROTO_FRAGMENT else _extension_size(header, packet[at + 1])
        header, at = packet[at], at + size
    return header != IPPROTO_NONE and at + _HEADER_SIZES.get(header, 1) > len(packet)
