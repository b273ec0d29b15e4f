"""Re-exports that import their module when first used (PEP 562).

A package offers the names of its modules without paying for them: ``import dpif.netlink`` reads one file. The
package lists each name and the module that defines it, and ends with::

    __getattr__, __dir__ = lazy(__name__, {"Connection": "connection", ...})

The same names stand under ``if TYPE_CHECKING:`` for type checkers. This module imports nothing of dpif.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

from dpif._typing import Any

__all__ = ["lazy"]


def lazy(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for `package`; `modules` maps each name to its submodule."""

    def getattr_(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return getattr_, dir_
