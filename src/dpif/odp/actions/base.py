"""What every action has in common, and the list of actions.

One class for each action on the wire, with four methods: `payload` and `from_payload` for the wire, `show` and
`scan` for the text. A subclass registers itself by naming its number and the word that its text starts with;
there is no other table. The modules of some are imported when a number or word is met that is not registered
(`load_all`): most lists do without them. `Actions` is the list: it finds the class by number or word, and keeps an
action of a newer kernel byte for byte as `Unknown`.

Most actions only describe themselves: those of a fixed layout as a `FieldAction`, those that hold attributes as a
`NestAction`. Both take wire and text from their fields or attributes.

Actions are immutable values. Their slots, inherited ones too, are their identity: equality, hash and ``repr`` follow
from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dpif._lazy import pattern
from dpif._typing import TYPE_CHECKING, Any, ClassVar, Self
from dpif.errors import DecodeError, EncodeError, ParseError, brief
from dpif.netlink.attributes import attribute, walk
from dpif.netlink.constants import NLA_TYPE_MASK
from dpif.odp.constants.actions import ActionAttr
from dpif.odp.model.arguments import missing, scan_unmasked, show_argument
from dpif.odp.model.attrs import EXACT, PLAIN, AttrType, Style, scan_bytes
from dpif.odp.model.kinds import Plain
from dpif.odp.model.nest import MAX_DEPTH, Attr, Attributes, nested_decoding
from dpif.odp.model.structs import Record

if TYPE_CHECKING:
    from dpif.odp.model.scanner import Scanner
    from dpif.odp.model.source import Source

MAX_ACTIONS_SIZE = 65535
"""Bytes of a list of actions that a text may make, as for the C tool; an attribute has room for four less."""
_MIN_TEXT_PER_BYTE = 8
"""No action has a text shorter than its bytes divided by this."""
_NUMBERED = pattern(r"action([0-9]{1,5})")
_NO_ACTIONS = pattern(r"[ \t\r\n,]*+(?:(?i:drop)[ \t\r\n,]*+)?(?=\)|$)")
"""All that there is of a list: nothing, or the word for it."""


class Action:
    """One action. Subclasses give ``number`` and ``word``, ``__slots__`` and ``__init__``, and the four methods.

    ``word`` is what the text starts with, up to the opening parenthesis where there is one.
    """

    __slots__: tuple[str, ...] = ()

    number: ClassVar[int] = 0
    word: ClassVar[str] = ""
    by_number: ClassVar[dict[int, type[Action]]] = {}
    """Those that are registered: all of them after `load_all`."""
    by_word: ClassVar[dict[str, type[Action]]] = {}
    """The same, by the words of those that start with one."""
    _slots: ClassVar[tuple[str, ...]] = ()
    """The slots of the class and of those above it."""

    def __init_subclass__(cls, *, number: int | None = None, word: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._slots = tuple([name for base in reversed(cls.__mro__) for name in vars(base).get("__slots__", ())])
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

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Return the expression of what `from_payload` gives for the payload that stands there; see `layouts.py`."""
        return source.call(cls.from_payload, source.octets(start, end))

    def show(self, style: Style) -> str:
        """Return the whole text of the action."""
        raise NotImplementedError

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take what follows the word, the parentheses included."""
        raise NotImplementedError

    def plain(self) -> Plain:
        """Return what the action says in the form that JSON has; its name goes with it in a list."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The name of ``enum ovs_action_attr``, in lower case."""
        return ActionAttr(self.number).name.lower()

    def to_bytes(self) -> bytes:
        """Return the action as an attribute."""
        return attribute(self.number, self.payload())

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self._slots])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Action) and type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __str__(self) -> str:
        return str(Actions((self,)))

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in zip(self._slots, self._values(), strict=True))
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

    def plain(self) -> Plain:
        """Number and bytes."""
        return {"type": self.type, "data": self.data.hex()}

    @property
    def name(self) -> str:
        """The name for all of them."""
        return "unknown"

    def to_bytes(self) -> bytes:
        """Return the attribute that was decoded."""
        return attribute(self.type, self.data)

    def show(self, style: Style) -> str:
        """Show number and bytes as Open vSwitch shows an action that it does not know."""
        return f"action{self.type}({self.data.hex(' ')})" if self.data else f"action{self.type}"


class FieldAction(Record, Action):
    """An action whose payload is a fixed structure: its fields, in the order of the wire.

    The text is ``word(name=value,…)`` in the order of ``TEXT``. A field with a default may be left out of it, and
    is where it has its default. Those that are ``UNTOLD`` stand in exact text alone.
    """

    __slots__ = ()

    UNTOLD: ClassVar[tuple[str, ...]] = ()

    def show(self, style: Style) -> str:
        """Return ``word(name=value,…)``."""
        shown = [
            field.show(self.raw[field.index], None)
            for field in self.TEXT
            if not (field.optional and self.raw[field.index] == field.default)
            and (style.exact or field.name not in self.UNTOLD)
        ]
        return f"{self.word}({','.join(shown)})"

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the fields in parentheses, in any order."""
        scanner.expect("(")
        given = {}
        while not scanner.looking_at(")"):
            field = cls.scan_name(scanner)
            given[field.index] = field.kind.scan(scanner)
            if not scanner.take(","):
                break
        scanner.expect_ahead(")")
        made = cls.of_raw(tuple(given.get(field.index, field.default) for field in cls.FIELDS))
        for field in cls.TEXT:
            if field.index not in given and not field.optional:
                scanner.fail(f"{cls.word} needs {field.text_name}=…", f"as in {made.show(PLAIN)}")
        scanner.expect(")")
        return made


class NestAction(Attributes, Action):
    """An action that holds attributes.

    The text is ``word(argument,…)``, see `arguments.py`, in the order of ``TEXT`` (names; by default that of the
    wire). ``REQUIRED`` names the attributes without which the action means nothing. Those that are ``UNTOLD`` stand
    in exact text alone.
    """

    __slots__ = ()

    TEXT: ClassVar[tuple[str, ...]] = ()
    UNTOLD: ClassVar[tuple[str, ...]] = ()
    REQUIRED: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self._check()
        self._kept = self._in_order(self._kept)

    def _check(self) -> None:
        for name in self.REQUIRED:
            if name not in self:
                raise EncodeError("missing", f"{type(self).__name__}.{name}")

    def replace(self, **changes: object) -> Self:
        """Return a copy with some attributes changed, added or taken out."""
        new = super().replace(**changes)
        new._check()
        new._kept = self._in_order(new._kept)
        return new

    @classmethod
    def _in_order(cls, kept: Mapping[int, Any]) -> dict[int, Any]:
        """Return the attributes in the order of the class, behind them those that it does not know."""
        return {number: kept[number] for number in cls.ATTRS if number in kept} | dict(kept)

    @classmethod
    def from_payload(cls, data: bytes | memoryview) -> Self:
        """Decode attributes; raise `DecodeError` with path and offset."""
        self = super().from_payload(data)
        for name in cls.REQUIRED:
            if name not in self:
                raise DecodeError("missing", cls.attr(name).number.name)
        return self

    def show(self, style: Style) -> str:
        """Return ``word(argument,…)``."""
        return f"{self.word}({','.join(self.show_arguments(style))})"

    def show_arguments(self, style: Style) -> list[str]:
        """Return the arguments that are there."""
        attrs = [self.attr(name) for name in self.TEXT or self._by_name]
        return [
            show_argument(attr, self._kept[attr.number], None, style)
            for attr in attrs
            if attr.number in self._kept and (style.exact or attr.name not in self.UNTOLD)
        ]

    @classmethod
    def scan(cls, scanner: Scanner) -> Action:
        """Take the arguments in parentheses, in any order."""
        scanner.expect("(")
        kept = cls.scan_arguments(scanner)
        scanner.expect(")")
        return cls.of_kept(kept)

    @classmethod
    def scan_arguments(cls, scanner: Scanner) -> dict[int, Any]:
        """Take arguments up to the closing parenthesis, which is left; return kept values."""
        kept: dict[int, Any] = {}
        while True:
            scanner.skip_separators()
            if scanner.at_end or scanner.looking_at(")"):
                break
            start = scanner.position
            number, value = cls.scan_one(scanner)
            if number in kept:
                scanner.fail(f"{cls.ATTRS[number].text_name} is given twice", position=start)
            kept[number] = value
            scanner.expect_end_of("an argument")
        scanner.expect_ahead(")")
        for name in cls.REQUIRED:
            if cls.attr(name).number not in kept:
                missing(scanner, cls.word, cls.attr(name))
        return cls._in_order(kept)

    @classmethod
    def scan_one(cls, scanner: Scanner) -> tuple[int, Any]:
        """Take one argument; return its number and kept value."""
        attr = cls.scan_name(scanner)
        return int(attr.number), scan_unmasked(attr, scanner)

    @classmethod
    def scan_name(cls, scanner: Scanner) -> Attr[Any]:
        """Take the name of an argument."""
        start = scanner.position
        name = scanner.word(f"an argument ({', '.join(cls._by_text_name)})")
        attr = cls._by_text_name.get(name)
        if attr is None:
            scanner.unknown(name, cls._by_text_name, "argument", start)
        return attr


class Actions(tuple[Action, ...]):
    """An immutable list of actions; an empty one drops the packet. It equals its text: ``flow.actions == "drop"``."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return super().__eq__(other)
        try:
            return super().__eq__(parse_actions(other))
        except ParseError:
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = tuple.__hash__

    def __new__(cls, actions: Iterable[Action] = ()) -> Self:
        """Make one of action values."""
        self = super().__new__(cls, actions)
        for action in self:
            if not isinstance(action, Action):
                raise EncodeError(f"expected actions, not {brief(action)}")
        return self

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """Decode attributes; raise `DecodeError` with path and offset."""
        return cls([_decode(number, bytes(data[start:end]), start) for number, start, end in walk(data)])

    @classmethod
    def read_in(cls, source: Source, start: int, end: int) -> str:
        """Return the expression of what `from_bytes` gives for the bytes that stand there; see `layouts.py`."""
        actions = [_read_one(source, *place) for place in source.attributes(start, end)]
        return source.call(tuple.__new__, source.name(cls), f"({''.join(f'{action}, ' for action in actions)})")

    def to_bytes(self) -> bytes:
        """Encode the actions, in order."""
        return b"".join([action.to_bytes() for action in self])

    def plain(self) -> list[dict[str, Plain]]:
        """Return a dict of each action's name and what it says, in the form that JSON has."""
        return [{action.name: action.plain()} for action in self]

    def format(self, *, verbose: bool = False, port_names: Mapping[int, str] | None = None) -> str:
        """Return the text as ``ovs-dpctl`` prints it (format_odp_actions); ``drop`` when empty."""
        return self.show(Style(verbose, port_names))

    def show(self, style: Style) -> str:
        """Return the text in `style`."""
        shown = [_show_exactly(action) for action in self] if style.exact else [action.show(style) for action in self]
        return ",".join(shown) or "drop"

    @classmethod
    def scan(cls, scanner: Scanner) -> Self:
        """Take actions up to a closing parenthesis, which is left, or the end of the text."""
        if scanner.match(_NO_ACTIONS) is not None:
            return cls()
        actions: list[Action] = []
        while True:
            scanner.skip_separators()
            if scanner.at_end or scanner.looking_at(")"):
                break
            scanner.enter(MAX_DEPTH)
            actions.append(_scan_one(scanner))
            scanner.leave()
            scanner.expect_end_of("an action")
        return cls(actions)

    def __str__(self) -> str:
        return self.show(EXACT)

    def __repr__(self) -> str:
        return f"<Actions {self.show(PLAIN)}>"


def _show_exactly(action: Action) -> str:
    """Return the text of an action if it is read as this very action, else its number and bytes."""
    text = action.show(EXACT)
    if isinstance(action, Unknown) or _reads_as(text, action):
        return text
    return Unknown(action.number, action.payload()).show(EXACT)


def _reads_as(text: str, action: Action) -> bool:
    try:
        return parse_actions(text) == (action,)
    except ParseError:
        return False


def load_all() -> type[Action]:
    """Register the actions whose modules are not imported before they are met; return `Action`, which knows them."""
    from dpif.odp.actions import ct, nested, nsh, tunnel_push, userspace  # noqa: F401 - they register themselves

    return Action


def _decode(number: int, data: bytes, start: int) -> Action:
    cls = Action.by_number.get(number) or load_all().by_number.get(number)
    if cls is None:
        return Unknown(number, data)
    try:
        return cls.from_payload(data)
    except DecodeError as error:
        raise error.within(ActionAttr(number).name, start) from None


def _read_one(source: Source, number: int, start: int, end: int) -> str:
    cls = Action.by_number.get(number)
    if cls is None:
        return source.call(Unknown, number, source.octets(start, end))
    return cls.read_in(source, start, end)


def _scan_one(scanner: Scanner) -> Action:
    if scanner.at_digit() or scanner.known_port():
        return Action.by_number[ActionAttr.OUTPUT].scan(scanner)
    start = scanner.position
    word = scanner.word("an action such as a port number or push_vlan(vid=1,pcp=0)")
    cls = Action.by_word.get(word) or load_all().by_word.get(word)
    numbered = _NUMBERED.fullmatch(word) if cls is None else None
    if numbered is not None:
        return _scan_bytes(scanner, int(numbered[1]))
    if word == "output":
        scanner.fail("there is no action 'output'", "an output is written as its port alone", start)
    if cls is None:
        ports = sorted(scanner.port_names)
        otherwise = f"the ports are {', '.join(ports)}" if ports else ""
        scanner.unknown(word, [*Action.by_word, *ports], "action", start, otherwise)
    return cls.scan(scanner)


def _scan_bytes(scanner: Scanner, number: int) -> Action:
    """Take the bytes of action `number`, known or not."""
    start = scanner.position
    data = b""
    if scanner.take("("):
        data = scan_bytes(scanner)
        scanner.expect(")")
    if number > NLA_TYPE_MASK:
        scanner.fail(f"{number} is no number of an action", f"at most {NLA_TYPE_MASK}", start)
    try:
        return _decode(number, data, 0)
    except DecodeError as error:
        scanner.fail(f"these bytes are no action {number}: {error}", position=start)


def parse_actions(text: str, port_names: Mapping[str, int] | None = None) -> Actions:
    """Return the actions of a text; ``drop`` by itself and the empty text are the empty list. Raise `ParseError`.

    Any action may be given by its number and its bytes: ``action99(00 01)``.
    """
    from dpif.odp.model.scanner import Scanner  # who prints never loads it

    scanner = Scanner(text, port_names)
    actions = Actions.scan(scanner)
    if not scanner.at_end:
        scanner.fail("unbalanced ')'")
    if len(text) * _MIN_TEXT_PER_BYTE > MAX_ACTIONS_SIZE:
        _check_size(actions, scanner)
    return actions


def _check_size(actions: Actions, scanner: Scanner) -> None:
    try:
        size = len(actions.to_bytes())
    except EncodeError as error:
        scanner.fail(f"the actions are too long: {error.reason}", position=0)
    if size > MAX_ACTIONS_SIZE:
        scanner.fail(f"the actions are {size} bytes long", f"at most {MAX_ACTIONS_SIZE}", 0)


class ActionList(AttrType[Actions]):
    """Actions within an action; no actions drop the packet, and are written ``drop``."""

    enclosed = True

    def decode(self, data: bytes) -> Actions:
        """Decode every action."""
        with nested_decoding():
            return Actions.from_bytes(data)

    def read_in(self, source: Source, start: int, end: int) -> str:
        """Read every action where it stands."""
        return Actions.read_in(source, start, end)

    def encode(self, kept: Actions) -> bytes:
        """Encode every action."""
        return kept.to_bytes()

    def keep(self, value: object) -> Actions:
        """Accept actions, or one action."""
        if isinstance(value, Action):
            return Actions((value,))
        if not isinstance(value, Iterable):
            raise EncodeError(f"expected actions, not {brief(value)}")
        return Actions(value)

    def plain(self, kept: Actions, mask: None = None, whole: bool = False) -> tuple[Plain, Plain]:
        """A list of the actions."""
        return kept.plain(), None

    def full(self, kept: Actions) -> None:
        """Actions have no mask."""
        return

    def show(self, kept: Actions, mask: None, style: Style) -> str:
        """Return the text of the actions."""
        return kept.show(style)

    def scan(self, scanner: Scanner) -> tuple[Actions, None]:
        """Take actions up to the closing parenthesis."""
        return Actions.scan(scanner), None
