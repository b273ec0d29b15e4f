"""``psample``: print the packets that are sampled, by datapaths and by tc."""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.commands.listening import end_by_signals, tell_losses, until_rung, wanted_count
from dpif.cli.errors import CommandError, UsageError
from dpif.cli.numbers import read_number
from dpif.odp.model.tunnel import Tunnel

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.psample import Sample


def psample(context: Context) -> None:
    """Print the samples of a peer, of some groups or of all, until told to end."""
    from dpif._open import TYPES, samples

    count = wanted_count(context)
    words = context.words
    type_ = "system"
    if words and words[0].endswith("@"):
        type_, words = words[0].removesuffix("@"), words[1:]
        if type_ not in TYPES:
            raise CommandError(f"there is no type {type_} of datapaths; there are {', '.join(TYPES)}")
    groups = {_group(word) for word in words} if words else None
    with context.failing("listening to samples"):
        listener = samples(type_, groups, socket=context.options.socket, waiting=context.tell_of_waiting)
    with end_by_signals() as bell, listener:
        context.note(f"listening to samples of {type_}@; Ctrl-C ends it")
        context.print_each("samples", map(SampleLine, until_rung(bell, listener, count)))
        tell_losses(context, listener.overruns, listener.malformed)


def _group(word: str) -> int:
    number = read_number(word)
    if number is None or number >= 1 << 32:
        raise UsageError(f"'{word}' is no group of samples, which is a number of 32 bits")
    return number


class SampleLine(NamedTuple):
    """A sample as it is printed."""

    sample: Sample

    def lines(self) -> Iterator[str]:
        """Return its line, with the packet at the end."""
        sample = self.sample
        parts = [f"group:{sample.group}"]
        if sample.cookie is not None:
            parts.append(f"cookie:{sample.cookie.hex()}")
        parts.append(
            f"probability:{100 * sample.probability:.1f}%" if sample.is_probability else f"rate:1/{sample.rate}"
        )
        for name, value in (("in_ifindex", sample.in_ifindex), ("out_ifindex", sample.out_ifindex)):
            if value is not None:
                parts.append(f"{name}:{value}")
        if sample.tunnel is not None:
            parts.append(f"tunnel({Tunnel.from_bytes(sample.tunnel)})")
        yield ", ".join([*parts, f"length:{sample.length}", f"packet:{sample.packet.hex()}"])

    def data(self) -> dict[str, object]:
        """Return all that is told of it."""
        sample = self.sample
        return {
            "group": sample.group,
            "cookie": None if sample.cookie is None else sample.cookie.hex(),
            "rate": sample.rate,
            "probability": sample.probability,
            "packet": sample.packet.hex(),
            "length": sample.length,
            "protocol": sample.protocol,
            "in_ifindex": sample.in_ifindex,
            "out_ifindex": sample.out_ifindex,
            "sequence": sample.sequence,
            "timestamp": None if sample.timestamp is None else sample.timestamp / 1e9,
            "tunnel": None if sample.tunnel is None else Tunnel.from_bytes(sample.tunnel).plain(),
        }
