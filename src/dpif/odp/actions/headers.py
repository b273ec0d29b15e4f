"""The actions that push headers, take them off, or hash them: those of a fixed layout."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING
from dpif.odp.actions.base import Action, FieldAction
from dpif.odp.constants.actions import ActionAttr, HashAlg
from dpif.odp.model.attrs import Style
from dpif.odp.model.kinds import ETHERTYPE, MAC, U32, OtherOrder, Plain, UInt
from dpif.odp.model.structs import Bits, Field

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner

_ETHERTYPE = UInt(16, "1x")


class PushVlan(
    Bits, FieldAction, number=ActionAttr.PUSH_VLAN, word="push_vlan", size=4, text=("tpid", "vid", "pcp", "cfi")
):
    """Push a VLAN tag, ``struct ovs_action_push_vlan``; ``cfi`` says that there is one and is 1."""

    __slots__ = ()

    tpid = Field(ETHERTYPE, shift=16, default=0x8100)
    pcp = Field(UInt(8, bits=3), shift=13)
    cfi = Field(UInt(8, bits=1), shift=12, default=1)
    vid = Field(UInt(16, bits=12), shift=0)


class PushMpls(
    Bits,
    FieldAction,
    number=ActionAttr.PUSH_MPLS,
    word="push_mpls",
    size=8,
    text=("label", "tc", "ttl", "bos", "eth_type"),
):
    """Push an MPLS label stack entry before the network header, ``struct ovs_action_push_mpls``."""

    __slots__ = ()

    label = Field(UInt(32, bits=20), shift=44)
    tc = Field(UInt(8, bits=3, radix=10), shift=41)
    bos = Field(UInt(8, bits=1, radix=10), shift=40)
    ttl = Field(UInt(8, radix=10), shift=32)
    eth_type = Field(_ETHERTYPE, shift=16)


class AddMpls(
    Bits,
    FieldAction,
    number=ActionAttr.ADD_MPLS,
    word="add_mpls",
    size=8,
    text=("label", "tc", "ttl", "bos", "eth_type", "tun_flags"),
):
    """Push an MPLS entry, before the Ethernet header too where ``tun_flags`` lacks ``OVS_MPLS_L3_TUNNEL_FLAG_MASK``.

    Open vSwitch's text form does not tell ``tun_flags``.
    """

    __slots__ = ()

    UNTOLD = ("tun_flags",)

    label = Field(UInt(32, bits=20), shift=44)
    tc = Field(UInt(8, bits=3, radix=10), shift=41)
    bos = Field(UInt(8, bits=1, radix=10), shift=40)
    ttl = Field(UInt(8, radix=10), shift=32)
    eth_type = Field(_ETHERTYPE, shift=16)
    tun_flags = Field(OtherOrder(16, "x"), shift=0, default=0)


class PopMpls(FieldAction, number=ActionAttr.POP_MPLS, word="pop_mpls"):
    """Take the outermost MPLS entry off; the packet's EtherType becomes ``eth_type``."""

    __slots__ = ()

    eth_type = Field(_ETHERTYPE)


class PushEth(FieldAction, number=ActionAttr.PUSH_ETH, word="push_eth"):
    """Push an Ethernet header, ``struct ovs_action_push_eth``; its EtherType is the packet's."""

    __slots__ = ()

    src = Field(MAC)
    dst = Field(MAC)


class Hash(FieldAction, number=ActionAttr.HASH, word="hash", order="="):
    """Compute the packet's ``dp_hash`` by algorithm ``alg`` (`HashAlg`), starting from ``basis``."""

    __slots__ = ()

    alg = Field(U32)
    basis = Field(U32)

    _NAMES = {"l4": HashAlg.L4, "sym_l4": HashAlg.SYM_L4}

    def plain(self) -> dict[str, Plain]:
        """The algorithm by its name, where it has one."""
        names = {int(alg): name for name, alg in self._NAMES.items()}
        return {**super().plain(), "alg": names.get(self.alg, self.alg)}

    def show(self, style: Style) -> str:
        """Return ``hash(l4(basis))``."""
        for name, alg in self._NAMES.items():
            if alg == self.alg:
                return f"hash({name}({self.basis}))"
        return f"hash(Unknown hash algorithm({self.alg}))"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the algorithm's name and the basis."""
        scanner.expect("(")
        start = scanner.position
        name = scanner.word("l4 or sym_l4")
        if name not in cls._NAMES:
            scanner.unknown(name, cls._NAMES, "hash algorithm", start)
        scanner.expect("(")
        basis = scanner.integer(0xFFFFFFFF, base=10)
        scanner.expect("))")
        return cls(alg=cls._NAMES[name], basis=basis)
