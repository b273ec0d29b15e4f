"""What every action has in common, and the list of actions.

One class for each action on the wire, with four methods: `payload` and `from_payload` for the wire, `show` and
`scan` for the text. A subclass registers itself by naming its number and the word that its text starts with;
there is no other table. `Actions` is the list: it finds the class by number or word, and keeps an action of a
newer kernel byte for byte as `Unknown`.

Actions are immutable values. Their slots are their identity: equality, hash and ``repr`` follow from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from dpif.errors import DecodeError, EncodeError
from dpif.netlink.attributes import attribute, walk
from dpif.odp.attrs import PLAIN, Style
from dpif.odp.constants import ActionAttr
from dpif.odp.scanner import Scanner


class Action:
    """One action. Subclasses give ``number`` and ``word``, ``__slots__`` and ``__init__``, and the four methods.

    ``word`` is what the text starts with, up to the opening parenthesis where there is one.
    """

    __slots__: tuple[str, ...] = ()

    number: ClassVar[int] = 0
    word: ClassVar[str] = ""
    by_number: ClassVar[dict[int, type[Action]]] = {}
    by_word: ClassVar[dict[str, type[Action]]] = {}

    def __init_subclass__(cls, *, number: int | None = None, word: str | None = None) -> None:
        if number is not None:
            cls.number = number
            Action.by_number[number] = cls
        if word is not None:
            cls.word = word
            Action.by_word[word] = cls

    def payload(self) -> bytes:
        """Return the payload of the action's attribute."""
        raise NotImplementedError

    @classmethod
    def from_payload(cls, data: bytes) -> Action:
        """Decode a payload; raise `DecodeError`."""
        raise NotImplementedError

    def show(self, style: Style) -> str:
        """Return the whole text of the action."""
        raise NotImplementedError

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take what follows the word, the parentheses included."""
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        """Return the action as an attribute."""
        return attribute(self.number, self.payload())

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Action) and type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __str__(self) -> str:
        return self.show(PLAIN)

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in zip(self.__slots__, self._values(), strict=True))
        return f"{type(self).__name__}({', '.join(shown)})"


class Unknown(Action):
    """An action that this library does not know, kept byte for byte."""

    __slots__ = ("data", "type")

    def __init__(self, type: int, data: bytes) -> None:
        self.type = type
        self.data = data

    def payload(self) -> bytes:
        """Return the bytes."""
        return self.data

    def to_bytes(self) -> bytes:
        """Return the attribute that was decoded."""
        return attribute(self.type, self.data)

    def show(self, style: Style) -> str:
        """Show number and bytes as Open vSwitch shows an action that it does not know."""
        return f"action{self.type}({self.data.hex(' ')})" if self.data else f"action{self.type}"


class Actions(tuple[Action, ...]):
    """An immutable list of actions; an empty one drops the packet."""

    __slots__ = ()

    def __new__(cls, actions: Iterable[Action] = ()) -> Self:
        """Make one of action values."""
        self = super().__new__(cls, actions)
        for action in self:
            if not isinstance(action, Action):
                raise EncodeError(f"expected actions, not {action!r}")
        return self

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """Decode attributes; raise `DecodeError` with path and offset."""
        return cls([_decode(number, bytes(data[start:end]), start) for number, start, end in walk(data)])

    def to_bytes(self) -> bytes:
        """Encode the actions, in order."""
        return b"".join([action.to_bytes() for action in self])

    def format(self, *, verbose: bool = False, port_names: Mapping[int, str] | None = None) -> str:
        """Return the text as ``ovs-dpctl`` prints it (format_odp_actions); ``drop`` when empty."""
        return self.show(Style(verbose, port_names))

    def show(self, style: Style) -> str:
        """Return the text in `style`."""
        return ",".join([action.show(style) for action in self]) or "drop"

    @classmethod
    def scan(cls, scanner: Scanner) -> Self:
        """Take actions up to a closing parenthesis, which is left, or the end of the text."""
        scanner.enter()
        actions: list[Action] = []
        while True:
            scanner.skip_separators()
            if scanner.at_end or scanner.looking_at(")"):
                break
            actions.append(_scan_one(scanner))
        scanner.leave()
        return cls(actions)

    def __str__(self) -> str:
        return self.show(PLAIN)

    def __repr__(self) -> str:
        return f"<Actions {self}>"


def _decode(number: int, data: bytes, start: int) -> Action:
    cls = Action.by_number.get(number)
    if cls is None:
        return Unknown(number, data)
    try:
        return cls.from_payload(data)
    except DecodeError as error:
        raise error.within(ActionAttr(number).name, start) from None


def _scan_one(scanner: Scanner) -> Action:
    if scanner.text[scanner.position].isdigit():
        return Action.by_number[ActionAttr.OUTPUT].scan(scanner)
    start = scanner.position
    word = scanner.word("an action such as a port number or push_vlan(vid=1,pcp=0)")
    cls = Action.by_word.get(word)
    if cls is None:
        scanner.unknown(word, Action.by_word, "action", start)
    return cls.scan(scanner)


def parse_actions(text: str, port_names: Mapping[str, int] | None = None) -> Actions:
    """Return the actions of a text; ``drop`` and the empty text are the empty list. Raise `ParseError`."""
    if text.strip().lower() == "drop":
        return Actions()
    scanner = Scanner(text, port_names)
    actions = Actions.scan(scanner)
    if not scanner.at_end:
        scanner.fail("unbalanced ')'")
    return actions
