"""A Sphinx extension for the library's reference: tables of attributes, and no links or words that mean nothing.

``.. dpif-attributes:: dpif.FlowKey`` lists the attributes of a nest, from their descriptions
(`dpif.odp.model.describing`).
"""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dpif._lazy import load
from dpif.odp.model.describing import describe

_TUPLE_NOISE = "Alias for field number"
_FUNCTION = re.compile(r"<(?:built-in )?function ([\w.]*(?:<lambda>)?)(?: at 0x[0-9a-f]+)?>")


class Attributes(SphinxDirective):
    """A table of the attributes of the class that is named."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        module, _, name = self.arguments[0].rpartition(".")
        return self.parse_text_to_nodes("\n".join(_table(getattr(load(module), name))))


def _table(nest: type) -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "")
    yield from _row("attribute", "value", "text", "mask")
    for attribute in nest.ATTRS.values():  # type: ignore[attr-defined]
        told = describe(attribute)
        fields = ", ".join(f"``{name}``: {type_}" for name, type_ in told.fields)
        yield from _row(
            f"``{attribute.name}``", f"{told.value}{f' ({fields})' if fields else ''}", f"``{told.text}``", told.mask
        )


def _row(first: str, *rest: str) -> Iterator[str]:
    yield f"   * - {first}"
    yield from (f"     - {cell}" for cell in rest)


def without_links_to_namesakes(app: Sphinx, doctree: nodes.document) -> None:
    """Unlink types of Python that have the name of something of ours: ``bytes`` is no counter of a flow."""
    for reference in list(doctree.findall(addnodes.pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            reference.replace_self(reference.children)


def without_noise(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Leave out what Python writes by itself of the fields of a tuple."""
    if lines and lines[0].startswith(_TUPLE_NOISE) and inspect.isdatadescriptor(obj):
        lines.clear()


def with_names_of_functions(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write a default that is a function as its name, one without a name as "…"."""
    told = signature and _FUNCTION.sub(lambda found: "…" if "lambda" in found[1] else found[1], signature)
    return told, returns


def setup(app: Sphinx) -> dict[str, bool]:
    """Add all of it to Sphinx."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("dpif-attributes", Attributes)
    app.connect("doctree-read", without_links_to_namesakes)
    app.connect("autodoc-process-docstring", without_noise)
    app.connect("autodoc-process-signature", with_names_of_functions)
    return {"parallel_read_safe": True}
