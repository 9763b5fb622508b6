"""Write the reference of ``Q_CLUSTER`` from the class ``Settings`` in ``django_q/conf.py``.

The source is read, not imported: the documentation is built without a Django project.
``.. q-settings:: name workers`` describes some settings. A setting that no page describes, or that
is not there, is a warning, which the build takes for an error.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

CONF = Path(__file__).parent.parent.parent / "django_q" / "conf.py"
#: Defaults that are made when the settings are read, in words.
MADE = {"cpu_count": "the number of processors", "dict": "``{}``"}
KEPT = ("ALT_CLUSTERS",)  # the key that is in capitals

logger = logging.getLogger(__name__)


@dataclass
class Setting:
    """One field of ``Settings``."""

    key: str
    type: str
    default: str
    text: list[str]

    def lines(self) -> list[str]:
        """Write its entry."""
        body = [*self.text, "", f"*{self.type}*; by default {self.default}."]
        return [f".. setting:: {self.key}", "", *(f"   {line}" for line in body), ""]


def read_settings(source: str) -> dict[str, Setting]:
    """Read all settings, by key, from the source of ``conf.py``."""
    tree = ast.parse(source)
    renamed = next(
        ast.literal_eval(node.value) for node in tree.body if assigns(node, "RENAMED_KEYS")
    )
    keys = {name: key for key, name in renamed.items()} | {name: name for name in KEPT}
    (table,) = (node for node in tree.body if getattr(node, "name", "") == "Settings")
    lines = source.splitlines()
    found = {}
    for node in table.body:
        if isinstance(node, ast.AnnAssign):
            key = keys.get(node.target.id, node.target.id.lower())
            text = list(comment_above(lines, node.lineno))
            found[key] = Setting(key, in_words(node.annotation), default(node.value), text)
    return found


def assigns(node: ast.stmt, name: str) -> bool:
    """Whether a statement assigns to a name."""
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name


def comment_above(lines: list[str], number: int) -> Iterator[str]:
    """Give the ``#:`` lines directly above a line, whose number counts from 1."""
    first = number - 1
    while lines[first - 1].strip().startswith("#:"):
        first -= 1
    for line in lines[first : number - 1]:
        yield line.strip().removeprefix("#:").strip()


def in_words(annotation: ast.expr) -> str:
    """Write a type."""
    return ast.unparse(annotation).replace(" | ", " or ")


def default(value: ast.expr) -> str:
    """Write a default."""
    if isinstance(value, ast.Call):
        return MADE[value.keywords[0].value.id]
    made = eval(compile(ast.Expression(value), str(CONF), "eval"), {})
    if isinstance(made, int) and not isinstance(made, bool) and made > 9999:
        return f"{made:,}"
    return f"``{made!r}``" if made != "" else "not set"


class QSettings(SphinxDirective):
    """Describes the settings whose keys are its arguments."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Write the entries and have them parsed."""
        self.env.note_dependency(str(CONF))
        known = read_settings(CONF.read_text(encoding="utf-8"))
        described = self.env.__dict__.setdefault("q_settings", {})
        lines: list[str] = []
        for key in self.arguments[0].split():
            if key not in known:
                logger.warning("there is no setting %r", key, location=self.get_location())
                continue
            described.setdefault(self.env.docname, set()).add(key)
            lines += known[key].lines()
        holder = nodes.container(classes=["q-settings"])
        source, _ = self.get_source_info()
        self.state.nested_parse(StringList(lines, source), self.content_offset, holder)
        return [holder]


def check_all(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of settings that no page describes."""
    described = set().union(*getattr(env, "q_settings", {}).values())
    for key in read_settings(CONF.read_text(encoding="utf-8")).keys() - described:
        logger.warning("the setting %r is described on no page", key)


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget what a page described, as it is read again."""
    getattr(env, "q_settings", {}).pop(docname, None)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive, and ``:setting:`` to refer to what it describes."""
    app.add_object_type("setting", "setting", objname="setting")
    app.add_directive("q-settings", QSettings)
    app.connect("env-purge-doc", purge)
    app.connect("env-check-consistency", check_all)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
