"""A cursor over the text of a flow: takes tokens, and says where it stands when something is wrong.

Each token is taken by one anchored regular expression and the cursor never moves back, so that scanning is
linear in the length of the text. It knows characters and numbers; what they mean is for its callers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, NoReturn
from dpif.errors import ParseError

if TYPE_CHECKING:
    from re import Pattern

_SEPARATORS = pattern(r"[ \t\r\n,]*+")
_ENDS = " \t\r\n,)"
_DIGITS = {
    0: pattern(r"0[xX][0-9a-fA-F]++|0[0-7]*+|[1-9][0-9]*+"),
    10: pattern(r"0[xX][0-9a-fA-F]++|[0-9]++"),
    16: pattern(r"0[xX][0-9a-fA-F]++|[0-9a-fA-F]++"),
}
_BASES = {0: "decimal, 0x hexadecimal or 0 octal", 10: "decimal or 0x hexadecimal", 16: "hexadecimal"}
_TOKEN = pattern(r"[^(),/ \t\r\n]++")
_PORT_NAME = pattern(r"[^(),/ \t\r\n]++(?![^,) \t\r\n])")
_PORT_NUMBER = pattern(r"0[xX][0-9a-fA-F]++|[0-9]++")
_WORD = pattern(r"[A-Za-z_][A-Za-z0-9_]*+")
_LONGEST_NAME = 40
"""No name that could be meant is longer; comparing names takes longer than reading them."""


class Scanner:
    """A text, a position in it, and the port names that may stand for numbers in it."""

    __slots__ = ("depth", "port_names", "position", "text")

    def __init__(self, text: str, port_names: Mapping[str, int] | None = None) -> None:
        self.text = text
        self.position = 0
        self.depth = 0
        self.port_names = {} if port_names is None else port_names

    @property
    def at_end(self) -> bool:
        """True when the whole text was taken."""
        return self.position >= len(self.text)

    def fail(self, reason: str, hint: str = "", position: int | None = None) -> NoReturn:
        """Raise a `ParseError` at `position` (by default the present one)."""
        raise ParseError(reason, self.text, self.position if position is None else position, hint)

    def found(self) -> str:
        """Return what stands at the cursor, in words, for an error message."""
        rest = self.text[self.position : self.position + 20]
        if not rest:
            return "the end of the text"
        word = _WORD.match(rest)
        return repr(word.group() if word else rest[0])

    def looking_at(self, literal: str) -> bool:
        """Tell whether `literal` comes next, without taking it."""
        return self.text.startswith(literal, self.position)

    def take(self, literal: str) -> bool:
        """Take `literal` if it comes next, and tell whether it did."""
        if self.text.startswith(literal, self.position):
            self.position += len(literal)
            return True
        return False

    def expect(self, literal: str) -> None:
        """Take `literal`, which must come next."""
        if not self.take(literal):
            self.fail(f"expected {literal!r}, found {self.found()}")

    def expect_ahead(self, literal: str) -> None:
        """Check that `literal` comes next, without taking it."""
        if not self.looking_at(literal):
            self.expect(literal)

    def expect_end_of(self, what: str) -> None:
        """Check that one of a list ends here: at a separator, a closing parenthesis or the end of the text."""
        if not self.at_end and self.text[self.position] not in _ENDS:
            self.fail(f"expected ',' behind {what}, found {self.found()}")

    def match(self, pattern: Pattern[str]) -> str | None:
        """Take what `pattern` matches here and return it, or return None."""
        match = pattern.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return match.group()

    def require(self, pattern: Pattern[str], what: str) -> str:
        """Take what `pattern` matches here; `what` says in an error message what was expected."""
        taken = self.match(pattern)
        if taken is None:
            self.fail(f"expected {what}, found {self.found()}")
        return taken

    def skip_separators(self) -> None:
        """Take the spaces and commas that may stand between the elements of a list."""
        match = _SEPARATORS.match(self.text, self.position)
        if match is not None:
            self.position = match.end()

    def word(self, what: str = "a name") -> str:
        """Take a word of letters, digits and underscores."""
        return self.require(_WORD, what)

    def integer(self, maximum: int, what: str = "a number", base: int = 0) -> int:
        """Take an unsigned integer, at most `maximum`.

        Base 0 reads it as C's ``%i`` does (decimal, 0x hexadecimal, 0 octal), base 10 as ``%u`` (decimal, and 0x
        hexadecimal all the same), base 16 as ``%x`` (hexadecimal with or without 0x).
        """
        start = self.position
        token = self.require(_DIGITS[base], what)
        if base == 16 or token[:2] in ("0x", "0X"):
            value = int(token, 16)
        elif base == 0 and token[0] == "0":
            value = int(token, 8)
        elif len(token) > 40:  # longer than any field: do not pay for the quadratic conversion
            self.fail("the number is too large", f"at most {maximum}", start)
        else:
            value = int(token)
        if value > maximum:
            self.fail(f"{token[:_LONGEST_NAME]} is too large", f"at most {maximum:#x}", start)
        if not self.at_end and (self.text[self.position].isalnum() or self.text[self.position] == "_"):
            self._no_number(what, base, start)
        return value

    def _no_number(self, what: str, base: int, start: int) -> NoReturn:
        self.position = start
        token = (self.match(_TOKEN) or "")[:_LONGEST_NAME]
        self.fail(f"expected {what}, found {token!r}", _BASES[base], start)

    def known_port(self) -> str:
        """Return the known port name that comes next, without taking it; empty when none does."""
        match = _PORT_NAME.match(self.text, self.position)
        if match is None or _PORT_NUMBER.fullmatch(match.group()):
            return ""
        return match.group() if match.group() in self.port_names else ""

    def at_digit(self) -> bool:
        """Tell whether a digit comes next."""
        return self.text[self.position : self.position + 1].isdigit()

    def port(self) -> int:
        """Take a port number, or the name of a known port."""
        name = self.known_port()
        if name:
            self.position += len(name)
            return self.port_names[name]
        if not self.at_digit():
            self._no_port()
        return self.integer(0xFFFFFFFF, "a port number")

    def _no_port(self) -> NoReturn:
        start = self.position
        word = self.match(_TOKEN)
        if word in self.port_names:
            self.fail(f"expected ',' or ')' behind a port name, found {self.found()}")
        if word and self.port_names:
            self.unknown(word, self.port_names, "port", start)
        self.position = start
        self.fail(f"expected a port number, found {self.found()}", "port names are not known here" if word else "")

    def unknown(self, name: str, possible: Iterable[str], what: str, position: int, otherwise: str = "") -> NoReturn:
        """Raise for `name`, which is none of the `possible` ones; suggest the closest, or say `otherwise`."""
        from dpif.odp.model.spelling import closest  # for a mistake alone

        names = sorted(possible)
        shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        close = closest(name[:_LONGEST_NAME].lower(), names)
        hint = f"did you mean {close!r}?" if close else otherwise or f"one of: {', '.join(names)}"
        self.fail(f"unknown {what} {shown!r}", hint, position)

    def enter(self, deepest: int) -> None:
        """Note that something starts that may hold its like; deeper in one another than `deepest` is an error."""
        self.depth += 1
        if self.depth > deepest:
            self.fail(f"nested more than {deepest} levels deep")

    def leave(self) -> None:
        """Note that it ended."""
        self.depth -= 1
