"""Check that no other distribution has overwritten files of this package.

A package that requires django-q2 makes pip install that over ours: both are ``django_q``. Some of
our files remain, among them this one and the models, which import it first.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution

import django_q

#: Names of other distributions that install files in ``django_q``.
CONFLICTING_DISTRIBUTIONS = ("django-q2", "django-q2-full-of-juice", "django-q-mt")
REINSTALL_ADVICE = (
    "Uninstall {others}, then: pip install --force-reinstall --no-deps django-q. "
    "To keep a package that requires it, see 'Packages that require django-q2' in docs/upgrade.rst."
)


def conflicting_distributions() -> list[str]:
    """Return the names of other installed distributions with files in ``django_q``."""
    return [name for name in CONFLICTING_DISTRIBUTIONS if has_django_q_files(name)]


def has_django_q_files(name: str) -> bool:
    """Return True if a distribution has files in ``django_q``; an empty substitute has none."""
    try:
        files = distribution(name).files
    except PackageNotFoundError:
        return False
    return any(file.parts[:1] == ("django_q",) for file in files or ())


def check() -> None:
    """Raise ``ImportError`` if our files were overwritten or deleted by another distribution."""
    if getattr(django_q, "IS_OURS", False):
        return
    names = " and ".join(conflicting_distributions())
    happened = (
        f"{names} has been installed over files of django-q"
        if names
        else "Files of django-q are gone, as of who uninstalled django-q2 that lay over them"
    )
    where = ", ".join(django_q.__path__)
    advice = REINSTALL_ADVICE.format(others=names or "django-q2, if it is there")
    raise ImportError(f"{happened} in {where}: what is left can not work. {advice}")


check()
