"""The tables of the ORM broker: its queue, and the heartbeats of clusters."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_q.exceptions import contain_error
from django_q.models import pickle_preview
from django_q.models.columns.stored_texts import StorableCharField
from django_q.signing import SignedPackage


class CallablePackage(dict):
    """A package that returns itself when called: ``OrmQ.task`` was a method in Django Q 1.3."""

    def __call__(self) -> CallablePackage:
        return self


class OrmQ(models.Model):
    """A task that waits in the queue of the ORM broker, or is leased from it."""

    #: Name of the queue.
    key = models.CharField(_("queue"), max_length=100)
    payload = models.TextField(_("payload"))
    #: The task is leased or delayed until then, and may be delivered from then on.
    lock = models.DateTimeField(_("locked until"), null=True)
    #: Counts the leases: a receipt is valid as long as this number is the same.
    delivery = models.IntegerField(_("delivery"), default=0, db_default=0, editable=False)
    attempts = models.IntegerField(_("attempts"), default=0, db_default=0, editable=False)
    # What follows has no default in Python: the predecessors and the plain path leave it out.
    #: The id of the task, where it can be found by that. ``task_id`` is a method of Django Q.
    tracked_id = StorableCharField(max_length=32, null=True, editable=False, db_column="task_id")
    #: The priority with its sign changed: lower ones are taken first.
    rank = models.SmallIntegerField(null=True, db_default=0, editable=False)
    #: After this time it is not begun any more.
    expires = models.DateTimeField(null=True, editable=False)
    #: Digest of the queue and the unique key. A task that waits for the end of another one of the
    #: same key has another digest until then.
    unique_digest = models.CharField(max_length=32, null=True, editable=False)
    #: Seconds for which the unique key is taken after the end of the task.
    unique_for = models.FloatField(null=True, editable=False)
    # What is kept beside the payload until the task ends: a column for each who writes it.
    #: How its attempts have ended.
    attempt_state = models.TextField(null=True, editable=False, db_column="state")
    #: How far it has got.
    position = models.TextField(null=True, editable=False)
    #: Who has cancelled it, and when.
    cancelled = models.TextField(null=True, editable=False)
    #: The key of a limit.
    lane = models.CharField(max_length=100, null=True, editable=False)

    class Meta:
        app_label = "django_q"
        verbose_name = _("queued task")
        verbose_name_plural = _("queued tasks")
        indexes = [
            models.Index(fields=["key", "rank", "lock"], name="django_q_ormq_key_rank_lock"),
            models.Index(
                fields=["tracked_id"],
                name="django_q_ormq_task_id",
                condition=models.Q(tracked_id__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["unique_digest"],
                name="django_q_ormq_unique",
                condition=models.Q(unique_digest__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} #{self.pk}"

    @cached_property
    def task(self) -> dict[str, Any]:
        """The package; ``{"id": "*ErrorName"}`` when it can not be read."""
        try:
            package = SignedPackage.loads(self.payload)
        except BaseException as error:  # the table may hold anything
            contain_error(error)
            return CallablePackage({"id": f"*{type(error).__name__}"})
        return CallablePackage(package if isinstance(package, dict) else {"id": "*PackageError"})

    @staticmethod
    def preview(payload: str | None) -> dict[str, Any]:
        """Read a payload for a list: objects beyond plain values are not unpickled.

        ``{"id": "*ErrorName"}`` when it can not be read.
        """
        return pickle_preview.read_payload(payload)

    def task_id(self) -> str:
        """Return the id of the task."""
        return self.task.get("id")

    def name(self) -> str | None:
        """Return the name of the task."""
        return self.task.get("name")

    def func(self) -> Any:
        """Return the function of the task."""
        return self.task.get("func")

    def group(self) -> str | None:
        """Return the group of the task."""
        return self.task.get("group")

    def args(self) -> tuple | None:
        """Return the arguments of the task."""
        return self.task.get("args")

    def kwargs(self) -> dict[str, Any] | None:
        """Return the keyword arguments of the task."""
        return self.task.get("kwargs")

    def q_options(self) -> dict[str, Any]:
        """Return the other keys: the options of the task, and when it was enqueued."""
        own = {"id", "name", "func", "args", "kwargs", "group"}
        return {key: value for key, value in self.task.items() if key not in own}


class Unfinished(OrmQ):
    """The unfinished tasks of any broker, as the admin lists them: a name, and no rows of its own.

    Who may view queued tasks may view them; its own permissions are those to give orders.
    """

    class Meta:
        app_label = "django_q"
        proxy = True
        default_permissions = ()
        permissions = [
            ("cancel_tasks", "Can cancel unfinished tasks"),
            ("pause_queue", "Can pause and resume queues"),
            ("limit_queue", "Can set the limit of queues"),
            ("stop_clusters", "Can stop clusters"),
        ]
        verbose_name = _("unfinished task")
        verbose_name_plural = _("unfinished tasks")


class TaskKey(models.Model):
    """A key for which the id of a task is kept, finished or not: unique or idempotency key."""

    #: Digest of the queue and the key.
    digest = models.CharField(max_length=32, primary_key=True)
    task_id = models.CharField(max_length=32)
    expires = models.DateTimeField(db_index=True)

    class Meta:
        app_label = "django_q"

    def __str__(self) -> str:
        return self.digest


class Heartbeat(models.Model):
    """The last heartbeat of a cluster that the ORM broker serves."""

    key = models.CharField(max_length=200, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField()

    class Meta:
        app_label = "django_q"

    def __str__(self) -> str:
        return self.key
