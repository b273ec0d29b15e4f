"""Messages of the family ``ovs_flow``: install, find, change and remove flows.

A dump has many of them, so a record keeps key, mask and actions as the bytes that came and decodes each only
when it is read.
"""

from dpif._lazy import later
from dpif._typing import TYPE_CHECKING, NamedTuple, Self
from dpif.errors import DecodeError
from dpif.netlink.attributes import Buffer, attribute
from dpif.netlink.policy import BYTES, FLAG, PAD, U8, U32, U64, AttributeSet, Structure
from dpif.odp.constants.flow import OVS_FLOW_FAMILY, OVS_FLOW_VERSION, FlowAttr
from dpif.odp.messages.base import Record

if TYPE_CHECKING:
    from dpif.odp.actions import Actions
    from dpif.odp.messages import flow_values as _values
    from dpif.odp.model.key import FlowKey, FlowMask
    from dpif.odp.model.ufid import Ufid
else:
    _values = later("dpif.odp.messages.flow_values")  # who has no flow does without what makes values of them


class FlowCounters(NamedTuple):
    """``struct ovs_flow_stats``: packets and bytes that matched."""

    n_packets: int = 0
    n_bytes: int = 0


FLOW = AttributeSet(
    "FLOW",
    {
        FlowAttr.KEY: BYTES,
        FlowAttr.ACTIONS: BYTES,
        FlowAttr.STATS: Structure("=2Q", FlowCounters),
        FlowAttr.TCP_FLAGS: U8,
        FlowAttr.USED: U64,
        FlowAttr.CLEAR: FLAG,
        FlowAttr.MASK: BYTES,
        FlowAttr.PROBE: FLAG,
        FlowAttr.UFID: BYTES,
        FlowAttr.UFID_FLAGS: U32,
        FlowAttr.PAD: PAD,
    },
)


class FlowRecord(Record):
    """One message of ``ovs_flow``; see ``enum ovs_flow_attr``.

    ``key``, ``mask`` and ``actions`` are encoded attributes; `flow_key`, `flow_mask` and `flow_actions` decode
    them. ``used`` is in milliseconds on the monotonic clock of the datapath.
    """

    FAMILY = OVS_FLOW_FAMILY
    VERSION = OVS_FLOW_VERSION
    ATTRIBUTES = FLOW

    key: bytes | None = None
    actions: bytes | None = None
    stats: FlowCounters | None = None
    tcp_flags: int | None = None
    used: int | None = None
    clear: bool | None = None
    mask: bytes | None = None
    probe: bool | None = None
    ufid: bytes | None = None
    ufid_flags: int | None = None

    @classmethod
    def from_reply(cls, payload: Buffer) -> Self:
        """Decode; a reply names its flow by key or by UFID."""
        record = cls.from_payload(payload)
        if record.key is None and record.ufid is None:
            raise DecodeError("the reply has neither KEY nor UFID", "FLOW")
        return record

    def flow_key(self) -> "FlowKey | None":
        """Return the key, or None where it was left out."""
        try:
            return None if self.key is None else _values.decode_key(self.key)
        except DecodeError as error:
            raise error.within("FLOW.KEY") from None

    def flow_mask(self) -> "FlowMask | None":
        """Return the mask, or None where it was left out."""
        try:
            return None if self.mask is None else _values.decode_mask(self.mask)
        except DecodeError as error:
            raise error.within("FLOW.MASK") from None

    def flow_actions(self) -> "Actions | None":
        """Return the actions, or None where they were left out."""
        try:
            return None if self.actions is None else _values.decode_actions(self.actions)
        except DecodeError as error:
            raise error.within("FLOW.ACTIONS") from None

    def flow_ufid(self) -> "Ufid | None":
        """Return the unique identifier, or None."""
        return None if self.ufid is None else _values.Ufid.told(self.ufid)


_KEY, _ACTIONS, _MASK = FlowAttr.KEY, FlowAttr.ACTIONS, FlowAttr.MASK  # to find a member takes 0.1 us


def encode_flow(
    *,
    key: bytes | None,
    actions: bytes | None,
    mask: bytes | None = None,
    ufid: bytes | None = None,
    clear: bool = False,
    probe: bool = False,
) -> bytes:
    """Return the attributes that put a flow, as `FlowRecord` does but at a third of the cost; raise `EncodeError`."""
    attributes = b"" if key is None else attribute(_KEY, key)
    if actions is not None:
        attributes += attribute(_ACTIONS, actions)
    if clear:
        attributes += attribute(FlowAttr.CLEAR, b"")
    if mask is not None:
        attributes += attribute(_MASK, mask)
    if probe:
        attributes += attribute(FlowAttr.PROBE, b"")
    if ufid is not None:
        attributes += attribute(FlowAttr.UFID, ufid)
    return attributes
