"""How the documentation is built: ``python3 -m tox -e docs``."""

import ast
import sys
from pathlib import Path

import django
from django.conf import settings

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent / "extensions"))


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

# The reference of functions imports the project, whose models need settings.
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django_q"], Q_CLUSTER={})
django.setup()

extensions = ["cluster_settings", "markdown_changes", "sphinx.ext.autodoc"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# What types refer to has no page of its own.
nitpick_ignore_regex = [("py:.*", ".*")]
exclude_patterns = ["_build"]
nitpicky = True
highlight_language = "text"
smartquotes = False

html_theme = "furo"
html_title = f"django_q {version}"
html_static_path = ["_static"]
html_css_files = ["django_q.css"]
html_show_sphinx = False
html_copy_source = False
html_extra_path = ["llms.txt"]
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0c6b4a",
        "color-brand-content": "#0c6b4a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5cd6a5",
        "color-brand-content": "#5cd6a5",
    },
}
