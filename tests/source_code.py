"""The modules of django_q as syntax trees, and what each of them imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "django_q"


def module_name(path: Path, root: Path) -> str:
    """Name a module by its dotted path below ``root``."""
    return ".".join(path.relative_to(root).with_suffix("").parts)


#: Syntax trees by the names of modules: "cluster", "brokers.base", "brokers.__init__".
MODULES = {
    module_name(path, PACKAGE): ast.parse(path.read_text("utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}


def path_of(module: str) -> Path:
    """Find the file of a module of django_q."""
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def line_count(path: Path) -> int:
    """Count the lines of a file."""
    return len(path.read_text("utf-8").splitlines())


def imports(tree: ast.AST) -> Iterator[str]:
    """Name what a module imports: ``a.b`` for ``import a.b``, and for ``from a import b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    """Find the module of django_q that an imported name is, or is in; None for others."""
    package, _, rest = name.partition(".")
    if package != "django_q":
        return None
    for candidate in (f"{rest}.__init__", rest, rest.rpartition(".")[0] + ".__init__"):
        if candidate.lstrip(".") in MODULES:
            return candidate.lstrip(".")
    return rest.rpartition(".")[0]


def own_imports(module: str) -> set[str]:
    """List the modules of django_q that a module of it imports."""
    return {name for name in map(own, imports(MODULES[module])) if name}
