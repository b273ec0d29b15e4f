"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))
sys.path.insert(0, str(HERE.parent / "tools"))

from dpif import __version__  # noqa: E402

project = "dpif"
author = "the authors of dpif"
release = version = __version__
extensions = ["command_table", "command_pictures", "reference", "myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["coverage.md", "interface.md"]  # for maintainers; CONTRIBUTING.md leads to them

# In our docstrings `name` is code and ``text`` is text as it is written.
default_role = "code"
_OF_PYTHON = (
    "object, tuple, int, str, dict, Enum, IntEnum, IntFlag, Generic, Protocol, Exception, BaseException, OSError"
)
autodoc_default_options = {
    "members": True,
    "imported-members": True,
    "inherited-members": _OF_PYTHON,
    "member-order": "groupwise",
    # The attributes of a key are told in a table, and what a record is made of is nobody's business.
    "exclude-members": "ATTRS, FIELDS, TEXT, SIZE, by_number, by_word",
}
autodoc_typehints = "description"
# Pages link to files of the repository, which are not among the pages; the type bytes has the name of a counter.
suppress_warnings = ["myst.xref_missing", "ref.python"]

smartquotes = False  # "--" is what one types

html_theme = "furo"
html_title = "dpif"
html_static_path = ["_static", "pictures"]
html_css_files = ["dpif.css"]
html_copy_source = False
html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5fa5", "color-brand-content": "#0b5fa5"},
    "dark_css_variables": {"color-brand-primary": "#6cb6ff", "color-brand-content": "#6cb6ff"},
}
