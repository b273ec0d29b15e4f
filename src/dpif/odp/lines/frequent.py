"""Which template a flow goes by: that of its mask, and of what stands where.

`LinesByShape` looks a message's template up by its length and mask, and has writers make the line where there is none
or where it does not fit. These it has learnt (`learned.py`), when they are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dpif._typing import Final
from dpif.odp.lines.flows import FlowWriter
from dpif.odp.lines.keys import Unusual
from dpif.odp.lines.learned import Known, Learned
from dpif.odp.lines.shapes import Pieces
from dpif.odp.lines.templates import Shape, Template
from dpif.odp.model.attrs import Style

MAX_SHAPES: Final = 1024
"""More shapes than this have no templates: then it is not shapes that the flows share."""


class LinesByShape:
    """Lines of flow messages in one style; `slowly` makes what is `Unusual`."""

    def __init__(self, style: Style, now: Callable[[], int], slowly: Callable[[bytes], Iterable[str]]) -> None:
        self._now = now
        self._slowly = slowly
        self._writer = FlowWriter(style, now)
        # By the length of a message: the places where masks stand, for each the template by the mask there.
        self._templates: dict[int, list[tuple[slice, dict[bytes, Template]]]] = {}
        self._known = Known()
        """By what stands before the actions: its length, the place of the mask, and that."""
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
                    self._note(payload)
            except Unusual:
                lines += self._slowly(payload)
        return lines

    def _note(self, payload: bytes) -> None:
        """Note that a message had no template; have later ones go by those that there are now."""
        mask = self._writer.mask
        known = self._known[self._writer.head, mask.start, payload[mask]]
        if known.write(payload) or (
            self._shapes < MAX_SHAPES and known.note(payload, self._shape_of)
        ):  # other actions than so far
            self._use(known, mask, payload)

    def _shape_of(self, payload: bytes) -> Shape:
        self._shapes += 1
        return Pieces(payload, self._now, self._writer).shape()

    def _use(self, known: Learned, mask: slice, payload: bytes) -> None:
        """Have messages of this length and mask go by the templates that are known of them."""
        places = self._templates.setdefault(len(payload), [])
        templates = next((found for place, found in places if place == mask), None)
        if templates is None:
            templates = {}
            places.append((mask, templates))
        templates[payload[mask]] = known.templates[0] if len(known.templates) == 1 else known.write


def _no_line(_payload: bytes) -> str:
    """Return what a template does for a message of another shape."""
    return ""
