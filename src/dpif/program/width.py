"""How wide a flow is: which fields its mask names and how much of each, in short and for people.

``eth(src,dst),ipv4(dst/24),tcp_flags(syn)``: a field stands there by its name where it is matched whole, with the
length of a prefix, the names of flags, or else the bits as a number. A header's name alone says that it is
matched whether it is there (``tunnel``). Left out is what every flow matches: the input port, the recirculation id,
whether there are VLAN tags.
"""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING
from dpif.odp.model.kinds import Flags, Ipv4Kind, Ipv6Kind, MacKind
from dpif.program.layout import EXTRAS

if TYPE_CHECKING:
    from dpif.program.layout import Layout, Place

__all__ = ["width_of"]


def width_of(layout: Layout, mask: int) -> str:
    """Return the text for a mask of keys of that layout; empty where it matches no more than every flow does."""
    fields: dict[str, list[str]] = {}
    for name, place in layout.places.items():
        ones = place.number(mask & ~layout.always)
        if ones:
            header, _, field = name.partition(".")
            fields.setdefault(header, []).append(field + _share(place, ones))
    for name in EXTRAS:
        if mask & layout.extra(name):
            header, _, field = name.partition(".")
            fields.setdefault(header, []).extend([field] if field else [])
    return ",".join([_header(name, parts) for name, parts in fields.items()])


def _header(name: str, parts: list[str]) -> str:
    """Return a header with its fields; of one that is a field itself the one part is how much of it."""
    shown = ",".join(parts)
    return f"{name}{shown}" if not shown or shown[0] in "/(" else f"{name}({shown})"


def _share(place: Place, ones: int) -> str:
    if isinstance(place.kind, Flags):
        return f"({'|'.join(name for name, bit in place.kind.names.items() if ones & bit)})"
    if ones == place.ones:
        return ""
    length = ones.bit_count()
    is_prefix = ones == place.ones >> place.width - length << place.width - length
    if is_prefix and isinstance(place.kind, (Ipv4Kind, Ipv6Kind, MacKind)):
        return f"/{length}"
    return f"/{ones:#x}"
