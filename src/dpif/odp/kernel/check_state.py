"""What the kernel knows of a packet at one place in a list of actions."""

from __future__ import annotations

from dpif._typing import Self
from dpif.odp.constants import VLAN_CFI
from dpif.odp.kernel.rules import Features, RuleBroken
from dpif.odp.kernel.swkey import MAC_PROTO_ETHERNET, get
from dpif.packet.constants import MPLS_ETHERTYPES

_PUSH_ETH = "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)"


class State:
    """The link layer as earlier actions left it; the masked flat ``key`` of the flow stays what it was."""

    __slots__ = ("depth", "eth_type", "features", "key", "mac_proto", "mpls_labels", "vlan_tci")

    def __init__(self, key: int, features: Features, depth: int) -> None:
        self.key = key
        self.features = features
        self.depth = depth
        self.mac_proto = get(key, "mac_proto")
        self.eth_type = get(key, "eth.type")
        self.vlan_tci = get(key, "eth.vlan.tci")
        is_mpls = self.eth_type in MPLS_ETHERTYPES
        self.mpls_labels = get(key, "mpls.num_labels_mask").bit_count() if is_mpls else 0

    @classmethod
    def of_key(cls, key: int, features: Features) -> Self:
        """Return the state before the first action."""
        return cls(key, features, 0)

    def inside(self) -> Self:
        """Return the state for the actions inside an action.

        They find the EtherType, tag and labels of this place, but are taken to find the Ethernet header that
        the packet came with: that is how the kernel does it.
        """
        state = type(self)(self.key, self.features, self.depth + 1)
        state.eth_type, state.vlan_tci, state.mpls_labels = self.eth_type, self.vlan_tci, self.mpls_labels
        return state

    @property
    def found(self) -> str:
        """What is there, for the end of an explanation."""
        if not self.eth_type:
            return "; at this place the EtherType is not known"
        return f"; at this place it is 0x{self.eth_type:04x}"

    def need_ethernet(self, action: str) -> None:
        """Raise unless there is an Ethernet header."""
        if self.mac_proto != MAC_PROTO_ETHERNET:
            raise RuleBroken("ethernet-missing", f"{action} needs an Ethernet header; {_PUSH_ETH} comes first")

    def refuse_vlan(self, action: str) -> None:
        """Raise if there is a VLAN tag."""
        if self.vlan_tci & VLAN_CFI:
            raise RuleBroken("vlan-present", f"{action} needs a packet without a VLAN tag; pop_vlan comes first")
