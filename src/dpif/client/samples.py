"""Listening to sampled packets: what the actions ``psample`` of datapaths send, and those of tc.

Samples are those of a whole network namespace, not of one datapath. To hear them takes CAP_NET_ADMIN on newer
kernels; nothing is changed by it, and any number of listeners hear the same. The messages are `dpif.psample`'s.
"""

from __future__ import annotations

from collections.abc import Collection

from dpif._typing import TYPE_CHECKING
from dpif.client.waiting import Listener
from dpif.errors import DecodeError, Unavailable
from dpif.netlink.exchange import Subscription
from dpif.psample import PSAMPLE_GENL_NAME, PSAMPLE_NL_MCGRP_SAMPLE_NAME, Sample, decode_sample

if TYPE_CHECKING:
    from dpif.netlink.connection import Connection

__all__ = ["Samples"]


class Samples(Listener[Sample]):
    """Sampled packets of a peer, of some `groups` or of all: an iterator, an async iterator, a `fileno()`.

    A context manager. ``overruns`` counts the times that samples were lost, ``malformed`` the messages that could not
    be decoded. Raises `Unavailable` where the peer has no samples, `PermissionDenied`.
    """

    def __init__(self, connection: Connection, groups: Collection[int] | None = None) -> None:
        transport = connection.dial()  # who cannot be reached says so itself
        super().__init__(transport)
        try:
            family = connection.family(PSAMPLE_GENL_NAME)
            transport.join_group(connection.group(PSAMPLE_GENL_NAME, PSAMPLE_NL_MCGRP_SAMPLE_NAME))
        except Unavailable:
            self.close()
            raise Unavailable("there are no samples here: load the kernel's module with 'modprobe psample'") from None
        except BaseException:
            self.close()
            raise
        self._groups = groups
        self._subscription = Subscription(family.id, decode_sample)
        self.overruns = 0
        self.malformed = 0

    def _decode(self, datagram: bytes) -> list[Sample]:
        try:
            samples = [sample for sample in self._subscription.feed(datagram) if isinstance(sample, Sample)]
        except DecodeError:
            self.malformed += 1
            return []
        return [sample for sample in samples if self._groups is None or sample.group in self._groups]

    def _lost(self) -> list[Sample]:
        self.overruns += 1
        return []
