"""How Sphinx builds the documentation: ``make docs``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from dpif import __version__

project = "dpif"
author = "the authors of dpif"
release = version = __version__
extensions = ["command_table", "myst_parser", "sphinx.ext.autodoc"]

# In our docstrings `name` is code and ``text`` is text as it is written.
default_role = "code"
autodoc_default_options = {"members": True, "imported-members": True, "member-order": "groupwise"}
autodoc_typehints = "description"
# Pages link to files of the repository, which are not among the pages; the type bytes has the name of a counter.
suppress_warnings = ["myst.xref_missing", "ref.python"]

html_theme = "alabaster"
html_copy_source = False
