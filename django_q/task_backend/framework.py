"""Django's tasks framework: ``django.tasks``, or the package ``django_tasks`` for Django 5.2.

An application may import from ``django_tasks`` where Django has the framework itself. Its tasks are
those of the backend then, which are Django's. But its receivers are connected to signals of that
package, and it catches errors of that package: both are served where the package is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.dispatch import Signal

from django_q.foreign_code.optional_packages import optional

#: The module of the framework: Django's own where it has one.
framework = optional("django.tasks") or optional("django_tasks")
if framework is None:
    raise ImportError(
        "django_q.backend needs Django's tasks framework, which this Django does not have: install "
        "Django 6.0 or later, or the package django-tasks 0.12."
    )
NAME: str = framework.__name__
base: Any = optional(f"{NAME}.base")
BaseTaskBackend: Any = optional(f"{NAME}.backends.base").BaseTaskBackend
Task, TaskContext, TaskError, TaskResult, TaskResultStatus = (
    base.Task,
    base.TaskContext,
    base.TaskError,
    base.TaskResult,
    base.TaskResultStatus,
)
task_backends: Any = framework.task_backends
normalize_json: Any = (optional("django.utils.json") or optional(f"{NAME}.utils")).normalize_json
#: The package for earlier releases of Django.
BACKPORT = "django_tasks"
#: The names of errors in releases of the framework.
INVALID_TASK = ("InvalidTask", "InvalidTaskError")
RESULT_DOES_NOT_EXIST = ("TaskResultDoesNotExist",)


def modules(part: str) -> Iterator[Any]:
    """Yield a module of the framework, and that of the other package if it is in use."""
    yield optional(f"{NAME}.{part}")
    if NAME != BACKPORT and BACKPORT in sys.modules:
        yield optional(f"{BACKPORT}.{part}")


def error_classes(names: tuple[str, ...]) -> tuple[type[Exception], ...]:
    """Return the class of an error in each package in use, by the first of the names it has."""
    found = [
        next(getattr(part, name) for name in names if hasattr(part, name))
        for part in modules("exceptions")
    ]
    return tuple(dict.fromkeys(found))


def error_class(names: tuple[str, ...]) -> type[Exception]:
    """Return a class of errors that is the one of each package in use."""
    kinds = error_classes(names)
    return kinds[0] if len(kinds) == 1 else combined_class(*kinds)


@lru_cache(maxsize=8)
def combined_class(*kinds: type[Exception]) -> type[Exception]:
    """Make a class of errors that is each of some others."""
    return type(kinds[0].__name__, kinds, {"__module__": __name__})


def framework_signals(name: str) -> Iterator[Signal]:
    """Yield a signal of the framework, in each package in use."""
    for part in modules("signals"):
        yield getattr(part, name)
