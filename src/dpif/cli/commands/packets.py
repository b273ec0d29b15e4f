"""``send`` and ``execute``: packets that a person writes, or a capture's, through a datapath.

Packets go in batches as fast as the datapath takes them, or at the times of their capture. Each that fails is
reported, the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.flow_texts import read_actions
from dpif.cli.errors import CommandError, UsageError, describe
from dpif.client.operations import Execute
from dpif.errors import DpifError, NoSuchObject, ParseError
from dpif.odp.actions import Actions, Output
from dpif.odp.constants.vport import OVSP_LOCAL
from dpif.odp.model.key import FlowKey
from dpif.packet.written import Written, read_packets

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.client.datapath import Datapath

_TOGETHER = 64
"""Packets of one batch."""
_LONGEST_NAP = 0.2
"""Seconds at most that a replay sleeps at a time: a clock may be set, and a person may want to end it."""


def send(context: Context) -> None:
    """Send packets out of a port."""
    datapath, (port, *words) = context.open_first()
    with datapath:
        number = _port_number(datapath, port)
        _carry_out(context, datapath, " ".join(words), Actions([Output(number)]), OVSP_LOCAL, "sending packet {}")


def execute(context: Context) -> None:
    """Apply actions to packets."""
    datapath, (packet, actions) = context.open_first()
    with datapath:
        numbers = {name: number for number, name in datapath.ports.names().items()}
        parsed = read_actions(actions, "parsing actions", numbers)
        _carry_out(context, datapath, packet, parsed, None, "executing actions on packet {}")


class _Sent(NamedTuple):
    """How many packets went, and how many bytes they had."""

    packets: int
    bytes: int

    def lines(self) -> Iterator[str]:
        """Return it in words."""
        yield f"sent {self.packets} packet{'' if self.packets == 1 else 's'}, {self.bytes} bytes"

    def data(self) -> dict[str, object]:
        """Return both numbers."""
        return self._asdict()


def _carry_out(
    context: Context, datapath: Datapath, text: str, actions: Actions, in_port: int | None, failure: str
) -> None:
    """Apply `actions` to the packets of a text, as coming from `in_port`, or where each says."""
    encoded = actions.to_bytes()
    packets = octets = number = 0
    with context.failing("reading packets"):
        batches = _batches(read_packets(text), _speed(context))
        with context.watching(_parsed(batches), lambda count, _: f"sending: {number} packets") as watched:
            for batch in watched:
                todo = [_operation(datapath, written, encoded, in_port) for written in batch]
                for written, result in zip(batch, datapath.operate(todo), strict=True):
                    number += 1
                    if result.error is not None:
                        context.report(failure.format(number), result.error)
                        continue
                    packets += 1
                    octets += len(written.frame)
    context.print(_Sent(packets, octets))


def _operation(datapath: Datapath, written: Written, actions: bytes, in_port: int | None) -> Execute:
    if in_port is None and written.in_port:
        in_port = _port_number(datapath, written.in_port)
    return Execute(written.frame, actions, FlowKey(in_port=OVSP_LOCAL if in_port is None else in_port))


def _parsed(batches: Iterator[list[Written]]) -> Iterator[list[Written]]:
    """Yield the batches; a mistake in a text ends the command as one of a flow does."""
    try:
        yield from batches
    except ParseError as error:
        raise CommandError(describe("parsing packet", error)) from error


def _port_number(datapath: Datapath, text: str) -> int:
    """Return the number of a port given by number or name; raise `CommandError`."""
    try:
        return datapath.ports.get(int(text) if text.isdecimal() else text).number
    except NoSuchObject:
        present = ", ".join(port.name for port in datapath.ports)
        raise CommandError(f"there is no port {text}; {datapath} has: {present}") from None
    except DpifError as error:
        raise CommandError(describe(f"looking for port {text}", error)) from None


def _speed(context: Context) -> float:
    """Return how many times as fast as it was recorded a capture is played; 0 is as fast as it goes."""
    text = context.options.speed
    if text is None:
        return 1.0 if context.options.timed else 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UsageError(f"--speed takes a number above 0, such as 2 for twice as fast, not '{text}'")
    return speed


def _batches(packets: Iterator[Written], speed: float) -> Iterator[list[Written]]:
    """Yield packets together; with a `speed` each when its time has come."""
    if not speed:
        while batch := list(islice(packets, _TOGETHER)):
            yield batch
        return
    began: float | None = None
    start = time.monotonic()
    for packet in packets:
        began = packet.timestamp if began is None else began
        _wait_until(start + max(packet.timestamp - began, 0.0) / speed)
        yield [packet]


def _wait_until(moment: float) -> None:
    while (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, _LONGEST_NAP))
