"""Texts of flows with values to fill in: of the same form, each time with every value new.

A template is made of a text as people have it. Each value in it that may be another one (an address, a port, a mark,
a tunnel's id, the data of an option, the port of an output) is drawn anew, of the same width and under the same
mask; what says what the flow is (protocols, flags, masks, lengths) stays. Values are drawn as texts, for a hundred
thousand flows are wanted within seconds.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from random import Random

from dpif.odp.model.kinds import sharp

Draw = Callable[[Random], str]
Show = Callable[[int], str]

WIDTHS = {
    "skb_priority": (32, "x"), "skb_mark": (32, "x"), "dp_hash": (32, "x"), "recirc_id": (32, "x"),
    "in_port": (16, "d"), "ct_mark": (32, "x"), "ct_label": (128, "x"), "ct_zone": (16, "x"),
    "tun_id": (64, "0x"), "tp_src": (16, "d"), "tp_dst": (16, "d"), "gbp.id": (16, "d"), "gbp.flags": (8, "x"),
    "erspan.idx": (32, "x"), "erspan.hwid": (4, "x"), "erspan.dir": (1, "d"),
    "{.class": (16, "x"), "{.type": (8, "x"),
    "vid": (12, "d"), "pcp": (3, "d"), "tos": (8, "x"), "ttl": (8, "d"), "tclass": (8, "x"), "hlimit": (8, "d"),
    "ipv6.label": (20, "x"), "src": (16, "d"), "dst": (16, "d"), "src_port": (16, "d"),
    "dst_port": (16, "d"), "nsh.flags": (8, "d"), "push_nsh.flags": (8, "d"),
    "icmp.type": (8, "d"), "icmp.code": (8, "d"),
    "icmpv6.code": (8, "d"), "label": (20, "d"), "tc": (3, "d"), "nsh.ttl": (6, "d"), "push_nsh.ttl": (6, "d"),
    "spi": (24, "0x"), "si": (8, "d"), "c1": (32, "0x"), "c2": (32, "0x"), "c3": (32, "0x"), "c4": (32, "0x"),
    "recirc": (32, "x"), "trunc": (16, "d"), "meter": (32, "d"), "l4": (32, "d"), "sym_l4": (32, "d"),
    "pid": (32, "d"), "tunnel_out_port": (16, "d"), "check_pkt_len.size": (16, "d"), "psample.group": (32, "d"),
    "ct.zone": (16, "d"), "ct.mark": (32, "x"), "ct.label": (128, "x"), "controller.recirc_id": (32, "d"),
    "rule_cookie": (64, "x"), "controller_id": (16, "d"), "output": (32, "d"), "output_port": (32, "d"),
    "collector_set_id": (32, "d"), "obs_domain_id": (32, "d"), "obs_point_id": (32, "d"),
}  # fmt: skip
"""Bits of the numbers that change, and their base (``x``: zero has no ``0x``).

They go by name, and where that is not enough by what the number stands in. A number whose name is not here
(``proto``, ``op``, ``mdtype``, ``len``) says what the flow is, and stays.
"""

_ACTION_LISTS = frozenset({"", "clone", "actions", "gt", "le", "le_1"})
"""What a number by itself is the port of an output in."""
_LEAST = {"trunc": 64, "size": 64}
_BYTES = frozenset({"md2", "cookie", "userdata"})
"""Hexadecimal digits of so many bytes; of two of them the text does not tell zeros that come first."""

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_IPV4 = re.compile(r"\d+(?:\.\d+){3}")
_IPV6 = re.compile(r"[0-9a-f]*:[0-9a-f:]*(?:\.\d+)*")
_SOME = rf"{_MAC.pattern}|{_IPV4.pattern}|{_IPV6.pattern}|0x[0-9a-f]+|[0-9a-f]+"
_TOKEN = re.compile(
    rf"(?P<open>\w*[({{])|(?P<close>[)}}])|(?P<name>\w+)=|(?P<comma>,)|(?<![\w.+/|\]-])(?P<value>{_SOME})"
    rf"(?:/(?P<mask>{_SOME})|(?P<to>]?-\[?)(?P<last>{_SOME}))?(?=[],)}}:]|$)"
)


class Template:
    """A text whose values are drawn anew; those of `fixed` (``"ttl=64"``) stay."""

    def __init__(self, text: str, fixed: frozenset[str] = frozenset()) -> None:
        parts, draws, end = [], [], 0
        for start, stop, draw in _values(text, fixed):
            parts.append(text[end:start].replace("%", "%%"))
            draws.append(draw)
            end = stop
        self.text = text
        self._format = "%s".join([*parts, text[end:].replace("%", "%%")])
        self._draws = tuple(draws)

    def __len__(self) -> int:
        """How many values change."""
        return len(self._draws)

    def draw(self, random: Random) -> tuple[str, ...]:
        """Return other values for the text."""
        return tuple([draw(random) for draw in self._draws])

    def fill(self, values: tuple[str, ...]) -> str:
        """Return the text with these values."""
        return self._format % values


def _values(text: str, fixed: frozenset[str]) -> Iterator[tuple[int, int, Draw]]:
    """Yield the place of each value that changes, and what draws another one."""
    inside, name, length = [""], "", 0
    for token in _TOKEN.finditer(text):
        value = token["value"]
        if value is None:
            name = token["name"] or ""
            if token["open"]:
                inside.append(token["open"].rstrip("(") or "(")
            elif token["close"]:
                inside.pop()
        elif name == "len":
            length = int(value)
        elif f"{name}={value}" not in fixed:
            draw = _draw_like(inside[-1], name, token, length)
            if draw:
                yield token.start(), token.end(), draw


def _draw_like(holder: str, name: str, token: re.Match[str], length: int) -> Draw | None:
    """Return what draws a value like that of `token`, None where it stays."""
    value, mask = token["value"], token["mask"]
    for shape, size, show_address in _ADDRESSES:
        if shape.fullmatch(value):
            return _draw(8 * size, show_address, 1, None if mask is None else _read(mask, size), token)
    if (name or holder) in _BYTES:
        digits = len(value.removeprefix("0x"))
        return _bytes_like(value[: len(value) - digits], digits)
    if holder == "{" and not name:
        width, base = 8 * length, "x"
    elif holder in _ACTION_LISTS and not name:
        width, base = 16, "d"
    elif holder == "recirc_id" and value == "0":
        return None  # the packet was not recirculated
    else:
        width, base = WIDTHS.get(f"{holder}.{name}") or WIDTHS.get(name or holder) or (0, "")
    if not width:
        return None
    show = {"0x": hex, "x": sharp, "d": _padded if value.startswith("0x") else str}[base]
    return _draw(width, show, _LEAST.get(name or holder, 1), None if mask is None else int(mask, 0), token)


def _bytes_like(before: str, digits: int) -> Draw:
    first = 1 << 4 * digits - 1
    return lambda random: f"{before}{random.getrandbits(4 * digits) | first:x}"


def _padded(value: int) -> str:
    """Return how a decimal number of ``nsh(…)`` is written under a mask."""
    return f"0x{value:02x}"


def _draw(width: int, show: Show, least: int, mask: int | None, token: re.Match[str]) -> Draw | None:
    """Return what draws values of so many bits, at least `least`; under a mask, or with the last of a range."""
    full = (1 << width) - 1
    if mask is not None:
        bits, behind = mask & full, f"/{token['mask']}"
        return (lambda random: show(random.getrandbits(width) & bits) + behind) if bits else None
    if token["last"]:
        to = token["to"]
        return lambda random: to.join(
            [show(end) for end in sorted((random.randrange(1, full), random.randrange(1, full)))]
        )
    if width > 16:
        return lambda random: show(random.getrandbits(width) or least)
    return lambda random: show(random.randrange(least, full + (width < 16)))  # the last number of 16 bits is no port


_ADDRESSES: list[tuple[re.Pattern[str], int, Show]] = [
    (_MAC, 6, lambda value: value.to_bytes(6, "big").hex(":")),
    (_IPV4, 4, lambda value: socket.inet_ntoa(value.to_bytes(4, "big"))),
    (_IPV6, 16, lambda value: socket.inet_ntop(socket.AF_INET6, value.to_bytes(16, "big"))),
]


def _read(address: str, size: int) -> int:
    """Return the number that an address of so many bytes is."""
    if size == 6:
        return int(address.replace(":", ""), 16)
    return int.from_bytes(socket.inet_pton(socket.AF_INET if size == 4 else socket.AF_INET6, address), "big")
