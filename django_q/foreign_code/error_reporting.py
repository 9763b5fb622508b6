"""Error reporters: services that are sent the exceptions of tasks.

They are found by entry points of the group ``djangoq.errorreporters``, and made with the keyword
arguments that ``Q_CLUSTER['error_reporter']`` has for their name.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from django_q.exceptions import DjangoQError, contain_error
from django_q.foreign_code.guards import ForeignCall, RaisingForeignCall

logger = logging.getLogger("django-q")

#: The group of entry points by which packages provide reporters.
ENTRY_POINT_GROUP = "djangoq.errorreporters"


class ReporterNotFound(DjangoQError, LookupError):
    """Raised when no installed package provides an error reporter of that name."""


class ErrorReporter:
    """Reports an exception to all reporters that are configured."""

    def __init__(self, reporters: list[Any]) -> None:
        self.targets = reporters

    def report(self, task: str = "") -> None:
        """Have each reporter report the exception that is being handled; ``task`` is a name."""
        for target in self.targets:
            with ForeignCall(f"error reporter {type(target).__name__}", task):
                target.report()


def load_reporters(options: Mapping[str, Mapping[str, Any]]) -> ErrorReporter:
    """Make the reporters that the options name. Log those that can not be made."""
    reporters = []
    for name, kwargs in options.items():
        try:
            with RaisingForeignCall(f"error reporter '{name}'"):
                reporters.append(find_entry_point(name).load()(**(kwargs or {})))
        except (ReporterNotFound, ModuleNotFoundError) as error:
            logger.error("error reporter '%s' is not used: %s", name, error)
        except BaseException as error:
            contain_error(error)
            logger.exception(
                "error reporter '%s' (entry point group %s) failed to load", name, ENTRY_POINT_GROUP
            )
    return ErrorReporter(reporters)


def find_entry_point(name: str) -> EntryPoint:
    """Find a reporter by name; the first, where several packages provide one.

    Raises ``ReporterNotFound``.
    """
    for point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return point
    raise ReporterNotFound(
        "No package that is installed provides it, by an entry point of the group "
        f"{ENTRY_POINT_GROUP!r}."
    )
