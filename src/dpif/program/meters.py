"""The meters of a program: rates that it names, and that the datapath has before a flow asks for them.

A program numbers its meters in the order in which it makes them, so that after a restart or a new version of its file
each is where it was, and those that stayed the same go on counting.
"""

from __future__ import annotations

from collections.abc import Iterable

from dpif._typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dpif.client.meters import Meters, Unit

__all__ = ["MeterKeeper", "ProgramMeter"]


class ProgramMeter(NamedTuple):
    """A meter as a program wants it; arguments as of `Meters.set`. Made by `Program.meter`."""

    number: int
    rate: int
    unit: Unit
    burst: int | None


class MeterKeeper:
    """Keeps the meters of a datapath as a program wants them."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._made: list[ProgramMeter] = []

    def bring(self, wanted: Iterable[ProgramMeter]) -> None:
        """Make the meters that are missing, change those that differ, and delete those that nobody wants."""
        before, self._made = self._made, list(wanted)
        for meter in self._made:
            if meter not in before:
                self._meters.set(meter.number, rate=meter.rate, burst=meter.burst, unit=meter.unit)
        kept = {meter.number for meter in self._made}
        for meter in before:
            if meter.number not in kept:
                self._meters.delete(meter.number)

    def differs(self, wanted: list[ProgramMeter]) -> bool:
        """Tell whether there is something to do."""
        return wanted != self._made
