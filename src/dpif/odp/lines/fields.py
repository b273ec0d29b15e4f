"""Fields to text by compiled functions: for each form of a structure or number one `Writer`.

A writer makes the text of one attribute from its bytes and those of its mask. It is a Python function whose source is
made from the same descriptions (`model`) that the slow twins read anew for each value: what is
always so (which field stands where, what it is called, how its kind is shown) is in the source, and only what the
bytes decide (is this field matched, and by every bit) is asked when it runs::

    def write(data, at, mask, mask_at):
        (m0, m1) = read_mask(mask, mask_at)
        (v0, v1) = read(data, at)
        text = ''
        if m0:
            text += f',src={v0}' if m0 == 65535 else f',src={v0}/{hex(m0)}'
        …

So there is one for each kind of attribute, whatever the masks and values. Where a mask is the same in many flows,
`templates.py` has faster ones.
"""

from __future__ import annotations

import _socket as socket  # `socket` around it takes longer to load than all of netlink
import struct
from collections.abc import Callable

from dpif._typing import Any, Final, NamedTuple
from dpif.odp.model.kinds import U128, Ipv4Kind, Ipv6Kind, Kind, MacKind, UInt, UIntPadded
from dpif.odp.model.structs import Bits, Field, Record

Writer = Callable[[bytes, int, bytes, int], str]
"""Returns the text of an attribute from the bytes that its payload is in and its place there, and the same of its
mask; empty where nothing is to be shown. What is written without a mask pays no heed to that."""
MAX_REMEMBERED: Final = 1024
"""Texts of a kind of value that are remembered."""


class Remembered(dict[Any, str]):
    """The texts of values, each made by `show` when it is first asked for; when there are many it learns no more."""

    def __init__(self, show: Callable[[Any], str]) -> None:
        super().__init__()
        self.show = show

    def __missing__(self, value: Any) -> str:
        text = self.show(value)
        if len(self) < MAX_REMEMBERED:
            self[value] = text
        return text


NAMES: Final[dict[str, Any]] = {
    "colon": ":",
    "little": "little",
    "number": int.from_bytes,
    "inet6": socket.AF_INET6,
    "ntop": socket.inet_ntop,
}
"""What the source of every writer may use."""


class Shown(NamedTuple):
    """How a value is read and shown: `struct` codes, a variable for each, and the inside of an f-string."""

    code: str
    variables: tuple[str, ...]
    text: str
    names: dict[str, Any]


def shown(kind: Kind[Any], variable: str) -> Shown:
    """Return how a value of `kind` is read into variables that begin with `variable`, and shown."""
    if type(kind) is Ipv4Kind:  # four numbers: half of what `inet_ntoa` takes
        parts = tuple(f"{variable}_{index}" for index in range(4))
        return Shown("4B", parts, ".".join(f"{{{part}}}" for part in parts), {})
    text, names = of_raw(kind, variable)
    return Shown(kind.code, (variable,), text, names)


def of_raw(kind: Kind[Any], variable: str) -> tuple[str, dict[str, Any]]:
    """Return how a raw value is shown, and what the source needs for it: the frequent kinds in place."""
    if type(kind) is MacKind:
        return f"{{{variable}.hex(colon)}}", {}
    if type(kind) is Ipv6Kind:
        return f"{{ntop(inet6, {variable})}}", {}
    if type(kind) is U128:
        return f"{{(hex(n) if (n := number({variable}, little)) else 0)}}", {}
    if type(kind).show is UInt.show:
        return _number(kind.base, variable), {}  # type: ignore[attr-defined]
    if kind.size <= 2:
        return f"{{show_{variable}[{variable}]}}", {f"show_{variable}": Remembered(kind.show)}
    return f"{{show_{variable}({variable})}}", {f"show_{variable}": kind.show}


def _number(base: str, variable: str) -> str:
    if base == "d":
        return f"{{{variable}}}"
    return f"{{hex({variable}) if {variable} else 0}}" if base == "x" else f"0x{{{variable}:{base}}}"


def of_mask(kind: Kind[Any], variable: str) -> tuple[str, dict[str, Any]]:
    """Return how a mask is shown, and what the source needs for it."""
    if type(kind) is Ipv4Kind:
        return ".".join(f"{{{variable} >> {shift} & 255}}" for shift in (24, 16, 8, 0)), {}
    if type(kind).show_mask is UInt.show_mask:
        return _number(kind.mask_base, variable), {}  # type: ignore[attr-defined]
    if type(kind).show_mask is Kind.show_mask and type(kind) in (MacKind, Ipv6Kind, U128):
        return of_raw(kind, variable)
    return f"{{mask_{variable}({variable})}}", {f"mask_{variable}": kind.show_mask}


class Source:
    """The source of a function under way: lines, and the values that it names."""

    def __init__(self) -> None:
        self._lines = ["def write(data, at, mask, mask_at):"]
        self.names = dict(NAMES)

    def line(self, text: str, **names: Any) -> None:
        """Add a line."""
        self._lines.append(f"    {text}")
        self.names.update(names)

    def compiled(self) -> Writer:
        """Return the function."""
        exec("\n".join(self._lines), self.names)
        writer: Writer = self.names["write"]
        return writer

    def masked(
        self, kind: Kind[Any], value: str, names: dict[str, Any], raw: str, mask: str, before: str = ""
    ) -> str:
        """Return the expression of a value's text under a mask that is shown where it is not full."""
        self.names.update(names)
        if isinstance(kind, UIntPadded):
            partial = f"{_number(kind.partial_base, raw)}/{_number(kind.mask_base, mask)}"
            return f"f'{before}{value}' if {_is_full(kind, mask)} else f'{before}{partial}'"
        if type(kind).show_masked is not Kind.show_masked:
            self.names[f"masked_{mask}"] = Remembered(lambda pair: kind.show_masked(*pair))
            return f"f'{before}{{masked_{mask}[{raw}, {mask}]}}'"
        shown_mask, more = of_mask(kind, mask)
        self.names.update(more)
        return f"f'{before}{value}' if {_is_full(kind, mask)} else f'{before}{value}/{shown_mask}'"


def _is_full(kind: Kind[Any], mask: str) -> str:
    if isinstance(kind.full, bytes):
        return f"{mask} == {kind.full!r}"
    if kind.full == (1 << 8 * kind.size) - 1:
        return f"{mask} == {kind.full}"
    return f"{mask} & {kind.full} == {kind.full}"


def _is_matched(kind: Kind[Any], mask: str) -> str:
    return f"{mask} != {kind.zero!r}" if isinstance(kind.zero, bytes) else mask


def write_number(kind: Kind[Any], order: str, before: str, after: str, *, exact: bool, always: bool) -> Writer:
    """Return what writes one field by itself.

    Without masks where `exact`; else if `always`, or where the mask has any bit.
    """
    source = Source()
    value = shown(kind, "v")
    source.line(f"({', '.join(value.variables)},) = read(data, at)", read=_reader(order, value.code))
    if exact:
        source.line(f"return f{f'{before}{value.text}{after}'!r}", **value.names)
        return source.compiled()
    source.line("(m,) = read_mask(mask, mask_at)", read_mask=_reader(order, kind.code))
    if not always:
        source.line(f"if not ({_is_matched(kind, 'm')}): return ''")
    source.line(f"text = {source.masked(kind, value.text, value.names, 'v', 'm', before)}")
    source.line(f"return text + {after!r}" if after else "return text")
    return source.compiled()


def write_record(cls: type[Record], before: str, after: str, without: tuple[str, ...] = ()) -> Writer:
    """Return what writes the fields of an action but those that have their defaults, see `FieldAction.show`."""
    source = Source()
    texts = _read_shown(source, cls)
    source.line("text = ''")
    for field in [field for field in cls.TEXT if field.name not in without]:
        text, names = texts[field.index]
        told = f"text += f',{field.text_name}={text}'"
        if field.optional:
            told = f"if v{field.index} != {field.default!r}: {told}"
        source.line(told, **names)
    source.line(f"return f{before + '{text[1:]}' + after!r}")
    return source.compiled()


def write_fields(cls: type[Record], before: str, after: str, *, exact: bool, verbose: bool, always: bool) -> Writer:
    """Return what writes the fields of a structure, see `Struct.show`.

    Without masks where `exact`; else those that are matched, all if `verbose`. Where none is there is no text at
    all, unless `always`.
    """
    source = Source()
    if exact:
        texts = _read_shown(source, cls)
        fields = ",".join(f"{field.text_name}={texts[field.index][0]}" for field in cls.TEXT)
        for _, names in texts.values():
            source.names.update(names)
        source.line(f"return f{before + fields + after!r}")
        return source.compiled()
    if not (verbose or always) and not cls.PADDING:
        source.line(f"if mask[mask_at : mask_at + {cls.SIZE}] == nothing: return ''", nothing=bytes(cls.SIZE))
    _read_raw(source, cls, "m", "mask, mask_at")
    texts = _read_shown(source, cls)
    source.line("text = ''")
    for field in cls.TEXT:
        text, names = texts[field.index]
        mask, kind = f"m{field.index}", field.kind
        told = f"text += {source.masked(kind, text, names, f'v{field.index}', mask, f',{field.text_name}=')}"
        source.line(told if verbose and not kind.bare else f"if {_is_matched(kind, mask)}: {told}")
    told = f"return f{before + '{text[1:]}' + after!r}"
    source.line(told if always or verbose else f"{told} if text else ''")
    return source.compiled()


def _reader(order: str, code: str) -> Callable[[bytes, int], tuple[Any, ...]]:
    return struct.Struct(order + code).unpack_from


def _order(cls: type[Record]) -> str:
    return cls._packer.format[0]


def _read_raw(source: Source, cls: type[Record], letter: str, place: str) -> None:
    """Read the fields' raw values into variables that begin with `letter`."""
    if issubclass(cls, Bits):
        _read_word(source, cls, letter, place)
        return
    variables = ", ".join(f"{letter}{field.index}" for field in cls.FIELDS)
    codes = "".join(field.kind.code for field in cls.FIELDS)
    name = f"read_{letter}"
    source.line(f"({variables},) = {name}({place})", **{name: _reader(_order(cls), codes)})


def _read_word(source: Source, cls: type[Bits], letter: str, place: str) -> None:
    data, at = place.split(", ")
    source.line(f"word = number({data}[{at} : {at} + {cls.SIZE}], {cls.ORDER!r})")
    for field in cls.FIELDS:
        source.line(f"{letter}{field.index} = word >> {field.shift} & {field.kind.full}")


def _read_shown(source: Source, cls: type[Record]) -> dict[int, tuple[str, dict[str, Any]]]:
    """Read the fields' values; return by their indices how they are shown."""
    if issubclass(cls, Bits):
        _read_word(source, cls, "v", "data, at")
        return {field.index: of_raw(field.kind, f"v{field.index}") for field in cls.FIELDS}
    parts: list[tuple[Field[Any], Shown]] = [(field, shown(field.kind, f"v{field.index}")) for field in cls.FIELDS]
    variables = ", ".join(variable for _, part in parts for variable in part.variables)
    codes = "".join(part.code for _, part in parts)
    source.line(f"({variables},) = read(data, at)", read=_reader(_order(cls), codes))
    return {field.index: (part.text, part.names) for field, part in parts}
