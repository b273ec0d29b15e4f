"""Matches: which entries are meant, by parts of their tuples, marks and labels."""

from __future__ import annotations

from dpif._typing import NamedTuple
from dpif.conntrack.entry import Entry
from dpif.conntrack.tuples import IPPROTO_ICMP, IPPROTO_ICMPV6, Address, Tuple


class TuplePattern(NamedTuple):
    """What a tuple must have; None is anything."""

    src: Address | None = None
    dst: Address | None = None
    src_port: int | None = None
    dst_port: int | None = None
    icmp_id: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None

    def fits(self, tuple_: Tuple) -> bool:
        """Tell whether `tuple_` has what is asked for."""
        return all(wanted is None or getattr(tuple_, field) == wanted for field, wanted in self._asdict().items())


class Masked(NamedTuple):
    """A value, of which the bits of ``mask`` must match."""

    value: int
    mask: int

    def fits(self, value: int) -> bool:
        """Tell whether `value` has the same bits under the mask."""
        return not (value ^ self.value) & self.mask


_ANYTHING = TuplePattern()


class Match(NamedTuple):
    """Entries whose tuples fit the patterns, of an IP protocol, with a mark and labels; None is anything."""

    protocol: int | None = None
    orig: TuplePattern = _ANYTHING
    reply: TuplePattern = _ANYTHING
    mark: Masked | None = None
    labels: Masked | None = None

    def fits(self, entry: Entry) -> bool:
        """Tell whether `entry` is meant."""
        return (
            (self.protocol is None or entry.orig.protocol == self.protocol)
            and self.orig.fits(entry.orig)
            and self.reply.fits(entry.reply)
            and (self.mark is None or self.mark.fits(entry.mark))
            and (self.labels is None or self.labels.fits(entry.labels))
        )

    @property
    def is_all(self) -> bool:
        """Whether every entry is meant."""
        return self == Match()

    @property
    def connection(self) -> Tuple | None:
        """The tuple of the one connection that is meant, None when there may be several."""
        src, dst = self.orig.src, self.orig.dst
        if self.protocol is None or src is None or dst is None:
            return None
        if self.mark is not None or self.labels is not None or self.reply != _ANYTHING:
            return None
        is_icmp = self.protocol in (IPPROTO_ICMP, IPPROTO_ICMPV6)
        rest = self.orig[4:] if is_icmp else self.orig[2:4]
        return None if None in rest else Tuple(src, dst, self.protocol, *self.orig[2:])
