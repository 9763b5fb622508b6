"""The testing kit: record the tasks that a test enqueues, and run them when it says so.

For tests alone. Nothing of this package imports it.
"""

from django_q.testing.assertions.enqueued_tasks import EnqueuedTasks
from django_q.testing.blocks.block import assert_enqueued, assert_not_enqueued, enqueued
from django_q.testing.blocks.mixin import EnqueuedMixin
from django_q.testing.draining.draining import TaskFailed, adrain, drain, travel
from django_q.testing.recording.enqueued_task import EnqueuedTask

__all__ = [
    "EnqueuedMixin",
    "EnqueuedTask",
    "EnqueuedTasks",
    "TaskFailed",
    "adrain",
    "assert_enqueued",
    "assert_not_enqueued",
    "drain",
    "enqueued",
    "travel",
]
