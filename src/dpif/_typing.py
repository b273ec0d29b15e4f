"""What this library takes from `typing`, without loading it: no other module costs a short command line as much.

Modules import these names from here, and type checkers read what stands under ``TYPE_CHECKING``: the real ones. While
the program runs most of them only have to stand in annotations, be subscribed, or be a base without any members of
its own; only `NamedTuple` does something. From Python 3.14 on, which keeps annotations apart from what a class body
sees, the real ones are taken. This module imports nothing of dpif.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False

if TYPE_CHECKING or sys.version_info >= (3, 14):
    from typing import (
        Any,
        BinaryIO,
        ClassVar,
        Final,
        Generic,
        Literal,
        NamedTuple,
        NoReturn,
        Protocol,
        Self,
        TextIO,
        TypeAlias,
        TypeVar,
        dataclass_transform,
        overload,
    )
else:
    from types import GenericAlias

    Any = BinaryIO = NoReturn = Self = TextIO = TypeAlias = object

    class _Subscribed:
        """What may have types behind it in brackets, which mean nothing here."""

        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)

    class ClassVar(_Subscribed):
        """Stands in annotations."""

    class Final(_Subscribed):
        """Stands in annotations."""

    class Literal(_Subscribed):
        """Stands in annotations."""

    class Generic(_Subscribed):
        """A base that adds nothing."""

        __slots__ = ()

    class Protocol(_Subscribed):
        """A base that adds nothing."""

        __slots__ = ()

    def TypeVar(name, *constraints, **options):  # noqa: N802
        """Return what may stand for a type in annotations."""
        return object

    def overload(function):
        """Return `function`, which the next definition of its name replaces."""
        return function

    def dataclass_transform(**options):
        """Return a decorator that changes nothing."""
        return lambda decorated: decorated

    class _NamedTupleType(type):
        """Makes of a class body a named tuple, with the methods that are there."""

        def __new__(cls, name, bases, body):
            from collections import namedtuple  # the shortest command lines do without

            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for member, value in body.items():
                if member not in fields and member not in ("__module__", "__qualname__"):
                    setattr(made, member, value)
            for field, annotation in fields.items():
                getattr(made, field).__doc__ = annotation  # for pydoc, in place of "Alias for field number 0"
            made.__qualname__ = body["__qualname__"]
            if len(bases) > 1:
                made.__class_getitem__ = classmethod(GenericAlias)
            return made

    NamedTuple = type.__new__(_NamedTupleType, "NamedTuple", (), {})

__all__ = [
    "TYPE_CHECKING",
    "Any",
    "BinaryIO",
    "ClassVar",
    "Final",
    "Generic",
    "Literal",
    "NamedTuple",
    "NoReturn",
    "Protocol",
    "Self",
    "TextIO",
    "TypeAlias",
    "TypeVar",
    "dataclass_transform",
    "overload",
]
