"""What an attribute is, in words made of its description: for ``pydoc`` and for the manual, which must not differ."""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Any, NamedTuple
from dpif.odp.model.attrs import AttrType, Empty, Opaque, Scalar, Structure
from dpif.odp.model.nest import Attr, Nested

if TYPE_CHECKING:
    from dpif.odp.model.kinds import Kind

__all__ = ["Description", "describe"]

_ANY = "…"


class Description(NamedTuple):
    """Of an attribute: the Python type of its ``value``, its ``fields``, its ``mask``, and its ``text``.

    ``fields`` are names and types of those that a structure has.
    """

    value: str
    fields: tuple[tuple[str, str], ...]
    mask: str
    text: str

    def __str__(self) -> str:
        """Return all of it in a line."""
        fields = f" ({', '.join([f'{name}: {type_}' for name, type_ in self.fields])})" if self.fields else ""
        return f"{self.value}{fields}, or None; as text {self.text}; {self.mask}."


def describe(attribute: Attr[Any]) -> Description:
    """Return the description of an attribute of a nest, such as ``FlowKey.ipv4``."""
    type_ = attribute.type
    return Description(_value_of(type_), _fields_of(type_), _mask_of(type_), _text_of(attribute))


def _fields_of(type_: AttrType[Any]) -> tuple[tuple[str, str], ...]:
    if not isinstance(type_, Structure):
        return ()
    return tuple([(field.name, _type_of(field.kind)) for field in type_.cls.FIELDS])


def _value_of(type_: AttrType[Any]) -> str:
    if isinstance(type_, Structure):
        return type_.cls.__name__
    if isinstance(type_, Nested):
        return type_.nest.__name__
    if isinstance(type_, Scalar):
        bits = 8 * type_.kind.size
        name = _type_of(type_.kind)
        return f"{name} of {bits} bits" if name == "int" else name
    plain = {Opaque: "bytes", Empty: "bool"}.get(type(type_))
    return plain or type(type_).__name__


def _type_of(kind: Kind[Any]) -> str:
    return type(kind.value(kind.zero)).__name__


def _mask_of(type_: AttrType[Any]) -> str:
    if isinstance(type_, Scalar) and not type_.maskable:
        return "matched as a whole, or not at all"
    if isinstance(type_, Structure):
        return "each field has a mask of its type"
    if isinstance(type_, Nested):
        return "each attribute within has a mask"
    if isinstance(type_, Empty):
        return "it is there, or it is not"
    return "its mask has the same type"


def _text_of(attribute: Attr[Any]) -> str:
    if not attribute.told:
        return "none"
    name, type_ = attribute.text_name, attribute.type
    if isinstance(type_, Structure):
        inside = ",".join([f"{field.text_name}={_ANY}" for field in type_.cls.TEXT])
        return f"{name}({inside})"
    return name if isinstance(type_, Empty) else f"{name}({_ANY})"
