"""Error reporters: services that want to hear of the exceptions of tasks.

They are found by entry point, group ``djangoq.errorreporters``, and made with the keyword
arguments that ``Q_CLUSTER['error_reporter']`` gives for their name.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from django_q.conf import Conf, logger

GROUP = "djangoq.errorreporters"


class ErrorReporter:
    """All the reporters that are configured, as one."""

    def __init__(self, reporters: list[Any]) -> None:
        self.targets = reporters

    def report(self) -> None:
        """Tell each reporter of the exception that is being handled."""
        for target in self.targets:
            try:
                target.report()
            except Exception:
                logger.exception("error reporter %s failed", type(target).__name__)


def load_reporters(options: Mapping[str, Mapping[str, Any]]) -> ErrorReporter:
    """Make the reporters named in the options; one that can not be made is logged."""
    reporters = []
    for name, kwargs in options.items():
        try:
            (point,) = entry_points(group=GROUP, name=name)
            reporters.append(point.load()(**kwargs))
        except Exception:
            logger.exception(
                "error reporter '%s' (entry point group %s) failed to load", name, GROUP
            )
    return ErrorReporter(reporters)


class _Lazy:
    """Loads the reporters when the first exception is reported."""

    def __init__(self) -> None:
        self.loaded: ErrorReporter | None = None

    def report(self) -> None:
        if self.loaded is None:
            self.loaded = load_reporters(Conf.ERROR_REPORTER)
        self.loaded.report()


error_reporter = _Lazy()
