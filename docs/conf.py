"""How the documentation is built: ``python3 -m tox -e docs``."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent


def read_version() -> str:
    """Read ``django_q.VERSION`` from the source, without importing Django."""
    tree = ast.parse((ROOT / "django_q" / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "VERSION":
            return ".".join(map(str, ast.literal_eval(node.value)))
    raise LookupError("django_q/__init__.py must assign VERSION.")


project = "django_q"
author = "The django_q contributors"
copyright = f"2026, {author}"
version = release = read_version()

html_theme = "furo"
html_title = f"django_q {version}"
exclude_patterns = ["_build"]
nitpicky = True
