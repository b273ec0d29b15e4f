"""The family ``ovs_meter``: make, read and remove meters (net/openvswitch/meter.c)."""

from __future__ import annotations

from collections.abc import Mapping
from errno import EINVAL, ENOENT

from dpif.netlink.answering import Call, Command, Refusal
from dpif.odp.constants import OVS_METER_MCGROUP, OVS_METER_VERSION, MeterAttr, MeterBandType, MeterCmd
from dpif.odp.messages import FlowCounters, MeterBand, MeterRecord
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.meter import METER
from dpif.userspace.engine.datapath import Datapath
from dpif.userspace.engine.meters import DP_MAX_BANDS, BandRequest, Meter
from dpif.userspace.service.base import Family


class MeterFamily(Family):
    """``ovs_meter``. Its group exists, but nobody is told anything there."""

    RECORD = MeterRecord
    GROUP = OVS_METER_MCGROUP

    def commands(self) -> Mapping[int, Command]:
        """Return the family's commands."""
        return {
            MeterCmd.FEATURES: Command(do=self._features),
            MeterCmd.SET: Command(do=self._set),
            MeterCmd.DEL: Command(do=self._del),
            MeterCmd.GET: Command(do=self._get),
        }

    def _features(self, call: Call) -> bytes:
        request = MeterRecord.from_payload(call.payload)
        reply = MeterRecord(
            command=MeterCmd.FEATURES,
            dp_ifindex=request.dp_ifindex,
            max_meters=self._datapath(request).meters.most,
            max_bands=DP_MAX_BANDS,
            bands=(MeterBand(type=MeterBandType.DROP),),
        )
        return reply.to_payload()

    def _set(self, call: Call) -> bytes:
        """The reply names the meter, and once more with the counters of the one that it replaces."""
        request = MeterRecord.from_payload(call.payload)
        meter = _make(request, self.namespace.milliseconds)
        old = self._datapath(request).meters.replace(meter)
        reply = _headers(request, MeterCmd.SET) + METER.encode({MeterAttr.ID: meter.id})
        return reply + _description(old) if old is not None and old.keeps_stats else reply

    def _get(self, call: Call) -> bytes:
        request = MeterRecord.from_payload(call.payload)
        id_ = _id(request)
        meter = self._datapath(request).meters.find(id_)
        if meter is None:
            raise Refusal(ENOENT, "there is no such meter")
        return _headers(request, MeterCmd.GET) + _description(meter)

    def _del(self, call: Call) -> bytes:
        """Deleting a meter that is not there is a success, with an empty reply."""
        request = MeterRecord.from_payload(call.payload)
        id_ = _id(request)
        meter = self._datapath(request).meters.remove(id_)
        return _headers(request, MeterCmd.DEL) + (b"" if meter is None else _description(meter))

    def _datapath(self, request: MeterRecord) -> Datapath:
        return self.namespace.find_datapath(request.dp_ifindex)


def _id(request: MeterRecord) -> int:
    if request.id is None:
        raise Refusal(EINVAL, "no ID")
    return request.id


def _make(request: MeterRecord, now: int) -> Meter:
    """Return the meter that a request describes (dp_meter_create)."""
    id_ = _id(request)
    if request.bands is None:
        raise Refusal(EINVAL, "no BANDS")
    bands = [_band(band) for band in request.bands]
    keeps_stats = not request.clear
    meter = Meter(id_, bands, now, is_in_bits=bool(request.kbps), keeps_stats=keeps_stats)
    if keeps_stats and request.stats is not None:
        meter.packets, meter.bytes = request.stats
    return meter


def _band(band: MeterBand) -> BandRequest:
    if band.type is None or band.rate is None or band.burst is None:
        raise Refusal(EINVAL, "a band needs TYPE, RATE and BURST")
    return BandRequest(band.type, band.rate, band.burst)


def _headers(request: MeterRecord, command: int) -> bytes:
    return pack_headers(command, OVS_METER_VERSION, request.dp_ifindex)


def _description(meter: Meter) -> bytes:
    """Return the attributes of a meter in the kernel's order (ovs_meter_cmd_reply_stats)."""
    bands = tuple(MeterBand(stats=FlowCounters(band.packets, band.bytes)) for band in meter.bands)
    return METER.encode(
        {
            MeterAttr.ID: meter.id,
            MeterAttr.STATS: FlowCounters(meter.packets, meter.bytes),
            MeterAttr.USED: meter.used,
            MeterAttr.BANDS: bands,
        }
    )
