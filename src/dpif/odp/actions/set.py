"""The actions that rewrite a header field: ``set(…)``, whole or under a mask."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Any, TypeVar
from dpif.errors import DecodeError, EncodeError, brief
from dpif.netlink.attributes import attribute, walk
from dpif.odp.actions.base import Action
from dpif.odp.constants.actions import ActionAttr
from dpif.odp.model.attrs import AttrType, Style
from dpif.odp.model.key import FlowKey, FlowMask
from dpif.odp.model.kinds import Plain
from dpif.odp.model.nest import Nest, Nested

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source
    from dpif.odp.model.tunnel import Tunnel

N = TypeVar("N", bound=Nest)


class Set(Action, number=ActionAttr.SET, word="set"):
    """Set the one attribute that ``key`` has to its value there.

    The kernel takes a tunnel (where the packet is to be sent) only this way, and of other attributes only those
    that stand for a header or a mark.
    """

    __slots__ = ("key",)

    def __init__(self, key: FlowKey) -> None:
        _single(key, "Set")
        self.key = key

    def payload(self) -> bytes:
        """Encode the attribute."""
        return self.key.to_bytes()

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Decode the attribute."""
        key = FlowKey.from_bytes(data)
        if len(key) != 1:
            raise DecodeError(f"expected one key attribute, found {len(key)}")
        return cls(key)

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Read the attribute where it stands."""
        return source.make(cls, key=FlowKey.read_in(source, start, end))

    def plain(self) -> Plain:
        """The attribute by its name."""
        return self.key.plain()

    def show(self, style: Style) -> str:
        """Return ``set(attribute(…))`` with every field; ports within are not named."""
        return f"set({self.key.show(None, Style(verbose=True, exact=style.exact))})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the attribute; a mask that is not full makes the action a `SetMasked`."""
        scanner.expect("(")
        start = scanner.position
        key, mask = FlowKey.scan_one(scanner)
        is_masked = "/" in scanner.text[start : scanner.position]
        scanner.expect(")")
        if key.tunnel is not None:
            if is_masked:
                scanner.fail("a tunnel is set whole, without masks", position=start)
            return cls(FlowKey(tunnel=_without_empty_policy(key.tunnel)))
        mask = _same_attributes(key, mask)
        return cls(key) if mask == key.full_mask() else SetMasked(key, FlowMask.of_kept(dict(mask.kept())))


class SetMasked(Action, number=ActionAttr.SET_MASKED):
    """Set those bits of the one attribute that ``key`` has which are set in ``mask``.

    Bits of ``key`` outside ``mask`` are cleared, as the kernel demands.
    """

    __slots__ = ("key", "mask")

    def __init__(self, key: FlowKey, mask: FlowMask) -> None:
        _single(key, "SetMasked")
        if [number for number, _ in key.kept()] != [number for number, _ in mask.kept()]:
            raise EncodeError("key and mask must have the same attribute", "SetMasked")
        self.key = key.masked(mask)
        self.mask = _same_attributes(key, mask)

    def payload(self) -> bytes:
        """Encode the attribute, whose payload is the value's bytes and then the mask's."""
        return b"".join(
            [
                attribute(number, _join(FlowKey.type_of(number), value, self.mask.get_kept(number)))
                for number, value in self.key.kept()
            ]
        )

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Decode the attribute; value bits outside the mask are kept as they are."""
        found = [(number, data[start:end]) for number, start, end in walk(data)]
        if len(found) != 1:
            raise DecodeError(f"expected one key attribute, found {len(found)}")
        number, payload = found[0]
        value, mask = _split(FlowKey.type_of(number), payload)
        self = cls.__new__(cls)
        self.key = FlowKey.of_kept({number: value})
        self.mask = FlowMask.of_kept({number: mask})
        return self

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Read both halves where they stand; those of a nest are mixed."""
        ((number, first, last),) = source.attributes(start, end)
        type_ = FlowKey.type_of(number)
        if isinstance(type_, Nested):
            return super().read_in(source, start, end)
        middle = (first + last) // 2
        key, mask = type_.read_in(source, first, middle), type_.read_in(source, middle, last)
        return source.make(
            cls,
            key=source.make(FlowKey, _kept=f"{{{number}: {key}}}"),
            mask=source.make(FlowMask, _kept=f"{{{number}: {mask}}}"),
        )

    def plain(self) -> Plain:
        """The attribute by its name, in key and mask, with the fields that are set."""
        key, mask = self.key.plain_pair(self.mask)
        return {"key": key, "mask": mask}

    def show(self, style: Style) -> str:
        """Return ``set(attribute(…))`` with the fields that are set."""
        return f"set({self.key.show_masked(self.mask)})"


def _single(key: FlowKey, action: str) -> None:
    if not isinstance(key, FlowKey) or len(key) != 1:
        raise EncodeError(f"expected a FlowKey with one attribute, not {brief(key)}", action)


def _without_empty_policy(tunnel: Tunnel) -> Tunnel:
    """Return `tunnel` without a VXLAN policy of no bits, which says nothing; the C tool does not send it."""
    vxlan = tunnel.vxlan
    says_nothing = vxlan is not None and len(vxlan) == 1 and vxlan.gbp is not None and vxlan.gbp.is_zero()
    return tunnel.replace(vxlan=None) if says_nothing else tunnel


def _same_attributes(key: N, mask: N) -> N:
    """Return `mask` with just the attributes of `key`, also within nests."""
    kept = {}
    for number, value in key.kept():
        type_ = key.type_of(number)
        bits = mask.get_kept(number)
        if bits is None:
            bits = type_.zero(value)
        kept[number] = _same_attributes(value, bits) if isinstance(type_, Nested) else bits
    return mask.of_kept(kept)


def _join(type_: AttrType[Any], value: Any, mask: Any) -> bytes:
    """Return a value's bytes and a mask's; in a nest, each attribute's by itself."""
    if not isinstance(type_, Nested):
        return type_.encode(value) + type_.encode(mask)
    return b"".join(
        [
            attribute(number, _join(value.type_of(number), kept, mask.get_kept(number)))
            for number, kept in value.kept()
        ]
    )


def _split(type_: AttrType[Any], data: bytes) -> tuple[Any, Any]:
    """Undo `_join`."""
    if isinstance(type_, Nested):
        cls = type_.nest
        parts = [(number, *_split(cls.type_of(number), data[start:end])) for number, start, end in walk(data)]
        return (
            cls.of_kept({number: value for number, value, _ in parts}),
            cls.of_kept({number: mask for number, _, mask in parts}),
        )
    middle = len(data) // 2
    if len(data) % 2:
        raise DecodeError(f"{len(data)} bytes are not a value and a mask of one length")
    return type_.decode(data[:middle]), type_.decode(data[middle:])
