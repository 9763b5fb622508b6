"""Say of a function that is not found whether it is in its file by now.

A cluster keeps the code with which it was started: a module that is loaded is not read again.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

#: Bytes of a file that is read to find a name in it.
MAX_SOURCE_BYTES = 2_000_000


def add_stale_code_hint(path: str, error: BaseException) -> None:
    """Add to the text of an error that a function was not found why that may be."""
    hint = stale_code_hint(path) if isinstance(error, AttributeError) else ""
    if hint and error.args and isinstance(error.args[0], str):
        error.args = (f"{error.args[0]}. {hint}", *error.args[1:])


def stale_code_hint(path: str) -> str:
    """Return a sentence if a loaded module lacks a name that its file has; else an empty text."""
    module, name = loaded_module(path)
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str) or hasattr(module, name):
        return ""
    try:
        source = Path(file)
        if source.suffix != ".py" or source.stat().st_size > MAX_SOURCE_BYTES:
            return ""
        names = set(defined_names(ast.parse(source.read_bytes())))
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ""
    if name not in names:
        return ""
    return (
        f"'{name}' is in the file of '{module.__name__}' by now, but the cluster keeps the code "
        "that it started with. Restart it."
    )


def loaded_module(path: str) -> tuple[ModuleType | None, str]:
    """Find the loaded module in which a dotted path begins, and the name that is asked of it."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        if module := sys.modules.get(".".join(parts[:length])):
            return module, parts[length]
    return None, ""


def defined_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the statements of a module define."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
