"""Argument lists: the text between the parentheses of an action, or of ``tunnel(…)``.

Each attribute of a class is one argument, written as its type asks: ``name=value``, ``name(…)`` for types that
are `enclosed`, and the bare ``name`` for flags. What separates arguments, and which must be there, is for the
caller.
"""

from __future__ import annotations

from dpif._typing import TYPE_CHECKING, Any, NoReturn
from dpif.odp.model.attrs import Empty, Style
from dpif.odp.model.nest import Attr

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner


def show_argument(attr: Attr[Any], kept: Any, mask: Any | None, style: Style) -> str:
    """Return the text of one argument; `mask` None means exact."""
    if isinstance(attr.type, Empty):
        return attr.text_name
    if attr.type.enclosed:
        return attr.type.show_named(attr.text_name, kept, mask, style)
    return f"{attr.text_name}={attr.type.show(kept, mask, style)}"


def scan_argument(attr: Attr[Any], scanner: Scanner) -> tuple[Any, Any]:
    """Take what follows the name of an argument; return value and mask."""
    if isinstance(attr.type, Empty):
        return True, True
    if not attr.type.enclosed:
        scanner.expect("=")
        return attr.type.scan(scanner)
    scanner.expect("(")
    value = attr.type.scan(scanner)
    scanner.expect(")")
    return value


def scan_unmasked(attr: Attr[Any], scanner: Scanner) -> Any:
    """Take what follows the name of an argument that is no match and so takes no mask."""
    start = scanner.position
    value, mask = scan_argument(attr, scanner)
    if mask != attr.type.full(value):
        scanner.fail(f"{attr.text_name} takes no mask here", position=start)
    return value


def missing(scanner: Scanner, word: str, attr: Attr[Any]) -> NoReturn:
    """Raise for an argument that must be given and was not."""
    form = "(…)" if attr.type.enclosed else "=…"
    scanner.fail(f"{word} needs {attr.text_name}{form}")
