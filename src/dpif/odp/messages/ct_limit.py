"""Messages of the family ``ovs_ct_limit``: how many connections each conntrack zone may have.

The limits are those of a network namespace, not of one datapath: ``dp_ifindex`` is 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from dpif._typing import Any, NamedTuple
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.attributes import Buffer
from dpif.netlink.policy import AttributeSet
from dpif.odp.constants import OVS_CT_LIMIT_FAMILY, OVS_CT_LIMIT_VERSION, CtLimitAttr
from dpif.odp.messages.base import Record


class ZoneLimit(NamedTuple):
    """``struct ovs_zone_limit``: a zone (-1: the default), its limit (0: none), how many connections it has now."""

    zone: int
    limit: int = 0
    connections: int = 0


class _ZoneLimits:
    """Structures one after the other."""

    _struct = struct.Struct("=iII")

    def decode(self, buffer: Buffer, start: int, end: int) -> tuple[ZoneLimit, ...]:
        """Check that the length is a multiple of a structure's and unpack."""
        if (end - start) % self._struct.size:
            raise DecodeError(f"{end - start} bytes where a multiple of {self._struct.size} belongs", offset=start)
        return tuple(map(ZoneLimit._make, self._struct.iter_unpack(memoryview(buffer)[start:end])))

    def encode(self, value: Iterable[Any]) -> bytes:
        """Check the fields and pack."""
        try:
            return b"".join(self._struct.pack(*limit) for limit in value)
        except (struct.error, TypeError):
            raise EncodeError(f"{brief(value)} is not a list of zone limits") from None


CT_LIMIT = AttributeSet("CT_LIMIT", {CtLimitAttr.ZONE_LIMIT: _ZoneLimits()})


class CtLimitRecord(Record):
    """One message of ``ovs_ct_limit``; see ``enum ovs_ct_limit_attr``."""

    FAMILY = OVS_CT_LIMIT_FAMILY
    VERSION = OVS_CT_LIMIT_VERSION
    ATTRIBUTES = CT_LIMIT

    zone_limit: tuple[ZoneLimit, ...] | None = None
