"""The signals that django_q sends; the sender is always the string ``"django_q"``."""

from importlib import import_module
from typing import Any

from django.dispatch import Signal

SENDER = "django_q"

#: ``task``: the package, in the caller, before it is signed. Changes to it are honoured.
pre_enqueue = Signal()
#: ``proc_name``: in a new worker, before its first task.
post_spawn = Signal()
#: ``func, task``: in the worker, before the call.
pre_execute = Signal()
#: ``func, task``: in the worker, after the call; the package has its result.
post_execute_in_worker = Signal()
#: ``task``: in the monitor, after the result was saved and acknowledged.
post_execute = Signal()


def __getattr__(name: str) -> Any:
    if name == "call_hook":  # where django-q2 has it
        return import_module("django_q.lifecycle.hooks").receive
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
