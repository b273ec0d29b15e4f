"""The tunnel key: the outer header that a packet came in, or that it is to be sent with.

Its text is a list of arguments, ``tunnel(tun_id=0x1,dst=10.0.0.2,ttl=64,vxlan(gbp(id=1)),flags(df|key))``. The bits
that are attributes without a payload (don't fragment, checksum, OAM) stand together in ``flags(…)``, and with them
``key``, which is no attribute: it says that there is a ``tun_id``.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Any, Self
from dpif.odp.constants.key import TunnelFlag, TunnelKeyAttr
from dpif.odp.model.arguments import scan_argument, show_argument
from dpif.odp.model.attrs import PLAIN, Empty, Opaque, Scalar, Style, scan_bytes
from dpif.odp.model.kinds import IPV4, IPV6, TUN_ID, TUNNEL_FLAGS, U8, U8X, U16
from dpif.odp.model.nest import Attr, Nest, Nested, numbered_name
from dpif.odp.model.tunnel_options import ErspanType, GeneveType, GtpuType, VxlanOptions

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner

FLAGS = {
    TunnelKeyAttr.DONT_FRAGMENT: TunnelFlag.DF,
    TunnelKeyAttr.CSUM: TunnelFlag.CSUM,
    TunnelKeyAttr.OAM: TunnelFlag.OAM,
}
"""Flags that are attributes, in the order in which the C tool sends them."""
_MISFIT = pattern(r"key[0-9]{1,5}\(bad key length [0-9]++, expected -?[0-9]++\)\(")
_MISFIT_MASK = pattern(r"\(bad mask length [0-9]++, expected -?[0-9]++\)\(")


class Tunnel(Nest):
    """``OVS_KEY_ATTR_TUNNEL``: attributes of ``enum ovs_tunnel_key_attr``."""

    __slots__ = ()

    tun_id = Attr(TunnelKeyAttr.ID, Scalar(TUN_ID, "!"))
    src = Attr(TunnelKeyAttr.IPV4_SRC, Scalar(IPV4, "!"))
    dst = Attr(TunnelKeyAttr.IPV4_DST, Scalar(IPV4, "!"))
    ipv6_src = Attr(TunnelKeyAttr.IPV6_SRC, Scalar(IPV6, "!"))
    ipv6_dst = Attr(TunnelKeyAttr.IPV6_DST, Scalar(IPV6, "!"))
    tos = Attr(TunnelKeyAttr.TOS, Scalar(U8X, "!"))
    ttl = Attr(TunnelKeyAttr.TTL, Scalar(U8, "!"))
    df = Attr(TunnelKeyAttr.DONT_FRAGMENT, Empty())
    csum = Attr(TunnelKeyAttr.CSUM, Empty())
    tp_src = Attr(TunnelKeyAttr.TP_SRC, Scalar(U16, "!"))
    tp_dst = Attr(TunnelKeyAttr.TP_DST, Scalar(U16, "!"))
    oam = Attr(TunnelKeyAttr.OAM, Empty())
    geneve = Attr(TunnelKeyAttr.GENEVE_OPTS, GeneveType())
    vxlan = Attr(TunnelKeyAttr.VXLAN_OPTS, Nested(lambda: VxlanOptions))
    pad = Attr(TunnelKeyAttr.PAD, Opaque(), None)
    erspan = Attr(TunnelKeyAttr.ERSPAN_OPTS, ErspanType())
    gtpu = Attr(TunnelKeyAttr.GTPU_OPTS, GtpuType())

    @property
    def flags(self) -> TunnelFlag:
        """The flags that are set, ``KEY`` (there is a ``tun_id``) among them."""
        flags = TunnelFlag.KEY if self._kept.get(TunnelKeyAttr.ID) is not None else TunnelFlag(0)
        for number, flag in FLAGS.items():
            if number in self._kept:
                flags |= flag
        return flags

    def show(self, mask: Self | None, style: Style = PLAIN) -> str:
        """Return the arguments that `mask` matches, all when verbose, and the flags."""
        parts = list(self._show_parts(mask, style))
        if mask is None:
            parts.append(f"flags({TUNNEL_FLAGS.show(self.flags)})")
            return ",".join(parts)
        # Whether there is a tun_id is matched whenever there is one, whatever its mask.
        matched = mask.flags & ~TunnelFlag.KEY | self.flags & TunnelFlag.KEY
        if matched or style.verbose:
            parts.append(f"flags({TUNNEL_FLAGS.show_masked(self.flags, matched)})")
        return ",".join(parts)

    def _show_one(self, number: int, kept: Any, mask: Any | None, style: Style) -> Iterator[str]:
        attr = self.ATTRS.get(number)
        if attr is None or (style.exact and not attr.told):
            yield from super()._show_one(number, kept, mask, style)
        elif number not in FLAGS and attr.told:
            yield show_argument(attr, kept, mask, style)

    @classmethod
    def scan(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take arguments, separated by single commas."""
        values: dict[int, Any] = {}
        masks: dict[int, Any] = {}
        while not scanner.looking_at(")"):
            if cls._take_misfit(scanner, values, masks):
                continue  # Open vSwitch puts no comma behind it
            if scanner.take("flags("):
                cls._scan_flags(scanner, values, masks)
                scanner.expect(")")
            else:
                cls._scan_argument(scanner, values, masks)
            if not scanner.take(","):
                break
        return cls.of_kept(values), cls.of_kept(masks)

    @classmethod
    def _scan_flags(cls, scanner: Scanner, values: dict[int, Any], masks: dict[int, Any]) -> None:
        """Take flags, ``flags()`` being none; ``key`` changes nothing, since it follows from ``tun_id``."""
        start = scanner.position
        value, mask = (0, TUNNEL_FLAGS.full) if scanner.looking_at(")") else TUNNEL_FLAGS.scan_masked(scanner)
        if (value | mask) & ~TUNNEL_FLAGS.allowed:
            scanner.fail("a tunnel has no such flags", f"at most {TUNNEL_FLAGS.allowed:#x}", start)
        for number, flag in FLAGS.items():
            if value & flag:
                values[number] = True
            if mask & flag:
                masks[number] = True

    @classmethod
    def _scan_argument(cls, scanner: Scanner, values: dict[int, Any], masks: dict[int, Any]) -> None:
        start = scanner.position
        possible = [attr.text_name for attr in cls.ATTRS.values() if attr.told and attr.number not in FLAGS]
        name = scanner.word(f"a field ({', '.join(possible)}, flags)")
        if name in possible:
            attr = cls._by_text_name[name]
            number = int(attr.number)
            value, mask = scan_argument(attr, scanner)
            if number == TunnelKeyAttr.VXLAN_OPTS and attr.type.is_zero(mask):
                mask = None  # as the C tool, which sends no policy without a bit
        else:
            numbered = numbered_name(name)
            if numbered is None:
                scanner.unknown(name, [*possible, "flags"], "tunnel field", start)
            number = numbered
            scanner.expect("(")
            value, mask = cls._scan_bytes(scanner, number)
            scanner.expect(")")
        if number in values:
            scanner.fail(f"{name} is given twice", position=start)
        values[number] = value
        if mask is not None:
            masks[number] = mask

    @classmethod
    def _take_misfit(cls, scanner: Scanner, values: dict[int, Any], masks: dict[int, Any]) -> bool:
        """Take an attribute whose length is not what Open vSwitch expected, if one comes next; tell whether it did.

        Old versions print so the flags that they themselves put into a flow that is offloaded: a byte each.
        """
        start = scanner.position
        name = scanner.match(_MISFIT)
        if name is None:
            return False
        number = int(name[3 : name.index("(")])
        value = scan_bytes(scanner)
        mask = value
        if scanner.take("/"):
            scanner.match(_MISFIT_MASK)
            mask = scan_bytes(scanner)
        scanner.expect(")")
        if number not in FLAGS:
            scanner.fail(f"key{number} has {len(value)} bytes, which is not its length", position=start)
        if any(value):
            values[number] = True
        if any(mask):
            masks[number] = True
        return True
