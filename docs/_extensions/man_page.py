"""Makes the manual page dpif(8) from the manual's page of it, `docs/dpif.8.rst`.

::

    python docs/_extensions/man_page.py > dpif.8

The build of the package makes it, too (`hatch_build.py`), where there is no Sphinx. So it reads what that page has of
reStructuredText, and no more: sections, paragraphs, definition lists, line blocks, code blocks, the two directives of
`command_table.py`, strong, emphasised and literal text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from command_text import all_commands, shared_options

from dpif import __version__

PAGE = Path(__file__).parent.parent / "dpif.8.rst"
_HEAD = f"""\
.TH DPIF 8 "" "dpif {__version__}" "System Manager's Manual"
.nh
.ad l
.SH NAME
dpif \\- the Open vSwitch datapath, from the command line
"""
_SECTIONS = {"-": ".SH", "~": ".SS"}
_TEXTS: dict[str, Callable[[], Iterator[str]]] = {"dpif-options": shared_options, "dpif-commands": all_commands}
_INLINE = re.compile(r"\\(.)|``(.+?)``|\*\*(.+?)\*\*|\*(.+?)\*")
_SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def man_page() -> str:
    """Return the page in the language of troff."""
    return _HEAD + "\n".join(_blocks(PAGE.read_text(encoding="utf-8").splitlines())) + "\n"


def _blocks(lines: list[str]) -> Iterator[str]:
    """Yield what becomes of lines that begin at the left margin."""
    rest = list(lines)
    while rest:
        line = rest.pop(0)
        following = rest[0] if rest else ""
        if not line:
            continue
        if following and not following.strip(following[0]) and len(following) >= len(line):
            yield from _section(line, rest.pop(0)[0])
        elif line.startswith(".. "):
            yield from _directive(line, _indented(rest))
        elif line.startswith("| "):
            block = [line]
            while rest and rest[0].startswith("| "):
                block.append(rest.pop(0))
            yield from (".PP", ".nf", *[_inline(one[2:]) for one in block], ".fi")
        elif following.startswith(" "):
            yield from _definition(line, _indented(rest))
        else:
            while rest and rest[0]:
                line += f" {rest.pop(0)}"
            yield from (".PP", _inline(line))


def _section(title: str, mark: str) -> Iterator[str]:
    """The page's own title is in its head already."""
    if mark in _SECTIONS:
        yield f"{_SECTIONS[mark]} {_inline(title.upper() if mark == '-' else title)}"


def _directive(line: str, content: list[str]) -> Iterator[str]:
    name = line[3:].partition("::")[0]
    if name == "code-block":
        while content and not content[-1]:
            content.pop()
        yield from (".PP", ".RS 4", ".nf", *[_plain(one) for one in content if one], ".fi", ".RE")
    else:
        yield from _blocks(list(_TEXTS[name]()))


def _definition(term: str, content: list[str]) -> Iterator[str]:
    """A term, its first paragraph beside it, and what else there is as far in."""
    yield from (".TP", _inline(term))
    end = content.index("") if "" in content else len(content)
    yield _inline(" ".join(content[:end]))
    more = list(_blocks(content[end:]))
    if more:
        yield from (".RS", *more, ".RE")


def _indented(rest: list[str]) -> list[str]:
    """Take the lines from `rest` that are further in, and the empty ones between; return them moved out."""
    taken = []
    while rest and (not rest[0] or rest[0].startswith(" ")):
        taken.append(rest.pop(0))
    depth = min((len(one) - len(one.lstrip()) for one in taken if one), default=0)
    content = [one[depth:] for one in taken]
    return content[1:] if content and not content[0] else content


def _inline(text: str) -> str:
    """Return a text with its markup, as a line of troff."""
    shown, at = "", 0
    for match in _INLINE.finditer(text):
        escaped, literal, strong, emphasised = match.groups()
        shown += _escaped(text[at : match.start()])
        if escaped is not None:
            shown += _escaped(escaped.strip())
        else:
            content = literal or _INLINE.sub(r"\1", strong or emphasised)
            shown += f"\\f{'I' if emphasised else 'B'}{_escaped(content)}\\fP"
        at = match.end()
    return _guarded(shown + _escaped(text[at:]))


def _plain(text: str) -> str:
    return _guarded(_escaped(text))


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _guarded(line: str) -> str:
    """What begins a line with a dot is no request."""
    return f"\\&{line}" if line.startswith(".") else line


if __name__ == "__main__":
    sys.stdout.write(man_page())
