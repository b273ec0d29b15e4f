"""The action ``psample`` made into a step, and what it hands to whoever watches: a `SampledPacket`, as a value.

Whom the sample reaches, and in which bytes, is the business of the `SampleSink` that the engine is given. As in the
kernel (execute_psample of net/openvswitch/actions.c), a sample is of the packet without its outermost VLAN tag, and
uses up what a ``trunc`` before it said.
"""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias
from dpif.odp.actions import Psample
from dpif.odp.constants import ETH_P_802_3_MIN, VLAN_CFI
from dpif.odp.kernel.swkey import TUNNEL, get
from dpif.packet.constants import ETH_P_802_2
from dpif.userspace.engine.frame import NO_CUT, Frame

if TYPE_CHECKING:
    from dpif.userspace.engine.namespace import Namespace
    from dpif.userspace.engine.processor import Step

_ALWAYS: Final = 0xFFFFFFFF
_ADDRESSES: Final = 12


class SampledPacket(NamedTuple):
    """A packet that the action ``psample`` sends (``struct psample_metadata``).

    ``length`` is what the packet measures uncut, ``protocol`` its EtherType, ``rate`` the probability of the
    ``sample`` that it was in, out of 2**32 - 1; ``tunnel`` the flat tunnel key that it came with or is to leave with.
    """

    group: int
    cookie: bytes | None
    packet: bytes
    length: int
    protocol: int
    rate: int
    in_ifindex: int
    tunnel: int


SampleSink: TypeAlias = Callable[[SampledPacket], None]
"""Takes a sample, whether anybody watches or not."""


def make_psample(action: Psample, namespace: Namespace) -> Step:
    """Make the step that sends a sample to the namespace's sink."""
    group, cookie = action.group or 0, action.cookie or None  # an empty one is not told

    def psample(frame: Frame) -> None:
        packet = frame.data
        if frame.has_vlan:
            packet = packet[:_ADDRESSES] + packet[_ADDRESSES + frame.tag_size :]
        namespace.sample_sink(
            SampledPacket(
                group,
                cookie,
                packet[: frame.cut],
                len(packet),
                _protocol(frame, packet),
                frame.probability or _ALWAYS,
                frame.port.device.ifindex,
                frame.tunnel or frame.key & TUNNEL,
            )
        )
        frame.cut = NO_CUT

    return psample


def _protocol(frame: Frame, packet: bytes) -> int:
    """Return the EtherType of the packet without its outermost tag (``skb->protocol``)."""
    if frame.stale and frame.is_ethernet:
        ethertype = int.from_bytes(packet[_ADDRESSES : _ADDRESSES + 2])
        return ethertype if ethertype >= ETH_P_802_3_MIN else ETH_P_802_2
    has_inner_tag = get(frame.key, "eth.cvlan.tci") & VLAN_CFI
    return get(frame.key, "eth.cvlan.tpid" if has_inner_tag else "eth.type")
