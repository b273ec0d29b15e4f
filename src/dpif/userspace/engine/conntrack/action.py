"""The actions ``ct`` and ``ct_clear`` made into steps (net/openvswitch/conntrack.c).

A packet remembers its connection (`Frame.tracked`), and its key tells the connection's state. One that comes back
from user space has its key alone: its connection is found again by that.
"""

from __future__ import annotations

from errno import EINVAL, ENOENT, ENOMEM
from socket import AF_INET, AF_INET6

from dpif._typing import Final
from dpif.conntrack.constants import TcpState
from dpif.odp.actions import Ct, Masked
from dpif.odp.constants import CtState, FragType
from dpif.odp.extraction.ipv6 import is_nd
from dpif.odp.kernel.rules import RuleBroken
from dpif.odp.kernel.swkey import get, put
from dpif.packet.constants import ETH_P_IP, ETH_P_IPV6
from dpif.userspace.engine.conntrack.connection import Connection, Info, Tracked
from dpif.userspace.engine.conntrack.fragments import Fragments
from dpif.userspace.engine.conntrack.nat import Range, Translator, translate
from dpif.userspace.engine.conntrack.tcp import Tcp
from dpif.userspace.engine.conntrack.timeouts import Policy
from dpif.userspace.engine.conntrack.tracker import TableFull, Tracker
from dpif.userspace.engine.conntrack.tuples import WITH_PORTS, read_tuple
from dpif.userspace.engine.frame import Frame
from dpif.userspace.engine.processor import ActionError, Step
from dpif.userspace.engine.refusal import refusal

_NAT: Final = CtState.SRC_NAT | CtState.DST_NAT
_STATES: Final = {
    Info.ESTABLISHED: CtState.TRACKED | CtState.ESTABLISHED,
    Info.RELATED: CtState.TRACKED | CtState.RELATED,
    Info.NEW: CtState.TRACKED | CtState.NEW,
    Info.ESTABLISHED_REPLY: CtState.TRACKED | CtState.ESTABLISHED | CtState.REPLY_DIR,
    Info.RELATED_REPLY: CtState.TRACKED | CtState.RELATED | CtState.REPLY_DIR,
}
_NOTHING: Final = Masked(0, 0)
_FAMILY: Final = {ETH_P_IP: AF_INET, ETH_P_IPV6: AF_INET6}


def make_ct(action: Ct, tracker: Tracker, translator: Translator, fragments: Fragments) -> Step:
    """Make the step of a ``ct``; EINVAL for one with a helper, for there are none."""
    if action.helper is not None:
        raise refusal(EINVAL, f"this datapath has no conntrack helper {action.helper!r}")
    return _CtStep(action, tracker, translator, fragments)


def ct_clear(frame: Frame) -> None:
    """Forget what is known of a packet's connection."""
    frame.tracked = None
    _update_key(frame, CtState(0), 0)


class _CtStep:
    """One ``ct`` action."""

    def __init__(self, action: Ct, tracker: Tracker, translator: Translator, fragments: Fragments) -> None:
        self._tracker = tracker
        self._translator = translator
        self._fragments = fragments
        self._zone = action.zone or 0
        self._forces = bool(action.force_commit)
        self._commits = bool(action.commit) or self._forces
        self._mark = action.mark or _NOTHING
        self._labels = action.labels or _NOTHING
        self._policy = None if action.timeout is None else tracker.policies.find(action.timeout)
        if self._policy is not None:
            self._policy.users.add(self)
        nat = action.nat
        self._has_nat = nat is not None
        self._nat_source: bool | None = None  # which end a new connection has translated
        self._range: Range | None = None
        if nat is not None and (nat.src or nat.dst):
            self._nat_source = bool(nat.src)
            self._range = Range.of_action(nat)

    def __call__(self, frame: Frame) -> bool:
        """Track a packet (ovs_ct_execute); True for a fragment, which goes no further before its packet is whole."""
        try:
            frame.refresh()
            _trim(frame)
            if get(frame.key, "ip.frag") != FragType.NONE and not self._put_together(frame):
                return True
            self._look_up(frame)
        except RuleBroken as error:
            raise ActionError(error.errno) from None
        except TableFull:
            raise ActionError(EINVAL if self._tracker.rules.full_is_invalid else ENOENT) from None
        if self._commits and frame.tracked is not None:
            self._commit(frame, frame.tracked)
        return False

    # Fragments.

    def _put_together(self, frame: Frame) -> bool:
        """Make of a fragment the packet that it completes (ovs_ct_handle_fragments); False while there is none."""
        whole = self._fragments.gather(self._zone, frame.data, frame.layout, frame.port.device.ifindex)
        if whole is None:
            return False
        frame.replace(whole.packet)
        frame.mru, frame.fragment_sizes = whole.mru, whole.sizes
        frame.refresh()
        frame.key = put(frame.key, "ip.frag", FragType.NONE)
        return True

    # Looking up.

    def _look_up(self, frame: Frame) -> None:
        """Find the connection, unless that was done, and translate as it says (__ovs_ct_lookup)."""
        if not self._is_done(frame):
            frame.tracked = self._tracker.track(self._zone, frame.data, frame.layout, self._policy_for(frame))
            if frame.tracked is None:
                _update_key(frame, CtState.TRACKED | CtState.INVALID, self._zone)
            else:
                _update_key(frame, _state(frame.tracked), self._zone, frame.tracked.connection)
        tracked = frame.tracked
        if tracked is not None:
            _be_liberal(tracked.connection)
        if tracked is None or not self._has_nat or get(frame.key, "ct_state") & _NAT:
            return
        if tracked.connection.is_confirmed or self._commits:
            self._translate(frame, tracked)

    def _is_done(self, frame: Frame) -> bool:
        """Tell whether the packet was tracked in this zone already (skb_nfct_cached)."""
        is_tracked = True
        if frame.tracked is None:
            state = get(frame.key, "ct_state")
            is_here = get(frame.key, "ct_zone") == self._zone
            is_tracked = bool(state & CtState.TRACKED and not state & CtState.INVALID and is_here)
            if is_tracked or (not state and self._forces):
                frame.tracked = self._tracker.find_existing(
                    self._zone, frame.data, frame.layout, is_translated=bool(state & _NAT)
                )
        if frame.tracked is None:
            return False
        connection, info = frame.tracked
        if connection.zone != self._zone:
            return False
        policy = self._policy_for(frame)
        if policy is not None and connection.policy is not policy:
            return False
        if self._forces and info.is_reply:
            if connection.is_confirmed:
                self._tracker.remove(connection)
            frame.tracked = None
            return False
        return is_tracked

    def _policy_for(self, frame: Frame) -> Policy | None:
        """Return the action's timeout policy if it is for packets like this one."""
        policy = self._policy
        if policy is None:
            return None
        is_like = (policy.family, policy.protocol) == (_FAMILY.get(frame.layout.ethertype), frame.layout.protocol)
        return policy if is_like else None

    # Translating.

    def _translate(self, frame: Frame, tracked: Tracked) -> None:
        """Translate what the connection or this action says (ovs_ct_nat)."""
        connection, info = tracked
        if info != Info.NEW and connection.is_translated and (info != Info.RELATED or self._commits):
            is_source = connection.source_translated != info.is_reply
        elif self._nat_source is not None:
            is_source = self._nat_source
        else:
            return
        self._translate_end(frame, tracked, self._range, is_source=is_source)
        if connection.destination_translated:
            if connection.source_translated:
                self._translate_end(frame, tracked, self._range, is_source=not is_source)
            elif not info.is_reply:
                self._translate_end(frame, tracked, None, is_source=True)

    def _translate_end(self, frame: Frame, tracked: Tracked, range_: Range | None, *, is_source: bool) -> None:
        """Translate one end of a packet; decide what to before, when the connection is new (ovs_ct_nat_execute)."""
        connection, info = tracked
        is_decided = connection.source_set if is_source else connection.destination_set
        if info == Info.NEW and not is_decided:
            self._translator.decide(connection, range_, is_source=is_source)
        translate(frame.writable(), frame.layout, tracked, is_source=is_source)
        _update_end(frame, is_source=is_source)

    # Committing.

    def _commit(self, frame: Frame, tracked: Tracked) -> None:
        """Set the connection's mark and labels, and enter it into the table (ovs_ct_commit)."""
        connection, info = tracked
        if not connection.is_confirmed and not self._tracker.admits(connection):
            raise ActionError(ENOMEM)
        mark = self._mark.value | connection.mark & ~self._mark.mask
        if mark != connection.mark:  # else a packet's key may keep an older one that a copy has changed
            connection.mark = mark
            frame.key = put(frame.key, "ct.mark", mark)
        if self._labels.mask:
            kept = connection.labels & ~self._labels.mask
            connection.labels = kept | self._labels.value & self._labels.mask
            frame.key = put(frame.key, "ct.labels", connection.labels)
        if not connection.is_confirmed and not info.is_reply:
            confirmed = self._tracker.confirm(connection)
            if confirmed is None:
                raise ActionError(EINVAL)
            frame.tracked = Tracked(confirmed, info)


def _be_liberal(connection: Connection) -> None:
    """The windows of a TCP connection that is established are no longer heeded."""
    state = connection.protocol_state
    if isinstance(state, Tcp) and state.state == TcpState.ESTABLISHED and connection.is_assured:
        state.be_liberal()


def _trim(frame: Frame) -> None:
    """Cut off what follows the IP packet: a short frame's padding (ovs_skb_network_trim)."""
    if frame.layout.end < len(frame):
        del frame.writable()[frame.layout.end :]


def _state(tracked: Tracked) -> CtState:
    """Return the state for the key; what is to be translated is not told before it was."""
    state = _STATES[tracked.info]
    return state if tracked.connection.is_confirmed else state | CtState.NEW


def _update_key(frame: Frame, state: CtState, zone: int, connection: Connection | None = None) -> None:
    """Put what is known of a packet's connection into its key (__ovs_ct_update_key)."""
    key = put(put(frame.key, "ct_state", state), "ct_zone", zone)
    key = put(key, "ct.mark", connection.mark if connection else 0)
    key = put(key, "ct.labels", connection.labels if connection else 0)
    frame.key = put(key, "ct_orig_proto", 0)
    if connection is not None and not (get(key, "eth.type") == ETH_P_IPV6 and is_nd(key)):
        _put_original(frame, connection)


def _put_original(frame: Frame, connection: Connection) -> None:
    """Put the addresses and ports that the connection began with into a packet's key."""
    original = connection.original
    family = "ipv4" if original.ethertype == ETH_P_IP else "ipv6"
    ports = (original.src_port, original.dst_port)
    if original.protocol not in WITH_PORTS:  # of ICMP type and code are told
        ports = divmod(original.dst_port, 256)
    for name, value in (
        ("ct_orig_proto", original.protocol),
        (f"{family}.ct_orig.src", original.src),
        (f"{family}.ct_orig.dst", original.dst),
        ("ct.orig_tp.src", ports[0]),
        ("ct.orig_tp.dst", ports[1]),
    ):
        frame.key = put(frame.key, name, value)


def _update_end(frame: Frame, *, is_source: bool) -> None:
    """Put the source or destination, as it is now, into a packet's key (ovs_nat_update_key)."""
    names = read_tuple(frame.data, frame.layout)
    if names is None:
        return
    end = "src" if is_source else "dst"
    family = "ipv4" if names.ethertype == ETH_P_IP else "ipv6"
    state = get(frame.key, "ct_state") | (CtState.SRC_NAT if is_source else CtState.DST_NAT)
    key = put(frame.key, "ct_state", state)
    key = put(key, f"{family}.addr.{end}", names.src if is_source else names.dst)
    if names.protocol in WITH_PORTS:
        key = put(key, f"tp.{end}", names.src_port if is_source else names.dst_port)
    frame.key = key
