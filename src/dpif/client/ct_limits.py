"""Limits on the connections that conntrack zones may have (Linux 4.18)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from dpif._typing import TYPE_CHECKING, Final
from dpif.client.families import transact_optional
from dpif.errors import EncodeError, brief
from dpif.odp.constants import OVS_ZONE_LIMIT_DEFAULT_ZONE, CtLimitCmd
from dpif.odp.messages.ct_limit import CtLimitRecord, ZoneLimit

if TYPE_CHECKING:
    from dpif.client.datapath import Datapath

_MAX_ZONE: Final = 0xFFFF


class CtLimits:
    """How many connections ``ct(commit)`` may make in each zone; 0 means as many as it likes.

    A zone without a limit of its own has the default one. The limits are shared by all datapaths of a network
    namespace. Iterate for the zones that have a limit of their own. Where there are no limits everything raises
    `NetlinkError` with EOPNOTSUPP.
    """

    def __init__(self, datapath: Datapath) -> None:
        self._dp = datapath

    @property
    def default(self) -> int:
        """The limit of zones that have none of their own; 0: unlimited."""
        limits = self._transact(CtLimitCmd.GET, [ZoneLimit(OVS_ZONE_LIMIT_DEFAULT_ZONE)], "reading")
        return next((limit.limit for limit in limits if limit.zone == OVS_ZONE_LIMIT_DEFAULT_ZONE), 0)

    @property
    def zones(self) -> dict[int, ZoneLimit]:
        """The zones that have a limit of their own: number to limit and present connections."""
        return {limit.zone: limit for limit in self}

    def __iter__(self) -> Iterator[ZoneLimit]:
        limits = self._transact(CtLimitCmd.GET, None, "reading")
        return (limit for limit in limits if limit.zone != OVS_ZONE_LIMIT_DEFAULT_ZONE)

    def get(self, zone: int) -> ZoneLimit:
        """Return limit and connections of a zone; the default limit for one that has none of its own."""
        return self.read([zone])[0]

    def read(self, zones: Iterable[int]) -> list[ZoneLimit]:
        """Return limit and connections of each of `zones`, in one request."""
        return self._transact(CtLimitCmd.GET, [ZoneLimit(_checked(zone)) for zone in zones], "reading")

    def set(self, zones: Mapping[int, int] | None = None, *, default: int | None = None) -> None:
        """Set the limits of zones (number to limit), and the default, in one request."""
        limits = [] if default is None else [ZoneLimit(OVS_ZONE_LIMIT_DEFAULT_ZONE, default)]
        limits.extend(ZoneLimit(_checked(zone), limit) for zone, limit in (zones or {}).items())
        self._transact(CtLimitCmd.SET, limits, "setting")

    def delete(self, *zones: int, default: bool = False) -> None:
        """Remove the limits of zones, and with `default` the default one; those that have none do not matter."""
        limits = [ZoneLimit(OVS_ZONE_LIMIT_DEFAULT_ZONE)] if default else []
        limits.extend(ZoneLimit(_checked(zone)) for zone in zones)
        self._transact(CtLimitCmd.DEL, limits, "deleting")

    def _transact(self, command: CtLimitCmd, limits: list[ZoneLimit] | None, doing: str) -> list[ZoneLimit]:
        """Return the limits of the reply; an empty list of `limits` asks for nothing and gets nothing."""
        if limits == []:
            return []
        record = CtLimitRecord(command=command, zone_limit=None if limits is None else tuple(limits))
        reply = transact_optional(self._dp.connection, record.request(f"{doing} conntrack limits"))
        return list(reply.zone_limit or ()) if reply else []


def _checked(zone: int) -> int:
    """Return `zone` if it is one: datapaths pass over those that are not, without a word."""
    if not 0 <= zone <= _MAX_ZONE:
        raise EncodeError(f"{brief(zone)} is not a conntrack zone, which is 0 to {_MAX_ZONE}")
    return zone
