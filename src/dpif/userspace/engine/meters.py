"""Meters: token buckets that packets pass through, and the table that holds those of a datapath.

The arithmetic and the table are the kernel's (net/openvswitch/meter.c). A bucket counts bits, or thousandths of a
packet, so that a rate in kilobits or packets per second fills it by ``rate`` each millisecond. A meter is kept at
its id modulo the size of the table, which doubles and halves as the count of meters goes up and down: two ids with
one place cannot both be there.
"""

from __future__ import annotations

from collections.abc import Iterable
from errno import EBUSY, EFBIG, EINVAL

from dpif._typing import Final, NamedTuple
from dpif.odp.constants import MeterBandType
from dpif.userspace.engine.refusal import refusal

DP_MAX_BANDS: Final = 1
DP_METER_ARRAY_SIZE_MIN: Final = 1024
DP_METER_NUM_MAX: Final = 200_000
"""How many meters a datapath may have (less on a kernel that has little memory)."""


class BandRequest(NamedTuple):
    """What a band shall be; ``burst`` is in kilobits or packets."""

    type: int
    rate: int
    burst: int


class Band:
    """A rate, and how much exceeded it."""

    __slots__ = ("bucket", "bytes", "packets", "rate", "size", "type")

    def __init__(self, request: BandRequest) -> None:
        if not request.rate:
            raise refusal(EINVAL, "the rate of a band is at least 1")
        self.type = request.type
        self.rate = request.rate
        self.size = self.bucket = request.burst * 1000
        self.packets = self.bytes = 0

    def exceeds(self, milliseconds: int, cost: int) -> bool:
        """Fill the bucket for the time that passed and take `cost` out; True when so much is not in it."""
        self.bucket = min(self.bucket + milliseconds * self.rate, self.size)
        if self.bucket < cost:
            return True
        self.bucket -= cost
        return False


class Meter:
    """A meter. ``used`` is when a packet last came, or else when it was made, in milliseconds of the clock.

    ``keeps_stats`` says whether its counters are told when another meter replaces it.
    """

    __slots__ = ("bands", "bytes", "id", "is_in_bits", "keeps_stats", "packets", "used")

    def __init__(
        self, id: int, bands: Iterable[BandRequest], now: int, *, is_in_bits: bool, keeps_stats: bool = True
    ) -> None:
        self.id = id
        self.bands = tuple(map(Band, bands))
        if len(self.bands) > DP_MAX_BANDS:
            raise refusal(EINVAL, f"a meter has at most {DP_MAX_BANDS} bands")
        self.is_in_bits = is_in_bits
        self.keeps_stats = keeps_stats
        self.packets = self.bytes = 0
        self.used = now

    def drops(self, length: int, now: int) -> bool:
        """Count a packet of `length` bytes at time `now`; True when it is one too many (ovs_meter_execute)."""
        milliseconds = max(now - self.used, 0)
        self.used = now
        self.packets += 1
        self.bytes += length
        cost = length * 8 if self.is_in_bits else 1000
        exceeded = [band for band in self.bands if band.exceeds(milliseconds, cost)]
        if not exceeded:
            return False
        band = max(exceeded, key=lambda band: band.rate)
        band.packets += 1
        band.bytes += length
        return band.type == MeterBandType.DROP


class MeterTable:
    """The meters of a datapath."""

    def __init__(self, most: int = DP_METER_NUM_MAX) -> None:
        self.most = most
        self._size = DP_METER_ARRAY_SIZE_MIN
        self._places: dict[int, Meter] = {}

    def find(self, id: int) -> Meter | None:
        """Return the meter `id`, if there is one."""
        meter = self._places.get(id % self._size)
        return meter if meter is not None and meter.id == id else None

    def replace(self, meter: Meter) -> Meter | None:
        """Put a meter in the place of the one with its id; return that one. It is gone even when this is refused.

        EBUSY when a meter with another id is there; EFBIG when there are too many.
        """
        old = self.remove(meter.id)
        count = len(self._places) + 1
        if count >= self.most:
            raise refusal(EFBIG, f"a datapath has fewer than {self.most} meters")
        if count >= self._size:
            self._resize(self._size * 2)
        place = meter.id % self._size
        if place in self._places:
            raise refusal(EBUSY, f"meter {self._places[place].id} has the place of meter {meter.id}")
        self._places[place] = meter
        return old

    def remove(self, id: int) -> Meter | None:
        """Take meter `id` out and return it."""
        meter = self.find(id)
        if meter is not None:
            del self._places[id % self._size]
            half = self._size // 2
            is_sparse = len(self._places) <= self._size // 4 and self._size > DP_METER_ARRAY_SIZE_MIN
            if is_sparse and all(place < half for place in self._places):
                self._resize(half)
        return meter

    def _resize(self, size: int) -> None:
        """Change what ids are taken modulo of; meters stay at their places, as in the kernel."""
        self._size = size
