"""``.. changes:: PATH`` includes a changelog in the few marks of Markdown that changelogs use.

Headings, lists, links, emphasis and code: a whole Markdown parser would be a dependency more.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
HEADING = re.compile(r"(#{2,3}) (.+)")
UNDERLINES = {"##": "-", "###": "~"}


def to_rst(markdown: str) -> list[str]:
    """Turn the lines of a changelog into reStructuredText; its title is left out."""
    lines: list[str] = []
    for line in markdown.splitlines():
        if line.startswith("# "):
            continue
        if heading := HEADING.fullmatch(line):
            title = heading[2].replace("[", "").replace("]", "")
            lines += ["", title, UNDERLINES[heading[1]] * len(title), ""]
            continue
        lines.append(LINK.sub(r"`\1 <\2>`__", CODE.sub(r"``\1``", line)))
    return lines


class Changes(SphinxDirective):
    """Includes a changelog."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file and have it parsed."""
        path = Path(self.env.app.srcdir, self.arguments[0]).resolve()
        self.env.note_dependency(str(path))
        holder = nodes.section()
        holder.document = self.state.document
        lines = StringList(to_rst(path.read_text(encoding="utf-8")), str(path))
        nested_parse_with_titles(self.state, lines, holder)
        return holder.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("changes", Changes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
