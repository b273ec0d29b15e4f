"""``ct-set-limits``, ``ct-del-limits``, ``ct-get-limits``: how many connections each conntrack zone may have."""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, NamedTuple
from dpif.cli.errors import invalid
from dpif.conntrack.parse import parse_number

if TYPE_CHECKING:
    from dpif.cli.context import Context
    from dpif.cli.output.table import Screen
    from dpif.client.datapath import Datapath
    from dpif.odp.messages.ct_limit import ZoneLimit

_SYNTAX = "expected default=L, or zone=N,limit=L"


def set_limits(context: Context) -> None:
    """Set the default limit, those of zones, or both."""
    datapath, words = _open(context)
    with datapath:
        default = None
        if words[0].startswith("default="):
            default = _number(words.pop(0).removeprefix("default="), 32, "invalid default limit")
        zones = dict(parse_zone_limit(word) for word in words)
        with context.failing("failed to set conntrack limit"):
            datapath.ct_limits.set(zones, default=default)


def delete_limits(context: Context) -> None:
    """Remove the default limit, those of zones, or both."""
    datapath, words = _open(context)
    with datapath:
        default = words[0] == "default"
        zones = _only_zones(words[1:] if default else words)
        with context.failing("failed to delete conntrack limit"):
            datapath.ct_limits.delete(*zones or (), default=default)


def get_limits(context: Context) -> None:
    """Show the default limit, and those of the zones named, or of all that have one."""
    datapath, words = context.open_optional(context.words, context.command.most)
    with datapath:
        zones = _only_zones(words)
        with context.failing("failed to get conntrack limit"):
            limits = list(datapath.ct_limits) if zones is None else datapath.ct_limits.read(zones)
            context.print(Limits(datapath.ct_limits.default, limits, context.screen))


class Limits(NamedTuple):
    """The default limit and those of zones; ``screen`` is there for a table of them."""

    default: int
    zones: list[ZoneLimit]
    screen: Screen | None = None

    def lines(self) -> Iterator[str]:
        """Return the text as ``ovs-dpctl`` prints it, or a table."""
        yield f"default limit={self.default}"
        yield from self._plain_lines() if self.screen is None else self._table_lines(self.screen)

    def _plain_lines(self) -> Iterator[str]:
        for zone, limit, connections in self.zones:
            yield f"zone={zone},limit={limit},count={connections}"

    def _table_lines(self, screen: Screen) -> Iterator[str]:
        from dpif.cli.output.table import Column, Row, Table

        columns = [Column(title, is_number=True) for title in ("zone", "limit", "connections")]
        return Table(screen, columns).lines(Row([str(value) for value in zone]) for zone in self.zones)

    def data(self) -> dict[str, object]:
        """Return the limits, and how many connections each zone has."""
        return {"default": self.default, "zones": [zone._asdict() for zone in self.zones]}


def parse_zone_limit(text: str) -> tuple[int, int]:
    """Return zone and limit of ``zone=N,limit=L``."""
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if not value:
            raise invalid(f"field {key} missing value", _SYNTAX)
        if key not in ("zone", "limit"):
            raise invalid(f"invalid zone limit field: {key}", _SYNTAX)
        found[key] = _number(value, 16 if key == "zone" else 32, f"failed to parse field {key}")
    if len(found) != 2:
        raise invalid("failed to parse zone limit", _SYNTAX)
    return found["zone"], found["limit"]


def _only_zones(words: list[str]) -> list[int] | None:
    """Return the zones of ``zone=N,N``, None without a word; other words are too many."""
    if not words:
        return None
    text, *more = words
    if more or not text.startswith("zone="):
        raise invalid(f"invalid argument {more[0] if more else text}")
    return [_number(zone, 16, "invalid zone") for zone in text.removeprefix("zone=").split(",")]


def _open(context: Context) -> tuple[Datapath, list[str]]:
    """Open the datapath, and insist on a word behind it."""
    datapath, words = context.open_optional(context.words, context.command.most)
    if not words:
        datapath.close()
        raise invalid("too few arguments")
    return datapath, words


def _number(text: str, bits: int, complaint: str) -> int:
    try:
        return parse_number(text, bits)
    except ValueError:
        raise invalid(complaint) from None
