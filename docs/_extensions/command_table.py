"""A Sphinx extension that writes the command line's reference from its tables of commands and of options.

Directives: ``.. dpif-commands::`` for all commands by topic, ``.. dpif-options::`` for the options that all of them
take.
"""

from __future__ import annotations

from command_text import all_commands, shared_options
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Commands(SphinxDirective):
    """All commands, a section for each topic."""

    def run(self) -> list[nodes.Node]:
        """Return what the text of the table becomes."""
        return self.parse_text_to_nodes("\n".join(all_commands(with_pictures=True)), allow_section_headings=True)


class Options(SphinxDirective):
    """The options that every command takes."""

    def run(self) -> list[nodes.Node]:
        """Return what the text of the table becomes."""
        return self.parse_text_to_nodes("\n".join(shared_options()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives to Sphinx."""
    app.add_directive("dpif-commands", Commands)
    app.add_directive("dpif-options", Options)
    return {"parallel_read_safe": True}
