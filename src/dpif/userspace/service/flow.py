"""The family ``ovs_flow``: put, find, change and remove flows.

The order of checks is the kernel's (ovs_flow_cmd_new and its siblings in net/openvswitch/datapath.c), since the
first one that fails decides the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import EINVAL, ERANGE

from dpif._typing import Final, NamedTuple
from dpif.netlink.answering import Call, Command, Refusal
from dpif.netlink.constants import NLM_F_CREATE, NLM_F_EXCL
from dpif.netlink.service import Service
from dpif.odp.actions import Actions
from dpif.odp.constants import OVS_FLOW_MCGROUP, OVS_FLOW_VERSION, FlowAttr, FlowCmd, UfidFlag
from dpif.odp.kernel.check import check_actions
from dpif.odp.kernel.emit import mask_to_key, to_key
from dpif.odp.kernel.known import KnownActions, KnownMatches
from dpif.odp.kernel.match import from_match
from dpif.odp.messages import FlowCounters, FlowRecord
from dpif.odp.messages.base import pack_headers
from dpif.odp.messages.flow import FLOW
from dpif.odp.model.key import FlowKey
from dpif.userspace.engine.datapath import Datapath, DatapathFlow, Program
from dpif.userspace.engine.namespace import Namespace
from dpif.userspace.service.base import Family, actions_to_tell

MAX_UFID_LENGTH: Final = 16


class FlowFamily(Family):
    """``ovs_flow``."""

    RECORD = FlowRecord
    GROUP = OVS_FLOW_MCGROUP

    def __init__(self, service: Service, namespace: Namespace) -> None:
        super().__init__(service, namespace)
        self._matches = KnownMatches(self.rules)
        self._actions = KnownActions()

    def commands(self) -> Mapping[int, Command]:
        """Return the family's commands."""
        return {
            FlowCmd.NEW: Command(do=self._new, group=self.GROUP),
            FlowCmd.DEL: Command(do=self._del, group=self.GROUP),
            FlowCmd.GET: Command(do=self._get, dump=self._dump),
            FlowCmd.SET: Command(do=self._set, group=self.GROUP),
        }

    def _new(self, call: Call) -> bytes | None:
        request = FlowRecord.from_payload(call.payload)
        if request.key is None or request.actions is None:
            raise Refusal(EINVAL, "a new flow needs KEY and ACTIONS")
        value, mask = self._match(request)
        ufid = _ufid(request)
        actions = self._checked_actions(request, value & mask)
        datapath = self._datapath(request)
        exclusive = bool(call.flags & (NLM_F_CREATE | NLM_F_EXCL))
        program = self._program(datapath, request, actions, value & mask)
        flow = datapath.put_flow(value, mask, ufid, program, exclusive=exclusive)
        return _payload(flow, request, FlowCmd.NEW) if call.wanted else None

    def _set(self, call: Call) -> bytes | None:
        request = FlowRecord.from_payload(call.payload)
        ufid = _ufid(request)
        if request.key is None and ufid is None:
            raise Refusal(EINVAL, "neither KEY nor UFID")
        key: int | None = None
        masked = 0
        actions: Actions | bytes | None = None
        if request.key is not None:
            key, mask = self._match(request)
            masked = key & mask
            if request.actions is not None:
                actions = self._checked_actions(request, masked)
        elif request.actions is not None:
            raise Refusal(EINVAL, "ACTIONS without the KEY to check them by")
        datapath = self._datapath(request)
        flow = datapath.find_flow(key, ufid)
        if actions is not None:
            flow.program = self._program(datapath, request, actions, masked)
        payload = _payload(flow, request, FlowCmd.SET) if call.wanted else None
        if request.clear:
            flow.clear()
        return payload

    def _get(self, call: Call) -> bytes:
        request = FlowRecord.from_payload(call.payload)
        ufid, key = _ufid(request), self._exact_key(request)
        if key is None and ufid is None:
            raise Refusal(EINVAL, "neither KEY nor UFID")
        return _payload(self._datapath(request).find_flow(key, ufid), request, FlowCmd.GET)

    def _del(self, call: Call) -> bytes | None:
        request = FlowRecord.from_payload(call.payload)
        ufid, key = _ufid(request), self._exact_key(request)
        datapath = self._datapath(request)
        if key is None and ufid is None:
            datapath.table.flush()
            return None
        flow = datapath.find_flow(key, ufid)
        payload = _payload(flow, request, FlowCmd.DEL) if call.wanted else None
        datapath.table.remove(flow)
        return payload

    def _dump(self, call: Call) -> Iterator[bytes]:
        request = FlowRecord.from_payload(call.payload)
        for flow in self._datapath(request).table:
            yield _payload(flow, request, FlowCmd.GET)

    def _datapath(self, request: FlowRecord) -> Datapath:
        return self.namespace.find_datapath(request.dp_ifindex)

    def _match(self, request: FlowRecord) -> tuple[int, int]:
        """Return the unmasked key and the mask that a request gives."""
        assert request.key is not None, "the caller has looked"
        return self._matches.read(request.key, request.mask, lambda: (_key(request), request.flow_mask()))

    def _exact_key(self, request: FlowRecord) -> int | None:
        """Return the unmasked key by which a request names a flow; a mask does not count there."""
        key = request.flow_key()
        return None if key is None else from_match(key, None, self.rules)[0]

    def _checked_actions(self, request: FlowRecord, masked: int) -> Actions | bytes:
        """Return the actions of a request for a masked key; encoded ones where others like them were taken."""
        assert request.actions is not None, "the caller has looked"
        if self._actions.has(request.actions, masked):
            return request.actions
        actions = request.flow_actions()
        assert actions is not None, "the caller has looked"
        check_actions(actions, masked, self.rules)
        return actions

    def _program(self, datapath: Datapath, request: FlowRecord, actions: Actions | bytes, masked: int) -> Program:
        """Return the program of checked actions; note that a datapath has all of them."""
        program = datapath.compile(actions)
        if isinstance(actions, Actions) and request.actions is not None:
            self._actions.learn(request.actions, masked)
        return program


def _key(request: FlowRecord) -> FlowKey:
    key = request.flow_key()
    assert key is not None, "the caller has looked"
    return key


def _ufid(request: FlowRecord) -> bytes | None:
    """Return the identifier; one that is too long is as good as none, as in the kernel."""
    if request.ufid is None or len(request.ufid) > MAX_UFID_LENGTH:
        return None
    if not request.ufid:
        raise Refusal(ERANGE, "an empty UFID")
    return request.ufid


class _EncodedMatch(NamedTuple):
    """What a flow matches, as it is told; it never changes, and whoever watches flows asks for it time and again."""

    key: bytes
    mask: bytes


def _encoded_match(flow: DatapathFlow) -> _EncodedMatch:
    """Return the flow's key (unmasked, or masked when the flow has a UFID) and mask."""
    match = flow.note
    if not isinstance(match, _EncodedMatch):
        key = flow.key if flow.ufid is None else flow.value
        match = _EncodedMatch(to_key(key).to_bytes(), mask_to_key(flow.value, flow.mask).to_bytes())
        flow.note = match
    return match


def _payload(flow: DatapathFlow, request: FlowRecord, command: int) -> bytes:
    """Return the record of a flow, its attributes in the kernel's order (ovs_flow_cmd_fill_info)."""
    omitted = request.ufid_flags or 0
    match = _encoded_match(flow)
    attributes: dict[int, object] = {FlowAttr.UFID: flow.ufid}
    if flow.ufid is None or not omitted & UfidFlag.OMIT_KEY:
        attributes[FlowAttr.KEY] = match.key
    if not omitted & UfidFlag.OMIT_MASK:
        attributes[FlowAttr.MASK] = match.mask
    if flow.used is not None:
        attributes[FlowAttr.USED] = int(flow.used * 1000)
    if flow.packets:
        attributes[FlowAttr.STATS] = FlowCounters(flow.packets, flow.bytes)
    attributes[FlowAttr.TCP_FLAGS] = flow.tcp_flags & 0xFF or None
    if not omitted & UfidFlag.OMIT_ACTIONS:
        attributes[FlowAttr.ACTIONS] = actions_to_tell(flow.program.actions)
    return pack_headers(command, OVS_FLOW_VERSION, request.dp_ifindex) + FLOW.encode(attributes)
