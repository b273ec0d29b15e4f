"""Which flows get a template: those whose length and mask are frequent.

`LinesByShape` looks a message's template up by its length and mask, and has writers make the line where there is none
or where it does not fit. It counts these, and when they are many it learns their shape (`shapes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dpif._typing import Final
from dpif.odp.lines.flows import FlowWriter
from dpif.odp.lines.keys import Unusual
from dpif.odp.lines.shapes import Pieces
from dpif.odp.lines.templates import Shape, Template
from dpif.odp.model.attrs import Style

FREQUENT: Final = 32
"""A shape is learnt when so many flows have had its length and mask, and no template; fewer cost less without."""
MAX_SHAPES: Final = 1024
"""More shapes than this have no templates: then it is not shapes that the flows share."""
MAX_ALIKE: Final = 8
"""So many shapes may have length and mask in common; each may have to be tried, and more have no templates."""
MAX_COUNTED: Final = 8192
"""Lengths and masks that are counted at a time; more, and all counts start anew."""


class LinesByShape:
    """Lines of flow messages in one style; `slowly` makes what is `Unusual`."""

    def __init__(self, style: Style, now: Callable[[], int], slowly: Callable[[bytes], Iterable[str]]) -> None:
        self._now = now
        self._slowly = slowly
        self._writer = FlowWriter(style, now)
        # By the length of a message: the places where masks stand, for each the templates by the mask there.
        self._templates: dict[int, list[tuple[slice, dict[bytes, Template]]]] = {}
        self._alike: dict[tuple[int, int, bytes], _Alike] = {}
        self._counts: dict[int, int] = {}
        self._shapes = 0

    def lines(self, payloads: Iterable[bytes]) -> list[str]:
        """Return the lines of messages that came together."""
        lines: list[str] = []
        templates_of = self._templates.get
        for payload in payloads:
            try:
                for place, templates in templates_of(len(payload), ()):
                    line = templates.get(payload[place], _no_line)(payload)
                    if line:
                        lines.append(line)
                        break
                else:
                    lines.append(self._writer.line(payload))
                    self._count(payload)
            except Unusual:
                lines += self._slowly(payload)
        return lines

    def _count(self, payload: bytes) -> None:
        """Note that a message had no template; learn its shape when that is frequent."""
        mask = self._writer.mask
        common = (len(payload), mask.start, payload[mask])
        alike = self._alike.get(common)
        if alike is not None and alike.widen(payload):
            self._use(alike, mask, payload)
            return
        key = hash(common)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if len(self._counts) > MAX_COUNTED:
            self._counts.clear()
        if count % FREQUENT == 0 and self._shapes < MAX_SHAPES and (alike is None or len(alike) < MAX_ALIKE):
            self._shapes += 1
            alike = self._alike.setdefault(common, _Alike())
            alike[Pieces(payload, self._now, self._writer).shape()] = _no_line

    def _use(self, alike: _Alike, mask: slice, payload: bytes) -> None:
        """Have later messages of this length and mask go by the template of these shapes."""
        places = self._templates.setdefault(len(payload), [])
        templates = next((found for place, found in places if place == mask), None)
        if templates is None:
            templates = {}
            places.append((mask, templates))
        templates[payload[mask]] = alike.template()


class _Alike(dict[Shape, Template]):
    """Shapes that have length and mask in common; each has a template from its second message on."""

    def widen(self, payload: bytes) -> bool:
        """Let the shape of a message, if it is here, include that in its template; tell whether it is here."""
        for shape in self:
            if shape.includes(payload):
                self[shape] = shape.template_for(payload)
                return True
        return False

    def template(self) -> Template:
        """Return the templates as one."""
        templates = [template for template in self.values() if template is not _no_line]
        return templates[0] if len(templates) == 1 else lambda payload: _first_line(templates, payload)


def _first_line(templates: list[Template], payload: bytes) -> str:
    for template in templates:
        line = template(payload)
        if line:
            return line
    return ""


def _no_line(_payload: bytes) -> str:
    """Return what a template does for a message of another shape."""
    return ""
