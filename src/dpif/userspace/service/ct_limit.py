"""The family ``ovs_ct_limit``: how many connections a zone may have (net/openvswitch/conntrack.c)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EINVAL, EMSGSIZE

from dpif._typing import Final
from dpif.netlink.answering import Call, Command, Refusal
from dpif.netlink.constants import NLA_MAX_PAYLOAD
from dpif.odp.constants import OVS_CT_LIMIT_MCGROUP, OVS_ZONE_LIMIT_DEFAULT_ZONE, CtLimitCmd
from dpif.odp.messages import CtLimitRecord, ZoneLimit
from dpif.userspace.service.base import Family

_ZONES: Final = range(0x10000)
_MOST: Final = NLA_MAX_PAYLOAD // 12
"""Limits that an attribute has room for."""
_SWEEP: Final = 1024
"""Connections that are looked at, whether they have ended, before they are counted for somebody."""


class CtLimitFamily(Family):
    """``ovs_ct_limit``. The limits are those of the namespace; zones that cannot be are passed over."""

    RECORD = CtLimitRecord
    GROUP = OVS_CT_LIMIT_MCGROUP

    def commands(self) -> Mapping[int, Command]:
        """Return the family's commands."""
        return {
            CtLimitCmd.SET: Command(do=self._set),
            CtLimitCmd.DEL: Command(do=self._del),
            CtLimitCmd.GET: Command(do=self._get),
        }

    def _set(self, call: Call) -> bytes:
        request = CtLimitRecord.from_payload(call.payload)
        tracker = self.namespace.tracker
        for asked in _asked(request):
            if asked.zone == OVS_ZONE_LIMIT_DEFAULT_ZONE:
                tracker.default_limit = asked.limit
            elif asked.zone in _ZONES:
                tracker.limits[asked.zone] = asked.limit
        return _reply(request, CtLimitCmd.SET)

    def _del(self, call: Call) -> bytes:
        request = CtLimitRecord.from_payload(call.payload)
        tracker = self.namespace.tracker
        for asked in _asked(request):
            if asked.zone == OVS_ZONE_LIMIT_DEFAULT_ZONE:
                tracker.default_limit = 0
            else:
                tracker.limits.pop(asked.zone, None)
        return _reply(request, CtLimitCmd.DEL)

    def _get(self, call: Call) -> bytes:
        request = CtLimitRecord.from_payload(call.payload)
        if request.zone_limit is None:
            if len(self.namespace.tracker.limits) >= _MOST:
                raise Refusal(EMSGSIZE, f"an answer has room for the limits of {_MOST} zones; ask for fewer")
            zones = [OVS_ZONE_LIMIT_DEFAULT_ZONE, *sorted(self.namespace.tracker.limits)]
        else:
            zones = [asked.zone for asked in request.zone_limit]
        return _reply(request, CtLimitCmd.GET, tuple(self._limits(zones)))

    def _limits(self, zones: list[int]) -> Iterator[ZoneLimit]:
        tracker = self.namespace.tracker
        tracker.sweep(_SWEEP)
        for zone in zones:
            if zone == OVS_ZONE_LIMIT_DEFAULT_ZONE:
                yield ZoneLimit(zone, tracker.default_limit)
            elif zone in _ZONES:
                yield ZoneLimit(zone, tracker.limit(zone), tracker.count(zone))


def _asked(request: CtLimitRecord) -> tuple[ZoneLimit, ...]:
    if request.zone_limit is None:
        raise Refusal(EINVAL, "no ZONE_LIMIT")
    return request.zone_limit


def _reply(request: CtLimitRecord, command: int, limits: tuple[ZoneLimit, ...] | None = None) -> bytes:
    return CtLimitRecord(command=command, dp_ifindex=request.dp_ifindex, zone_limit=limits).to_payload()
