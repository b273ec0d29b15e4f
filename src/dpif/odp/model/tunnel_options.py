"""The options that a tunnel key may carry, one kind for each protocol: VXLAN, Geneve, ERSPAN, GTP-U.

Each is a value of its own with its text; `tunnel.py` says where they stand.
"""

from collections.abc import Iterable, Iterator, Mapping

from dpif._typing import TYPE_CHECKING, Any, NamedTuple, Self
from dpif.errors import DecodeError, EncodeError, brief
from dpif.odp.constants import VxlanExt
from dpif.odp.model.attrs import AttrType, Opaque, Structure, Style
from dpif.odp.model.kinds import U8, U8X, U16, U16X, U32X, Kind, OtherOrder, Plain, UInt, sharp
from dpif.odp.model.nest import Attr, Nest
from dpif.odp.model.structs import BitStruct, Field, Struct, scan_value_and_mask

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source
else:
    Scanner = Source = Any  # who prints never loads them


class Gbp(BitStruct, size=4, order="=", text=("id", "flags")):
    """``OVS_VXLAN_EXT_GBP``: the group policy of a VXLAN header, a u32 in host order."""

    reserved = Field(U8, shift=24)
    flags = Field(U8X, shift=16)
    id = Field(U16, shift=0)

    @classmethod
    def full(cls) -> Self:
        """The reserved bits are not matched."""
        return super().full().replace(reserved=0)


class VxlanOptions(Nest):
    """``OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS``: attributes of ``OVS_VXLAN_EXT_*``."""

    __slots__ = ()

    gbp = Attr(VxlanExt.GBP, Structure(Gbp, always_shown=True))


class Gtpu(Struct):
    """``struct gtpu_metadata`` of Open vSwitch; user space only."""

    flags = Field(U8X)
    msgtype = Field(U8)


class GtpuType(Opaque):
    """Number 16: GTP-U options in user space, in the kernel the flag ``IPV4_INFO_BRIDGE``, which has no payload.

    Kept as bytes; the natural value of a GTP-U payload is a `Gtpu`.
    """

    always_shown = True
    enclosed = True

    def keep(self, value: object) -> bytes:
        """Accept a `Gtpu`, a mapping of its fields, or bytes."""
        if isinstance(value, Mapping):
            value = Gtpu(**value)
        return value.to_bytes() if isinstance(value, Gtpu) else super().keep(value)

    def natural(self, kept: bytes) -> Any:
        """Return a `Gtpu`, or the bytes where they are none."""
        return Gtpu.from_bytes(kept) if len(kept) == Gtpu.SIZE else kept

    def plain(self, kept: bytes, mask: bytes | None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """A dict of the fields, or the bytes."""
        if len(kept) != Gtpu.SIZE or (mask is not None and len(mask) != Gtpu.SIZE):
            return super().plain(kept, mask)
        return Gtpu.from_bytes(kept).plain_pair(None if mask is None else Gtpu.from_bytes(mask), whole)

    def show(self, kept: bytes, mask: bytes | None, style: Style) -> str:
        """Show the fields, or the bytes."""
        if not kept and not mask:
            return ""
        if len(kept) != Gtpu.SIZE or (mask is not None and len(mask) != Gtpu.SIZE):
            return super().show(kept, mask, style)
        return Gtpu.from_bytes(kept).show(None if mask is None else Gtpu.from_bytes(mask), style.verbose)

    def scan(self, scanner: Scanner) -> tuple[bytes, bytes]:
        """Take the fields, or bytes; without either it is the kernel's flag."""
        if not scanner.looking_at("flags=") and not scanner.looking_at("msgtype="):
            return super().scan(scanner)
        value, mask = Gtpu.scan(scanner)
        return value.to_bytes(), mask.to_bytes()


class Erspan(BitStruct, size=12):
    """``struct erspan_metadata``: of version 1 only ``idx`` counts; of version 2 ``idx`` is the timestamp.

    ``hwid`` has six bits. The C tool keeps the lower four alone; here a value above 15 is written as it is.
    """

    ver = Field(OtherOrder(32), shift=64)
    idx = Field(U32X, shift=32)
    sgt = Field(U16, shift=16)
    p = Field(UInt(8, bits=1), shift=15)
    ft = Field(UInt(8, bits=5), shift=10)
    hwid = Field(UInt(8, "x", bits=6), shift=4)
    dir = Field(UInt(8, bits=1), shift=3)
    gra = Field(UInt(8, bits=2), shift=1)
    o = Field(UInt(8, bits=1), shift=0)


class ErspanType(Structure[Erspan]):
    """The ERSPAN options of a tunnel key: ``ver=1,idx=…`` or ``ver=2,dir=…,hwid=…``.

    What the text cannot say is zero in a value; in a mask it is matched, and so is the version, where anything is.
    """

    _of_version = {1: (Erspan.idx,), 2: (Erspan.dir, Erspan.hwid)}

    def __init__(self) -> None:
        super().__init__(Erspan, always_shown=True)

    def show(self, kept: Erspan, mask: Erspan | None, style: Style) -> str:
        """Show the version and its fields; under a mask they always have theirs."""
        bits = mask or Erspan.full()
        parts = []
        if style.verbose or bits.ver & 0xFF:
            parts.append(f"ver={U8.show_masked(kept.ver & 0xFF, bits.ver & 0xFF)}")
        if kept.ver == 1:
            parts.append(_masked("idx", sharp(kept.idx), bits.idx, mask))
        elif kept.ver == 2:
            if style.verbose or bits.dir:
                parts.append(_masked("dir", str(kept.dir), bits.dir, mask))
            if style.verbose or bits.hwid:
                # The C tool knows four bits; what fits them is shown as it does.
                shown = bits.hwid & 0xF if kept.hwid <= 0xF else bits.hwid
                parts.append(_masked("hwid", sharp(kept.hwid), shown, mask))
        return ",".join(parts)

    def scan(self, scanner: Scanner) -> tuple[Erspan, Erspan]:
        """Take ``ver`` and the fields that go with it; where nothing is matched ``ver`` may be left out."""
        start = scanner.position
        given: dict[str, tuple[int, int]] = {}
        while not scanner.looking_at(")"):
            name = Erspan.scan_name(scanner).name
            kind: Kind[Any] = U32X if name == "idx" else U8
            given[name] = scan_value_and_mask(kind, scanner)
            if not scanner.take(","):
                break
        is_matched = any(mask for _, mask in given.values())
        ver = given.pop("ver", (0 if is_matched else self._version_with(given), 0))[0]
        if not ver and not given and not is_matched:
            return Erspan(), Erspan()
        if ver not in self._of_version:
            scanner.fail("erspan needs ver=1 or ver=2", position=start)
        names = [field.name for field in self._of_version[ver]]
        for name in given:
            if name not in names:
                scanner.fail(f"{name} does not go with ver={ver}", f"with it go {', '.join(names)}", start)
        try:
            value = Erspan(ver=ver, **{name: value for name, (value, _) in given.items()})
        except EncodeError as error:
            scanner.fail(str(error), position=start)
        masks = {name: given.get(name, (0, 0))[1] for name in names}
        return value, self._mask(ver, masks) if is_matched else Erspan()

    def _version_with(self, given: Iterable[str]) -> int:
        """Return the version that has the fields which are given; 0 where there are none."""
        of_field = {field.name: ver for ver, fields in self._of_version.items() for field in fields}
        return next((of_field[name] for name in given if name in of_field), 0)

    @staticmethod
    def _mask(ver: int, masks: dict[str, int]) -> Erspan:
        """Return the mask: what no text tells of is matched, and the version always is."""
        if ver == 2:
            # The C tool masks four bits, and matches the two above them always.
            masks = {"dir": masks["dir"] & 1, "hwid": masks["hwid"] & 0x3F | 0x30}
        return Erspan.full().replace(**masks)


def _masked(name: str, value: str, bits: int, mask: Erspan | None) -> str:
    return f"{name}={value}" if mask is None else f"{name}={value}/{sharp(bits)}"


class GeneveOption(NamedTuple):
    """One Geneve option: class, type, and a multiple of four bytes of data.

    In a mask, ``length`` is the mask of the length field (five bits, 0x1f when it must match), while `data` is as
    long as the option that it belongs to; in a value it follows from the data and is left out.
    """

    class_: int = 0
    type: int = 0
    data: bytes = b""
    length: int | None = None
    reserved: int = 0

    def to_bytes(self) -> bytes:
        """Encode; raise `EncodeError`."""
        length = len(self.data) // 4 if self.length is None else self.length
        if len(self.data) % 4 or not (0 <= length <= 31 and len(self.data) <= 124):
            raise EncodeError(f"a Geneve option has a multiple of 4 bytes up to 124, not {len(self.data)}")
        if not (0 <= self.class_ <= 0xFFFF and 0 <= self.type <= 0xFF and 0 <= self.reserved <= 7):
            raise EncodeError(f"out of range: {brief(self)}")
        return self.class_.to_bytes(2, "big") + bytes((self.type, self.reserved << 5 | length)) + bytes(self.data)

    def plain(self) -> dict[str, Plain]:
        """Return its parts by name; `of_plain` takes them back."""
        told: dict[str, Plain] = {"class": self.class_, "type": self.type, "data": self.data.hex()}
        if self.length is not None:
            told["length"] = self.length
        return {**told, "reserved": self.reserved} if self.reserved else told

    @classmethod
    def of_plain(cls, plain: Mapping[str, Plain]) -> Self:
        """Return the option that `plain` told; raise `EncodeError`."""
        try:
            parts = {"class_" if name == "class" else name: value for name, value in plain.items()}
            return cls(**{**parts, "data": bytes.fromhex(parts.get("data", ""))})
        except (TypeError, ValueError):
            raise EncodeError(f"expected class, type and data of a Geneve option, not {brief(plain)}") from None

    @classmethod
    def at(cls, raw: bytes, start: int, data_length: int) -> Self:
        """Decode the option that starts at `start` and has `data_length` bytes of data."""
        data = raw[start + 4 : start + 4 + data_length]
        length = raw[start + 3] & 0x1F
        return cls(
            int.from_bytes(raw[start : start + 2], "big"),
            raw[start + 2],
            data,
            None if 4 * length == data_length else length,
            raw[start + 3] >> 5,
        )


class GeneveOptions:
    """Geneve options one after the other; iterate over a value's, over a mask's with `under`."""

    __slots__ = ("raw",)

    def __init__(self, options: Iterable[GeneveOption] = ()) -> None:
        self.raw = b"".join([option.to_bytes() for option in options])

    @classmethod
    def of_raw(cls, raw: bytes) -> Self:
        """Return the options in these bytes, unchecked."""
        self = cls.__new__(cls)
        self.raw = raw
        return self

    def __iter__(self) -> Iterator[GeneveOption]:
        """Iterate over the options; raise `DecodeError` where one is cut short."""
        return self.under(self)

    def under(self, value: "GeneveOptions") -> Iterator[GeneveOption]:
        """Iterate over the options of a mask: `value` tells how long each of them is."""
        raw = value.raw
        start = 0
        while start < len(raw):
            if len(raw) - start < 4:
                raise DecodeError(f"opt len {len(raw) - start} less than minimum 4", offset=start)
            length = 4 * (raw[start + 3] & 0x1F)
            if 4 + length > len(raw) - start:
                raise DecodeError(f"opt len {4 + length} greater than remaining {len(raw) - start}", offset=start)
            yield GeneveOption.at(self.raw, start, length)
            start += 4 + length

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GeneveOptions) and self.raw == other.raw

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        try:
            return f"GeneveOptions({list(self)!r})"
        except DecodeError:
            return f"GeneveOptions.of_raw({self.raw!r})"


_BYTES = Opaque()


class GeneveType(AttrType[GeneveOptions]):
    """The Geneve options of a tunnel key: ``{class=…,type=…,len=…,0xdata/0xmask}`` one after the other."""

    enclosed = True
    always_shown = True

    def decode(self, data: bytes) -> GeneveOptions:
        """Keep the bytes: a mask's cannot be told apart by themselves."""
        if len(data) % 4:
            raise DecodeError(f"{len(data)} bytes are not a multiple of 4")
        return GeneveOptions.of_raw(bytes(data))

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Keep the bytes."""
        return source.make(GeneveOptions, raw=source.octets(start, end))

    def encode(self, kept: GeneveOptions) -> bytes:
        """Return the bytes."""
        return kept.raw

    def keep(self, value: object) -> GeneveOptions:
        """Accept options, or a sequence of single ones, each a `GeneveOption` or a mapping; or hexadecimal digits."""
        if isinstance(value, GeneveOptions):
            return value
        if isinstance(value, str):
            return GeneveOptions.of_raw(_BYTES.keep(value))
        if isinstance(value, (list, tuple)):
            value = [GeneveOption.of_plain(item) if isinstance(item, Mapping) else item for item in value]
        if isinstance(value, (list, tuple)) and all(isinstance(item, GeneveOption) for item in value):
            return GeneveOptions(value)
        raise EncodeError(f"expected Geneve options, not {brief(value)}")

    def full(self, kept: GeneveOptions) -> GeneveOptions:
        """Every bit but the reserved ones, which no option has; of options that are cut short, every bit."""
        try:
            return GeneveOptions(GeneveOption(0xFFFF, 0xFF, b"\xff" * len(option.data), 0x1F) for option in kept)
        except DecodeError:
            return GeneveOptions.of_raw(b"\xff" * len(kept.raw))

    def zero(self, kept: GeneveOptions) -> GeneveOptions:
        """No bit."""
        return GeneveOptions.of_raw(bytes(len(kept.raw)))

    def is_full(self, mask: GeneveOptions) -> bool:
        """Never told by the mask alone."""
        return False

    def plain(
        self, kept: GeneveOptions, mask: GeneveOptions | None = None, whole: bool = False
    ) -> tuple[Plain, Plain]:
        """Lists of the options with all their parts; the bytes where they cannot be told apart."""
        try:
            masks = None if mask is None else [option.plain() for option in mask.under(kept)]
            if mask is None or len(mask.raw) == len(kept.raw):
                return [option.plain() for option in kept], masks
        except DecodeError:
            pass
        return kept.raw.hex(), None if mask is None else mask.raw.hex()

    def show(self, kept: GeneveOptions, mask: GeneveOptions | None, style: Style) -> str:
        """Show each option in braces."""
        if mask is not None and len(mask.raw) != len(kept.raw):
            return f"value len {len(kept.raw)} different from mask len {len(mask.raw)}"
        shown = ""
        masks: Iterator[GeneveOption | None] = iter([]) if mask is None else mask.under(kept)
        try:
            for option in kept:
                shown += f"{{{self._show_one(option, next(masks, None), style)}}}"
        except DecodeError as error:
            shown += error.reason
        return shown

    @staticmethod
    def _show_one(option: GeneveOption, mask: GeneveOption | None, style: Style) -> str:
        size = len(option.data)
        bits = mask or GeneveOption(0xFFFF, 0xFF, b"\xff" * size, 0x1F)
        parts = GeneveType.show_head(option, bits, style)
        if size and (style.verbose or any(bits.data)):
            data = sharp(int.from_bytes(option.data, "big"))
            exact = bits.data == b"\xff" * size
            parts.append(data if exact else f"{data}/{sharp(int.from_bytes(bits.data, 'big'))}")
        return ",".join(parts)

    @staticmethod
    def show_head(option: GeneveOption, bits: GeneveOption, style: Style) -> list[str]:
        """Return what is shown of an option before its data."""
        size = len(option.data)
        length_mask = size // 4 if bits.length is None else bits.length
        parts = []
        if style.verbose or bits.class_:
            parts.append(f"class={U16X.show_masked(option.class_, bits.class_)}")
        if style.verbose or bits.type:
            parts.append(f"type={U8X.show_masked(option.type, bits.type)}")
        if style.verbose or length_mask:
            parts.append(f"len={U8.show_masked(size, 0xFF if length_mask == 0x1F else length_mask)}")
        return parts

    def scan(self, scanner: Scanner) -> tuple[GeneveOptions, GeneveOptions]:
        """Take options in braces."""
        values: list[GeneveOption] = []
        masks: list[GeneveOption] = []
        while scanner.take("{"):
            value, mask = self._scan_one(scanner)
            scanner.expect("}")
            values.append(value)
            masks.append(mask)
        return GeneveOptions(values), GeneveOptions(masks)

    @staticmethod
    def _scan_one(scanner: Scanner) -> tuple[GeneveOption, GeneveOption]:
        """Take what stands between the braces; what is left out is zero and matches anything."""
        value, mask = GeneveOption(length=0), GeneveOption(length=0)
        size = 0
        if scanner.take("class="):
            class_, bits = scan_value_and_mask(U16, scanner)
            value, mask = value._replace(class_=class_), mask._replace(class_=bits)
            scanner.take(",")
        if scanner.take("type="):
            type_, bits = scan_value_and_mask(U8, scanner)
            value, mask = value._replace(type=type_), mask._replace(type=bits)
            scanner.take(",")
        if scanner.take("len="):
            start = scanner.position
            size, bits = scan_value_and_mask(U8, scanner)
            if size % 4 or size > 124:
                scanner.fail(f"{size} is no length of a Geneve option", "a multiple of 4 up to 124", start)
            value, mask = value._replace(length=size // 4), mask._replace(length=bits & 0x1F)
            scanner.take(",")
        full = (1 << 8 * size) - 1
        data = bits = 0
        if not scanner.looking_at("}"):
            data = scanner.integer(full, "}, or the option's data")
            bits = scanner.integer(full, "a mask of the data") if scanner.take("/") else full
        return (
            value._replace(data=data.to_bytes(size, "big"), length=None),
            mask._replace(data=bits.to_bytes(size, "big")),
        )
