"""A capture played through a program, on a datapath of its own: what would come up, which flows it would make.

The clock is that of the capture: entries and flows grow old as they would have.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dpif._typing import Any, NamedTuple
from dpif.packet import capture
from dpif.program.options import Options
from dpif.program.program import Program
from dpif.program.testing import Playground

__all__ = ["Report", "play"]


class Report(NamedTuple):
    """What a capture came to; ``out`` counts packets by port. ``hit_rate`` is the part that met a flow."""

    packets: int
    came_up: int
    flows: int
    masks: int
    installed: int
    failed: int
    out: dict[str, int]

    @property
    def hit_rate(self) -> float:
        """The part of the packets that no flow had to be made for, from 0 to 1."""
        return 1 - self.came_up / self.packets if self.packets else 0.0

    def lines(self) -> list[str]:
        """Return it as text."""
        ports = ", ".join(f"{name} {count}" for name, count in self.out.items()) or "none"
        return [
            f"packets {self.packets}, came up {self.came_up} (hit rate {self.hit_rate:.1%}), failed {self.failed}",
            f"flows {self.flows} at the end, {self.installed} made, masks {self.masks}",
            f"went out: {ports}",
        ]

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**self._asdict(), "hit_rate": self.hit_rate}


def play(
    program: Program, path: str, ports: Iterable[str], options: Options | None = None, out: str | None = None
) -> Report:
    """Play the capture `path` into the first of `ports`; write what comes out of each into the directory `out`."""
    names = list(ports)
    went_out: Counter[str] = Counter()
    count = came_up = 0
    with contextlib.ExitStack() as stack:
        net = stack.enter_context(Playground(program, names, options))
        writers = {}
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            writers = {name: stack.enter_context(capture.Writer(Path(out) / f"{name}.pcap")) for name in names}
        start: float | None = None
        for packet in capture.read(path):
            start = packet.timestamp if start is None else start
            net.sleep_until(1000.0 + packet.timestamp - start)
            count += 1
            before = net.counters.upcalls
            for name, arrived in net.send(names[0], packet.data).items():
                went_out[name] += len(arrived)
                for data in arrived if name in writers else ():
                    writers[name].write(data, packet.timestamp)
            came_up += net.counters.upcalls > before
        counters = net.counters
        return Report(
            count,
            came_up,
            counters.flows,
            counters.masks,
            counters.installed,
            counters.failed,
            dict(sorted(went_out.items())),
        )
