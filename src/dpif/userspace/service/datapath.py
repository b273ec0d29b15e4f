"""The family ``ovs_datapath``: make, find, change and end datapaths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EEXIST, EINVAL, ERANGE

from dpif._typing import Final
from dpif.netlink.answering import Call, Command, Refusal
from dpif.odp.constants import OVS_DATAPATH_MCGROUP, DatapathCmd, DatapathFeature
from dpif.odp.messages import DatapathRecord, DatapathStats, MegaflowStats
from dpif.userspace.engine.datapath import NR_CPU_IDS, Datapath
from dpif.userspace.service.base import Family

OVS_DP_VER_FEATURES: Final = 2
"""The version of the family from which on user space knows of features (net/openvswitch/datapath.h)."""


class DatapathFamily(Family):
    """``ovs_datapath``."""

    RECORD = DatapathRecord
    GROUP = OVS_DATAPATH_MCGROUP

    def commands(self) -> Mapping[int, Command]:
        """Return the family's commands."""
        return {
            DatapathCmd.NEW: Command(do=self._new, group=self.GROUP),
            DatapathCmd.DEL: Command(do=self._del, group=self.GROUP),
            DatapathCmd.GET: Command(do=self._get, dump=self._dump),
            DatapathCmd.SET: Command(do=self._set, group=self.GROUP),
        }

    def _new(self, call: Call) -> bytes:
        request = DatapathRecord.from_payload(call.payload)
        if request.name is None or request.upcall_pid is None:
            raise Refusal(EINVAL, "a new datapath needs NAME and UPCALL_PID")
        if request.ifindex is not None and request.ifindex < 0:
            raise Refusal(ERANGE, "an interface index is not negative")
        datapath = Datapath(self.namespace)
        _change(datapath, request)
        try:
            self.namespace.add_datapath(datapath, request.name, request.upcall_pid, request.ifindex or 0)
        except OSError as error:
            if error.errno == EEXIST and call.version < OVS_DP_VER_FEATURES:
                self._reset_features(request)
            raise
        return _payload(datapath, DatapathCmd.NEW)

    def _reset_features(self, request: DatapathRecord) -> None:
        """Switch off what a program that knows of no features, and is about to use the datapath, cannot cope with."""
        port = self.namespace.find_port_by_name(request.name or "")
        if port is not None and port is port.datapath.local:
            port.datapath.features = DatapathFeature(0)

    def _find(self, request: DatapathRecord) -> Datapath:
        return self.namespace.find_datapath(request.dp_ifindex, request.name)

    def _del(self, call: Call) -> bytes:
        datapath = self._find(DatapathRecord.from_payload(call.payload))
        payload = _payload(datapath, DatapathCmd.DEL)
        self.namespace.remove_datapath(datapath)
        return payload

    def _get(self, call: Call) -> bytes:
        return _payload(self._find(DatapathRecord.from_payload(call.payload)), DatapathCmd.GET)

    def _set(self, call: Call) -> bytes:
        request = DatapathRecord.from_payload(call.payload)
        datapath = self._find(request)
        _change(datapath, request)
        return _payload(datapath, DatapathCmd.SET)

    def _dump(self, call: Call) -> Iterator[bytes]:
        for ifindex in tuple(self.namespace.datapaths):
            datapath = self.namespace.datapaths.get(ifindex)
            if datapath is not None:
                yield _payload(datapath, DatapathCmd.GET)


def _change(datapath: Datapath, request: DatapathRecord) -> None:
    datapath.change(request.user_features, request.masks_cache_size, request.per_cpu_pids)


def _payload(datapath: Datapath, command: int) -> bytes:
    per_cpu = datapath.features & DatapathFeature.DISPATCH_UPCALL_PER_CPU
    record = DatapathRecord(
        command=command,
        dp_ifindex=datapath.ifindex,
        name=datapath.name,
        stats=DatapathStats(datapath.n_hit, datapath.n_missed, datapath.n_lost, len(datapath.table)),
        megaflow_stats=MegaflowStats(datapath.n_mask_hit, datapath.table.n_masks, datapath.n_cache_hit),
        user_features=int(datapath.features),
        masks_cache_size=datapath.masks_cache_size,
        per_cpu_pids=datapath.per_cpu_port_ids[:NR_CPU_IDS] if per_cpu and datapath.per_cpu_port_ids else None,
    )
    return record.to_payload()
