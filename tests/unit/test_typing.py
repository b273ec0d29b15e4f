"""What stands in for `typing` behaves, where it does anything, as the real thing does."""

from __future__ import annotations

import pydoc
import sys
import typing

import pytest

import dpif
from dpif import _typing
from dpif._typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


def named_tuple(base: typing.Any) -> typing.Any:
    class Row(base):
        """A row."""

        name: str
        number: int = 7

        LONGEST = 3

        @property
        def shown(self) -> str:
            """Name and number."""
            return f"{self.name} {self.number}"

        @classmethod
        def of(cls, name: str) -> typing.Any:
            return cls(name, 1)

    return Row


@pytest.fixture(params=["stand-in", "typing"])
def row(request: pytest.FixtureRequest) -> typing.Any:
    return named_tuple(NamedTuple if request.param == "stand-in" else typing.NamedTuple)


def test_a_named_tuple(row: typing.Any) -> None:
    made = row("a")
    assert (made, made.shown, row.of("b").number, row.LONGEST) == (("a", 7), "a 7", 1, 3)
    assert made._replace(number=8) == row(name="a", number=8)
    assert (made._asdict(), row._fields, row._field_defaults) == (
        {"name": "a", "number": 7},
        ("name", "number"),
        {"number": 7},
    )
    assert (row.__doc__, row.__module__, row.__name__) == ("A row.", __name__, "Row")
    assert row.__qualname__ == "named_tuple.<locals>.Row"
    assert not hasattr(made, "__dict__")
    with pytest.raises(TypeError):
        row()


def test_a_named_tuple_of_something() -> None:
    class Pair(NamedTuple, Generic[T]):
        first: T
        second: T

    made = Pair[int](1, 2)
    assert made == (1, 2)
    assert type(made) is Pair


def test_a_generic_class_with_slots() -> None:
    class Holder(Generic[T]):
        __slots__ = ("held",)

    assert not hasattr(Holder[int](), "__dict__")


def test_it_has_the_names_that_it_offers() -> None:
    assert all(hasattr(_typing, name) and hasattr(typing, name) for name in _typing.__all__)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the named tuples are those of typing")
def test_pydoc_tells_the_types_of_fields() -> None:
    told = pydoc.plain(pydoc.render_doc(dpif.Stats))
    assert "Alias for field number" not in told
    assert " |  masks\n |      int | None\n" in told
