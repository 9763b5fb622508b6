"""A multiprocessing distributed task queue for Django."""

from importlib import import_module
from typing import Any

VERSION = (2, 0, 0)
__version__ = ".".join(map(str, VERSION))
#: Shows django_q.foreign_code.installed_files that no other distribution has overwritten this file.
IS_OURS = True

# The names that Django Q has at its root, and the modules that define them. They are imported on
# access: models can not be imported before Django is set up, and this package can.
_NAMES: dict[str, tuple[str, ...]] = {
    "django_q.cluster": ("Cluster",),
    "django_q.models": ("Failure", "Schedule", "Success", "Task"),
    "django_q.status": ("Stat", "Status"),
    "django_q.tasks": (
        *("AsyncTask", "Chain", "Iter", "schedule", "queue_names", "queue_size"),
        *("UnfinishedTask", "count_unfinished", "fetch_unfinished", "list_unfinished"),
        *("aasync_task", "acancel", "afetch", "afetch_group", "aresult", "aresult_group"),
        *("async_batch", "async_chain", "async_iter", "async_task", "cancel", "current_task"),
        *("backfill", "queue", "resubmit", "resubmit_kind", "scheduled"),
        *("count_group", "count_group_cached", "delete_cached", "delete_group"),
        *("delete_group_cached", "fetch", "fetch_cached", "fetch_group", "fetch_group_cached"),
        *("result", "result_cached", "result_group", "result_group_cached", "run_now"),
        *("TaskFunction", "task"),
    ),
}
_ROOT = {name: (home, name) for home, names in _NAMES.items() for name in names}
# The word is reserved since Python 3.7: these are for getattr(), dotted paths and django_q.legacy.
_ROOT["async"] = ("django_q.tasks", "async_task")
_ROOT["Async"] = ("django_q.tasks", "AsyncTask")

# Modules that are attributes of the package without being imported themselves.
_MODULES: tuple[str, ...] = (
    "brokers",
    "cluster",
    "conf",
    "humanhash",
    "models",
    "monitor",
    "signals",
)
_MODULES += ("signals", "signing", "status", "tasks")

__all__ = ["cluster", "conf", "models", "tasks", *_ROOT]


def __getattr__(name: str) -> Any:
    if name in _ROOT:
        home, attribute = _ROOT[name]
        return getattr(import_module(home), attribute)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOT, *_MODULES})
