"""The tunnel key: the outer header that a packet came in, or that it is to be sent with.

Its text is a list of arguments, ``tunnel(tun_id=0x1,dst=10.0.0.2,ttl=64,vxlan(gbp(id=1)),flags(df|key))``. The bits
that are attributes without a payload (don't fragment, checksum, OAM) stand together in ``flags(…)``, and with them
``key``, which is no attribute: it says that there is a ``tun_id``.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpif._typing import TYPE_CHECKING, Any, Self
from dpif.odp.arguments import scan_argument, show_argument
from dpif.odp.attrs import PLAIN, Empty, Opaque, Scalar, Style
from dpif.odp.constants.key import TunnelFlag, TunnelKeyAttr
from dpif.odp.kinds import IPV4, IPV6, TUN_ID, TUNNEL_FLAGS, U8, U8X, U16
from dpif.odp.nest import Attr, Nest, Nested
from dpif.odp.tunnel_options import ErspanType, GeneveType, GtpuType, VxlanOptions

if TYPE_CHECKING:
    from dpif.odp.scanner import Scanner

_FLAGS = {
    TunnelKeyAttr.DONT_FRAGMENT: TunnelFlag.DF,
    TunnelKeyAttr.CSUM: TunnelFlag.CSUM,
    TunnelKeyAttr.OAM: TunnelFlag.OAM,
}
"""Flags that are attributes, in the order in which the C tool sends them."""


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
    pad = Attr(TunnelKeyAttr.PAD, Opaque())
    erspan = Attr(TunnelKeyAttr.ERSPAN_OPTS, ErspanType())
    gtpu = Attr(TunnelKeyAttr.GTPU_OPTS, GtpuType())

    @property
    def flags(self) -> TunnelFlag:
        """The flags that are set, ``KEY`` (there is a ``tun_id``) among them."""
        flags = TunnelFlag.KEY if self._kept.get(TunnelKeyAttr.ID) is not None else TunnelFlag(0)
        for number, flag in _FLAGS.items():
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
        if attr is None:
            yield from super()._show_one(number, kept, mask, style)
        elif number not in _FLAGS and number != TunnelKeyAttr.PAD:
            yield show_argument(attr, kept, mask, style)

    @classmethod
    def scan(cls, scanner: Scanner) -> tuple[Self, Self]:
        """Take arguments, separated by single commas."""
        values: dict[int, Any] = {}
        masks: dict[int, Any] = {}
        while not scanner.looking_at(")"):
            start = scanner.position
            if scanner.take("flags("):
                cls._scan_flags(scanner, values, masks)
                scanner.expect(")")
            else:
                attr = cls._scan_name(scanner)
                if attr.number in values:
                    scanner.fail(f"{attr.text_name} is given twice", position=start)
                values[int(attr.number)], masks[int(attr.number)] = scan_argument(attr, scanner)
            if not scanner.take(","):
                break
        if TunnelKeyAttr.VXLAN_OPTS in masks and cls.vxlan.type.is_zero(masks[TunnelKeyAttr.VXLAN_OPTS]):
            del masks[TunnelKeyAttr.VXLAN_OPTS]  # as the C tool, which sends no policy without a bit
        return cls.of_kept(values), cls.of_kept(masks)

    @classmethod
    def _scan_flags(cls, scanner: Scanner, values: dict[int, Any], masks: dict[int, Any]) -> None:
        """Take flags; ``key`` changes nothing, since it follows from ``tun_id``."""
        value, mask = TUNNEL_FLAGS.scan_masked(scanner)
        for number, flag in _FLAGS.items():
            if value & flag:
                values[number] = True
            if mask & flag:
                masks[number] = True

    @classmethod
    def _scan_name(cls, scanner: Scanner) -> Attr[Any]:
        start = scanner.position
        possible = [attr.text_name for attr in cls.ATTRS.values() if attr.number not in (*_FLAGS, TunnelKeyAttr.PAD)]
        name = scanner.word(f"a field ({', '.join(possible)}, flags)")
        if name not in possible:
            scanner.unknown(name, [*possible, "flags"], "tunnel field", start)
        return cls._by_text_name[name]
