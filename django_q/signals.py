"""The signals that django_q sends; the sender is always the string ``"django_q"``."""

from django.dispatch import Signal

from django_q.hooks import receive as call_hook

__all__ = [
    "SENDER",
    "alert_raised",
    "alert_resolved",
    "attempt_ended",
    "call_hook",
    "post_execute",
    "post_execute_in_worker",
    "post_spawn",
    "pre_enqueue",
    "pre_execute",
]

SENDER = "django_q"

#: ``task``: the package, in the caller, before it is signed. A receiver may change it.
pre_enqueue = Signal()
#: ``proc_name``: in a new worker, before its first task.
post_spawn = Signal()
#: ``func, task``: in the worker, before the call.
pre_execute = Signal()
#: ``func, task``: in the worker, after the call; the package has the result.
post_execute_in_worker = Signal()
#: ``task``: in the monitor, after the result was saved and acknowledged.
post_execute = Signal()
#: ``task, attempt, limit, retry_in, is_final``: in the monitor, for each end of an attempt.
attempt_ended = Signal()
#: ``alert``: a row of ``Alert``, in one process for all clusters, when a rule has found something.
alert_raised = Signal()
#: ``alert``: the same, when that is over.
alert_resolved = Signal()
