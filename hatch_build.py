"""What the build of the package adds: the manual page, and the README as a package index can show it.

The manual page is made from the table of commands, at each build, by what `make docs` uses. A package index has no
files of the repository: where the project's address is known (`[project.urls]`, ``Source``) links to them lead there,
else they are left out.
"""

from __future__ import annotations

import re
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).parent
_LINK = re.compile(r"(!?)\[([^]]*)\]\((?![a-z]+:|#)([^)]+)\)")
"""To a file of the repository; an exclamation mark in front shows it, a picture."""


class ManualPage(BuildHookInterface):  # type: ignore[type-arg]  # whatever configures it
    """Puts dpif(8) into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the page, from this tree."""
        self._made = tempfile.TemporaryDirectory()
        page = Path(self._made.name, "dpif.8")
        page.write_text(_manual_page(), encoding="utf-8")
        build_data["shared_data"][str(page)] = "share/man/man8/dpif.8"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove it: it is in the wheel now."""
        self._made.cleanup()


class Readme(MetadataHookInterface):
    """Gives the package its long description."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set it from README.md."""
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        shown = readme(text, metadata.get("urls", {}).get("Source"))
        metadata["readme"] = {"content-type": "text/markdown", "text": shown}


def readme(text: str, source: str | None) -> str:
    """Return a README whose links to files lead to `source`; without it their words stay, and pictures go."""

    def elsewhere(link: re.Match[str]) -> str:
        picture, words, path = link.groups()
        if source is None:
            return "" if picture else words
        return f"{picture}[{words}]({source}/{'raw' if picture else 'blob'}/main/{path})"

    return _LINK.sub(elsewhere, text)


def _manual_page() -> str:
    sys.path[:0] = places = [str(ROOT / "src"), str(ROOT / "docs" / "_extensions")]
    try:
        page: str = runpy.run_path(str(ROOT / "docs" / "_extensions" / "man_page.py"))["man_page"]()
        return page
    finally:
        del sys.path[: len(places)]
