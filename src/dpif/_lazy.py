"""What is loaded, or made, when it is first used: modules (`load`), the names of a package, regular expressions.

A package offers the names of its modules without paying for them (PEP 562): ``import dpif.netlink`` reads one file.
The package lists each name and the module that defines it, and ends with::

    __getattr__, __dir__ = lazy(__name__, {"Connection": "connection", ...})

The same names stand under ``if TYPE_CHECKING:`` for type checkers. A module that reads text has its regular
expressions ready for when there is some; who prints never pays for them. This module imports nothing of dpif that
would bring more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from dpif._typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from re import Pattern
    from types import ModuleType

AnyStr = TypeVar("AnyStr", str, bytes)

__all__ = ["later", "lazy", "load", "pattern"]


def load(module: str) -> ModuleType:
    """Import a module by its whole name: `importlib.import_module`, without importing that."""
    __import__(module)
    return sys.modules[module]


def lazy(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for `package`; `modules` maps each name to its submodule."""

    def getattr_(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(load(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return getattr_, dir_


def later(module: str) -> Any:
    """Return what stands for a module, by its whole name, that is imported when something of it is first used."""
    return _Later(module)


class _Later:
    """Becomes, attribute by attribute, the module."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(load(self._module), name)
        setattr(self, name, value)  # from now on nobody asks here
        return value


def pattern(text: AnyStr) -> Pattern[AnyStr]:
    """Return the regular expression `text`, which is compiled when it is first used."""
    made: Any = _Pattern(text)
    return made  # type: ignore[no-any-return]


class _Pattern:
    """Becomes, attribute by attribute, the compiled pattern."""

    def __init__(self, text: str | bytes) -> None:
        self._text = text

    def __getattr__(self, name: str) -> Any:
        import re

        value = getattr(re.compile(self._text), name)
        setattr(self, name, value)  # from now on nobody asks here
        return value
