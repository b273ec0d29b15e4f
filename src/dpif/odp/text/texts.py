"""Texts that are lists of elements, to bytes: by a form of the whole text, or element by element.

Most lists of a file are like others of it. An element that was there before is remembered by its text, one that is
like another is read by its form. Where a list has many elements that are new, as in a file in which no flow has a
value of another, and others like it were there, the whole list gets a form: one function reads all its values.
"""

from __future__ import annotations

from collections.abc import Callable

from dpif._typing import Final, NamedTuple
from dpif.odp.text.form import Element, Form
from dpif.odp.text.parts import Parts, size_of
from dpif.odp.text.pieces import Cursor, UnusualError, skeleton, split
from dpif.odp.text.reading import FAULTS

MAX_REMEMBERED: Final = 4096
"""Elements that are remembered by their texts at a time."""
MAX_FORMS: Final = 1024
"""Skeletons of elements whose forms are remembered at a time."""
MAX_WHOLE: Final = 1024
"""Skeletons of whole lists whose forms are remembered at a time."""
MAX_OF_A_SKELETON: Final = 16
"""Forms whose texts differ in digits alone, as where these say how long something is."""
SO_MANY_ARE_NEW: Final = 2
"""Elements that must be new in a list that is worth a form."""
SO_MANY_ALIKE: Final = 4
"""Lists like it that must have been there before: to make the form takes as long as it saves in ten."""


class Plan(NamedTuple):
    """What an element or a whole list is made of; ``head`` is how many bytes come before those of the mask."""

    parts: Parts
    head: int
    number: int = 0

    @classmethod
    def of(cls, key: Parts, mask: Parts = [], number: int = 0) -> Plan:  # noqa: B006
        """Return the plan of a key and a mask."""
        return cls([*key, *mask], size_of(key), number)


class Forms:
    """Forms by the skeletons of their texts; ``plan`` makes of a text what it consists of."""

    def __init__(self, plan: Callable[[Cursor], Plan], most: int) -> None:
        self._plan = plan
        self._most = most
        self._forms: dict[bytes, list[Form | None]] = {}  # None where no form could be made

    def of(self, key: bytes) -> list[Form | None]:
        """Return the forms of the texts with this skeleton."""
        return self._forms.get(key) or []

    def has_room(self, key: bytes) -> bool:
        """Tell whether there may be another form for this skeleton."""
        return len(self.of(key)) < MAX_OF_A_SKELETON

    def read(self, text: bytes, key: bytes) -> Element | None:
        """Return what a text means; None where there is no form that it fits. `key` is the skeleton."""
        forms = self._forms.get(key)
        if not forms:
            return None
        try:
            pieces = split(text)
        except ValueError:
            return None
        for form in forms:
            if form is not None and (found := form.read(pieces)) is not None:
                return found
        return None

    def learn(self, text: bytes, key: bytes) -> Element | None:
        """Make a form of a text that fits none; return what it means, None where no form can be made of it."""
        forms = self._forms.get(key)
        if forms is None:
            if len(self._forms) >= self._most:
                self._forms.clear()
            forms = self._forms[key] = []
        if not self.has_room(key):
            return None
        form = self._made(text)
        forms.append(form)
        return None if form is None else form.read(split(text))

    def _made(self, text: bytes) -> Form | None:
        """Return the form of a text, which must be read by it itself."""
        try:
            cursor = Cursor(text)
            plan = self._plan(cursor)
            if cursor.at < len(cursor.pieces):
                return None
            form = Form(cursor, plan.parts, plan.head, plan.number)
        except (UnusualError, IndexError, *FAULTS):
            return None
        return form if form.read(cursor.pieces) is not None else None


class Elements(dict[bytes, Element]):
    """Elements by their texts; one that is missing is read by its form, or else the slow way.

    The texts are cut off before `end`, with which all of them end.
    """

    def __init__(self, plan: Callable[[Cursor], Plan], read_slowly: Callable[[bytes], Element], end: bytes) -> None:
        self._end = end
        self.forms = Forms(plan, MAX_FORMS)
        self._read_slowly = read_slowly
        self.misses = 0

    def __missing__(self, text: bytes) -> Element:
        self.misses += 1
        whole = text + self._end
        key = skeleton(whole)
        element = self.forms.read(whole, key) or self.forms.learn(whole, key) or self._read_slowly(whole)
        if len(self) >= MAX_REMEMBERED:
            self.clear()
        self[text] = element
        return element


class Texts:
    """Lists of elements.

    ``cut`` returns the elements of a list, without the ``end`` that all have; it and ``read_slowly``, for an element
    of which no form can be made, raise `UnusualError` for what is none.
    """

    def __init__(
        self,
        cut: Callable[[bytes], list[bytes]],
        plan: Callable[[Cursor], Plan],
        plan_element: Callable[[Cursor], Plan],
        read_slowly: Callable[[bytes], Element],
        end: bytes,
    ) -> None:
        self._cut = cut
        self.whole = Forms(plan, MAX_WHOLE)
        self.elements = Elements(plan_element, read_slowly, end)
        self._alike: dict[bytes, int] = {}

    def read(self, text: bytes) -> list[Element] | None:
        """Return the elements, or one for all of them; None where the slow way must be asked."""
        key = skeleton(text)
        whole = self.whole.read(text, key)
        if whole is not None:
            return [whole]
        misses = self.elements.misses
        try:
            elements = [self.elements[element] for element in self._cut(text)]
        except UnusualError:
            return None
        if self.elements.misses - misses >= SO_MANY_ARE_NEW:
            self._count(text, key)
        return elements

    def _count(self, text: bytes, key: bytes) -> None:
        """Note a list that is worth a form, and make one where there were more like it."""
        if len(self._alike) >= MAX_REMEMBERED:
            self._alike.clear()
        self._alike[key] = alike = self._alike.get(key, 0) + 1
        if alike > SO_MANY_ALIKE:
            self.whole.learn(text, key)
