"""When templates are made: of what has come often enough that it pays.

`Learned` has the templates for messages that have something in common, `ActionLists` those for lists of actions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dpif._typing import Any, Final
from dpif.odp.lines.actions import ActionWriter
from dpif.odp.lines.templates import Shape, Template

FREQUENT: Final = 24
"""So many had no template before one is made: it takes as long as writers do for some forty."""
MAX_ALIKE: Final = 8
"""So many shapes may have in common what messages are looked up by; each may have to be tried, and more have none."""
MAX_KNOWN: Final = 2048
"""So much is known at a time that messages have in common; more, and what has no template is forgotten."""
_SAMPLES: Final = 4
"""Messages that are kept until there is a template, to tell what changes."""


class Learned:
    """The templates of messages that have something in common, such as their length and mask."""

    __slots__ = ("_met", "_samples", "_shapes", "templates")

    def __init__(self) -> None:
        self.templates: list[Template] = []
        self._shapes: list[Shape] = []
        self._samples: list[bytes] = []
        self._met = 0

    def write(self, message: bytes) -> str:
        """Return the line of a message by the template that fits it, the empty text if none does."""
        for template in self.templates:
            line = template(message)
            if line:
                return line
        return ""

    def note(self, message: bytes, shape_of: Callable[[bytes], Shape]) -> bool:
        """Take a message that had no template; tell whether there is one now for it, or for what came before it."""
        for index, shape in enumerate(self._shapes):
            if shape.includes(message) and not shape.is_whole:
                self.templates[index] = shape.template_for([message])
                return True
        if len(self._shapes) == MAX_ALIKE:
            return False
        self._met += 1
        if self._met * _SAMPLES % FREQUENT < _SAMPLES:
            self._samples.append(message)
        if self._met < FREQUENT:
            return False
        shape = shape_of(message)
        self._shapes.append(shape)
        self.templates.append(shape.template_for([one for one in self._samples if shape.includes(one)]))
        self._met = 0
        self._samples.clear()
        return True


class Known(dict[Any, Learned]):
    """What is learnt, by what messages have in common; of too much, what has no template is forgotten."""

    def __missing__(self, common: Any) -> Learned:
        if len(self) >= MAX_KNOWN:
            for one in [one for one, learned in self.items() if not learned.templates]:
                del self[one]
        learned = self[common] = Learned()
        return learned


class ActionLists:
    """Writes lists of actions, those that are like many before by templates."""

    def __init__(self, writer: ActionWriter) -> None:
        self._writer = writer
        self._known = Known()

    def write(self, actions: bytes) -> str:
        """Return the text of a list; raise `Unusual`."""
        known = self._known.get((len(actions), actions[:4]))  # as long as this one, with the same action first
        text = known.write(actions) if known is not None else ""
        return text or self._write_anew(actions)

    def write_all(self, lists: Sequence[bytes]) -> list[str]:
        """Return the texts of lists that all have one length; the empty one for those that are left to `write`.

        A template takes all of them at once, for it tells by itself which are its own.
        """
        texts = [""] * len(lists)
        left = list(range(len(lists)))
        tried: set[bytes] = set()
        while left and (first := lists[left[0]][:4]) not in tried:
            tried.add(first)
            known = self._known.get((len(lists[0]), first))
            for template in known.templates if known is not None else ():
                for index, text in zip(left, [template(lists[index]) for index in left], strict=True):
                    texts[index] = text
                left = [index for index in left if not texts[index]]
        return texts

    def _write_anew(self, actions: bytes) -> str:
        text = self._writer.write(actions, 0, len(actions))
        self._known[len(actions), actions[:4]].note(actions, self._shape_of)
        return text

    def _shape_of(self, actions: bytes) -> Shape:
        from dpif.odp.lines.action_pieces import shape_of  # who has none that are frequent does not pay for it

        return shape_of(actions, self._writer)
