"""The table of finished tasks, with a view of the successes and one of the failures."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from django_q.models.columns.stored_texts import StorableCharField
from django_q.models.columns.stored_values import ValueField
from django_q.text.representation import represent
from django_q.wire.option_types import group_id as named_group
from django_q.wire.option_types import task_id as named_task


def clipped(text: str, column: str) -> str:
    """Cut a text to what its column holds: a long name is no reason to lose a result."""
    return str(text)[: MAX_LENGTHS[column]]


def in_group(group_id: Any) -> models.QuerySet:
    """Find the rows of a group, whose name is cut there where it is long."""
    return Task.objects.filter(group=clipped(named_group(group_id), "group"))


def rerun_count(group_id: Any) -> models.Subquery:
    """Count the tasks of a group that are run again, by the small index of all such tasks."""
    # An expression, as the database would take the index of groups for the bare column.
    label = Coalesce(models.F("group"), models.Value(""))
    rerun = Task.objects.filter(IS_RERUN, rerun_at__isnull=False).order_by().annotate(label=label)
    counted = rerun.filter(label=clipped(named_group(group_id), "group")).values("label")
    return models.Subquery(counted.annotate(number=models.Count("pk")).values("number"))


def value_field(verbose_name: Any) -> ValueField:
    """Make a field for any picklable value.

    ``copy`` is False: a deep copy only helps lookups by value, and costs more than pickling.
    """
    return ValueField(verbose_name, null=True, protocol=-1, copy=False)


#: The rows of tasks that are run again under their ids. Both times are set to the same one then;
#: whoever saves the new end, a cluster of an earlier release too, writes another ``stopped``.
IS_RERUN = models.Q(rerun_at=models.F("stopped"))
#: The other rows.
HAS_ENDED = ~IS_RERUN

#: In the column ``hook``, between the name of the hook and what could not be done after the task.
UNDONE_SEPARATOR = " [not done: "
#: Characters that are kept of each of these two.
MAX_HOOK_LENGTH, MAX_UNDONE_LENGTH = 120, 120


def hook_with_undone(hook: str, undone: str) -> str:
    """Write the column ``hook``: the name, then in brackets what was not done after the task."""
    return (
        f"{hook[:MAX_HOOK_LENGTH]}{UNDONE_SEPARATOR}{' '.join(undone.split())[:MAX_UNDONE_LENGTH]}]"
    )


class Task(models.Model):
    """A task that has ended, with its result."""

    id = StorableCharField(max_length=32, primary_key=True, editable=False)
    name = StorableCharField(_("name"), max_length=100, editable=False)
    func = StorableCharField(_("function"), max_length=256)
    #: The name of the hook, then in brackets what could not be done after the task.
    hook = StorableCharField(_("hook"), max_length=256, null=True)
    args = value_field(_("arguments"))
    kwargs = value_field(_("keyword arguments"))
    #: What the function returned; of a failure the text of the exception, with its traceback.
    result = value_field(_("result"))
    group = StorableCharField(_("group"), max_length=100, null=True, editable=False)
    #: The queue it ran on.
    cluster = StorableCharField(_("cluster"), max_length=100, null=True, blank=True, default=None)
    #: When it was enqueued.
    started = models.DateTimeField(_("started"), editable=False)
    stopped = models.DateTimeField(_("stopped"), editable=False)
    success = models.BooleanField(_("success"), default=True, editable=False)
    attempt_count = models.IntegerField(_("attempts"), default=0)
    #: The options of the call for people and programs: priority, queue, run_after, and others.
    options = models.JSONField(_("options"), null=True, editable=False)
    #: When the last attempt began.
    begun = models.DateTimeField(_("begun"), null=True, editable=False)
    #: The host and process that ran it.
    worker = StorableCharField(_("worker"), max_length=100, null=True, editable=False)
    #: Of a failure: the path of the class of its exception.
    exception = StorableCharField(_("exception"), max_length=200, null=True, editable=False)
    #: Of a failure: digest of that class and of the place in the project's code that raised it.
    fingerprint = models.CharField(_("fingerprint"), max_length=32, null=True, editable=False)
    #: The ends of its attempts, where there were several: a list of dictionaries.
    attempts = models.JSONField(_("attempts"), null=True, editable=False)
    #: Until then pruning leaves the row, as somebody may ask for it.
    keep_until = models.DateTimeField(_("kept until"), null=True, editable=False)
    #: When a failure was run again under its own id: see ``IS_RERUN``.
    rerun_at = models.DateTimeField(_("run again"), null=True, editable=False)

    class Meta:
        app_label = "django_q"
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["-stopped"]
        permissions = [("see_values", "Can see arguments, results and logs of tasks")]
        indexes = [
            # For the admin and for pruning: one outcome, or one group, latest first.
            models.Index(fields=["success", "stopped"], name="django_q_task_stopped"),
            models.Index(fields=["group", "stopped"], name="django_q_task_group"),
            # For failures of one kind: no success pays for it.
            models.Index(
                fields=["fingerprint", "stopped"],
                name="django_q_task_fingerprint",
                condition=models.Q(fingerprint__isnull=False),
            ),
            # For what pruning leaves.
            models.Index(
                fields=["keep_until"],
                name="django_q_task_keep_until",
                condition=models.Q(keep_until__isnull=False),
            ),
            # For those that are run again, of which there are few.
            models.Index(
                fields=["rerun_at"],
                name="django_q_task_rerun",
                condition=models.Q(rerun_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.id

    @property
    def is_rerun(self) -> bool:
        """Whether it is run again under its id, and has not ended since."""
        return self.rerun_at is not None and self.rerun_at == self.stopped

    @property
    def hook_name(self) -> str | None:
        """The name of the hook alone."""
        return (self.hook or "").partition(UNDONE_SEPARATOR)[0] or None

    @property
    def undone(self) -> str | None:
        """What could not be done after the task, such as the next link of its chain."""
        return (self.hook or "").partition(UNDONE_SEPARATOR)[2].removesuffix("]") or None

    @staticmethod
    def get_task(task_id: str) -> Task | None:
        """Find a task by its id or its name."""
        task_id = named_task(task_id)
        ended = Task.objects.filter(HAS_ENDED)
        by_id = ended.filter(id=task_id).first() if len(task_id) == 32 else None
        return by_id or ended.filter(name=clipped(task_id, "name")).first()

    @staticmethod
    def get_result(task_id: str) -> Any:
        """Find the result of a task by its id or its name; None where there is no such task."""
        task = Task.get_task(task_id)
        return task.result if task else None

    @staticmethod
    def get_task_group(group_id: str, failures: bool = True) -> models.QuerySet:
        """Find the tasks of a group; with ``failures`` False only those that succeeded."""
        tasks = in_group(group_id).filter(HAS_ENDED)
        return tasks if failures else tasks.filter(success=True)

    @staticmethod
    def get_result_group(group_id: str, failures: bool = False) -> models.QuerySet:
        """Find the results of a group; with ``failures`` also the texts of its exceptions."""
        return Task.get_task_group(group_id, failures).values_list("result", flat=True)

    @staticmethod
    def get_group_count(group_id: str, failures: bool = False) -> int:
        """Count the tasks of a group that ended; with ``failures`` only those that failed."""
        tasks = in_group(group_id).order_by()
        if failures:
            return tasks.filter(HAS_ENDED, success=False).count()
        rerun = Coalesce(rerun_count(group_id), 0)
        return tasks.aggregate(number=models.Count("*") - rerun)["number"]

    @staticmethod
    def delete_group(group_id: str, objects: bool = False) -> Any:
        """Take the label off the tasks of a group; with ``objects`` delete the tasks."""
        tasks = in_group(group_id)
        return tasks.delete() if objects else tasks.update(group=None)

    def group_result(self, failures: bool = False) -> models.QuerySet | None:
        """Find the results of this task's group; None without a group."""
        return self.get_result_group(self.group, failures) if self.group else None

    def group_count(self, failures: bool = False) -> int | None:
        """Count the tasks of this task's group; None without a group."""
        return self.get_group_count(self.group, failures) if self.group else None

    def group_delete(self, tasks: bool = False) -> Any:
        """Take the label off this task's group; with ``tasks`` delete the tasks."""
        return self.delete_group(self.group, tasks) if self.group else None

    def time_taken(self) -> float:
        """Return the seconds from when the task was enqueued to its end."""
        return (self.stopped - self.started).total_seconds()

    @property
    def short_result(self) -> str:
        """The first hundred characters of the result."""
        is_text = isinstance(self.result, str)
        return self.result[:100] if is_text else represent(self.result, 100)


#: The characters that the columns of texts hold.
MAX_LENGTHS = {field.name: field.max_length for field in Task._meta.local_fields}


def with_outcome(tasks: models.QuerySet, *, success: bool) -> models.QuerySet:
    """Filter tasks by their outcome.

    By IN: ``success=True`` becomes ``WHERE success``, for which SQLite uses no index.
    """
    return tasks.filter(success__in=[success])


class SuccessManager(models.Manager):
    """The manager of ``Success``: tasks that succeeded."""

    def get_queryset(self) -> models.QuerySet:
        """Select the tasks that succeeded."""
        return with_outcome(super().get_queryset(), success=True)


class FailureManager(models.Manager):
    """The manager of ``Failure``: tasks that failed."""

    def get_queryset(self) -> models.QuerySet:
        """Select the tasks that failed."""
        return with_outcome(super().get_queryset(), success=False)


class Success(Task):
    """A task that succeeded."""

    objects = SuccessManager()

    class Meta:
        app_label = "django_q"
        proxy = True
        verbose_name = _("successful task")
        verbose_name_plural = _("successful tasks")
        ordering = ["-stopped"]


class Failure(Task):
    """A task that failed."""

    objects = FailureManager()

    class Meta:
        app_label = "django_q"
        proxy = True
        verbose_name = _("failed task")
        verbose_name_plural = _("failed tasks")
        ordering = ["-stopped"]
