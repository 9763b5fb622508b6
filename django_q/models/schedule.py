"""The table of schedules: which task is enqueued when."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_q import recurrence
from django_q.conf import Conf
from django_q.models.admin_links import task_admin_url
from django_q.models.columns.stored_texts import StorableCharField
from django_q.models.schedule_fields import argument_text, next_run_changes
from django_q.models.schedule_fields.due_times import aware_utc, database_time, next_storable_due
from django_q.models.schedule_fields.type_words import schedule_type
from django_q.models.schedule_fields.validators import (
    validate_args,
    validate_call,
    validate_cron,
    validate_functions,
    validate_kwarg,
    validate_kwargs,
    validate_rule,
    validate_time_zone,
)
from django_q.models.task import HAS_ENDED, Task
from django_q.servers.database_clock import database_now
from django_q.wire.package import options_in

#: The longest jitter: a day.
MAX_JITTER_SECONDS = 86400
#: Fields that name what is called.
CALLABLE_FIELDS = frozenset({"func", "hook", "kwargs"})


class Schedule(models.Model):
    """A task that is enqueued when it is due, once or again and again."""

    ONCE = recurrence.ONCE
    MINUTES = recurrence.MINUTES
    HOURLY = recurrence.HOURLY
    DAILY = recurrence.DAILY
    WEEKLY = recurrence.WEEKLY
    BIWEEKLY = recurrence.BIWEEKLY
    MONTHLY = recurrence.MONTHLY
    BIMONTHLY = recurrence.BIMONTHLY
    QUARTERLY = recurrence.QUARTERLY
    YEARLY = recurrence.YEARLY
    CRON = recurrence.CRON
    TYPE = (
        (ONCE, _("Once")),
        (MINUTES, _("Minutes")),
        (HOURLY, _("Hourly")),
        (DAILY, _("Daily")),
        (WEEKLY, _("Weekly")),
        (BIWEEKLY, _("Biweekly")),
        (MONTHLY, _("Monthly")),
        (BIMONTHLY, _("Bimonthly")),
        (QUARTERLY, _("Quarterly")),
        (YEARLY, _("Yearly")),
        (CRON, _("Cron")),
    )
    ALLOW = "allow"
    SKIP = "skip"
    OVERLAP = ((ALLOW, _("Run anyway")), (SKIP, _("Skip the new run")))
    #: Why it is paused, where that was no person: its function no longer declares it.
    UNDECLARED = "undeclared"
    CATCH_UP = (
        (recurrence.CATCH_UP_ALL, _("Run all")),
        (recurrence.CATCH_UP_LATEST, _("Run the latest")),
        (recurrence.CATCH_UP_NONE, _("Run none")),
    )

    name = StorableCharField(
        _("name"),
        max_length=100,
        null=True,
        blank=True,
        help_text=_("Also the group of its tasks, unless its keyword arguments name one."),
    )
    func = models.CharField(
        _("function"), max_length=256, help_text=_("Dotted path, such as shop.tasks.send_mails.")
    )
    hook = models.CharField(
        _("hook"),
        max_length=256,
        null=True,
        blank=True,
        help_text=_("Dotted path of a function that is called with the finished task."),
    )
    args = models.TextField(
        _("arguments"),
        null=True,
        blank=True,
        validators=[validate_args],
        help_text=_("Python literals, such as: 1, 'two', [3, 4]"),
    )
    kwargs = models.TextField(
        _("keyword arguments"),
        null=True,
        blank=True,
        validators=[validate_kwargs],
        help_text=_("Python literals, such as: x=1, y='two'"),
    )
    schedule_type = models.CharField(_("type"), max_length=2, choices=TYPE, default=ONCE)
    minutes = models.PositiveSmallIntegerField(
        _("minutes"),
        null=True,
        blank=True,
        help_text=_("Minutes between two runs, for the type Minutes."),
    )
    repeats = models.IntegerField(
        _("repeats"), default=-1, help_text=_("Runs that are left; -1 for ever, 0 none.")
    )
    next_run = models.DateTimeField(_("next run"), default=timezone.now, null=True)
    cron = models.CharField(
        _("cron expression"),
        max_length=100,
        null=True,
        blank=True,
        validators=[validate_cron],
        help_text=_("Minute, hour, day, month, weekday, for the type Cron: 0 9 * * 1-5"),
    )
    #: Id of the task that was enqueued last.
    task = models.CharField(_("last task"), max_length=100, null=True, editable=False)
    cluster = models.CharField(
        _("cluster"),
        max_length=100,
        null=True,
        blank=True,
        help_text=_("Name of the cluster that runs it; empty for the default one."),
    )
    intended_date_kwarg = models.CharField(
        _("due time argument"),
        max_length=100,
        null=True,
        blank=True,
        validators=[validate_kwarg],
        help_text=_("Name of a keyword argument that receives the time the run was due."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        null=True,
        blank=True,
        validators=[validate_time_zone],
        help_text=_("Whose clock it goes by, such as Europe/Amsterdam; empty for the project's."),
    )
    catch_up = models.CharField(
        _("missed runs"),
        max_length=8,
        null=True,
        blank=True,
        choices=CATCH_UP,
        help_text=_("What to do about runs that were due while no cluster was running."),
    )
    overlap = models.CharField(
        _("overlap"),
        max_length=8,
        choices=OVERLAP,
        default=ALLOW,
        db_default=ALLOW,
        help_text=_("What to do when a run is due while the one before has not ended."),
    )
    jitter = models.PositiveIntegerField(
        _("jitter"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(MAX_JITTER_SECONDS)],
        help_text=_("Seconds by which each run is put off at most, by chance."),
    )
    paused = models.BooleanField(_("paused"), default=False, db_default=False)
    #: A code, such as ``UNDECLARED``; None where a person has paused it.
    pause_reason = models.CharField(max_length=16, null=True, editable=False)
    #: Dotted name of the function whose ``@scheduled`` declares it; None where it was made by hand.
    source = models.CharField(max_length=256, null=True, editable=False)
    #: Why it was paused or is tried again: the last error of making its task or next due time.
    error = models.TextField(_("error"), null=True, blank=True, editable=False)
    #: The due time that steps are counted from, so that a run which the calendar or a clock
    #: change moved does not move those after it.
    anchor = models.DateTimeField(null=True, editable=False)
    #: Until then the due time is claimed by a scheduler, which will advance ``next_run``.
    claimed = models.DateTimeField(null=True, editable=False)
    #: Id of the task that ended last; set if ``overlap`` is "skip", as the next run waits for it.
    ended = models.CharField(max_length=32, null=True, editable=False)

    objects = next_run_changes.ScheduleQuerySet.as_manager()

    class Meta:
        app_label = "django_q"
        verbose_name = _("scheduled task")
        verbose_name_plural = _("scheduled tasks")
        ordering = ["next_run"]
        indexes = [models.Index(fields=["next_run"], name="django_q_schedule_next_run")]

    def __str__(self) -> str:
        return self.func

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with ``next_run`` computed where the cron expression is new or has changed.

        A new expression counts from ``next_run`` on. Raises ``RecurrenceError`` where the rule is
        new or has changed, and is invalid.
        """
        self.schedule_type = schedule_type(self.schedule_type)
        if not CALLABLE_FIELDS.isdisjoint(kwargs.get("update_fields") or CALLABLE_FIELDS):
            validate_functions(self.func, self.hook, self.kwargs)
        using, fields = kwargs.get("using"), kwargs.get("update_fields")
        if (fields := next_run_changes.follow_rule(self, using, fields)) is not None:
            kwargs["update_fields"] = fields
        super().save(*args, **kwargs)

    def clean_fields(self, exclude: Any = None) -> None:
        """Validate each field, after replacing a word for the type by its code."""
        self.schedule_type = schedule_type(self.schedule_type)
        super().clean_fields(exclude=exclude)

    def clean(self) -> None:
        """Raise ValidationError where the rule is invalid or over, or no task can be made."""
        validate_call(self.func, self.hook, self.kwargs)
        validate_functions(self.func, self.hook, self.kwargs)
        validate_rule(self)

    @property
    def now(self) -> datetime:
        """The current time, by the clock of the database that the schedule is in."""
        return database_now(next_run_changes.alias_of(self))

    @property
    def zone(self) -> tzinfo:
        """The time zone in which its times of day are meant."""
        return recurrence.time_zone(self.time_zone or Conf.TIME_ZONE)

    def rule(self, due: datetime) -> recurrence.Rule:
        """Make the recurrence rule of the schedule, of which ``due`` is a due time."""
        return recurrence.Rule(
            kind=schedule_type(self.schedule_type),
            zone=self.zone,
            anchor=aware_utc(self.anchor or due),
            minutes=self.minutes,
            cron=self.cron,
        ).anchored_to(aware_utc(due))

    def calculate_next_run(self, next_run: datetime | None = None) -> datetime | None:
        """Return the due time after ``next_run``, or after its own; None after the last one.

        Raises ``RecurrenceError`` when the rule is invalid.
        """
        due = next_run or self.next_run or self.now
        following = next_storable_due(
            self.rule(due), recurrence.next_due(self.rule(due), aware_utc(due)), due
        )
        return database_time(following)

    def plan(self, now: datetime | None = None, limit: int = 100) -> recurrence.Plan:
        """Return the due times to run at ``now`` and the one that follows; all are aware.

        At most ``limit`` runs; where more are due, ``next_run`` of the plan is one of them.
        ``next_run`` and ``anchor`` of the plan are to be saved, each by ``database_time``.
        Raises ``RecurrenceError`` when the rule is invalid.
        """
        due = aware_utc(self.next_run)
        rule = self.rule(due)
        plan = recurrence.due_times(
            rule,
            due,
            aware_utc(now or self.now),
            catch_up=self.catch_up or Conf.CATCH_UP,
            limit=limit,
        )
        return plan._replace(next_run=next_storable_due(rule, plan.next_run, (due, *plan.runs)[-1]))

    def call(self, due: datetime) -> tuple[tuple, dict[str, Any]]:
        """Return the arguments of the call that is due: positional, and by name with q_options.

        Raises ValueError when their texts can not be read.
        """
        args, kwargs = argument_text.parse_args(self.args), argument_text.parse_kwargs(self.kwargs)
        options = dict(options_in(kwargs.pop("q_options", None)))
        own = {"hook": self.hook, "cluster": self.cluster}
        options |= {key: value for key, value in own.items() if value}
        if "group" not in kwargs:
            options.setdefault("group", self.name or str(self.pk))
        if self.intended_date_kwarg:
            kwargs[self.intended_date_kwarg] = database_time(due).isoformat()
        return args, {**kwargs, "q_options": options}

    def pause(self) -> None:
        """Stop running it until it is resumed. Not saved."""
        self.paused, self.pause_reason = True, None

    def resume(self, now: datetime | None = None) -> None:
        """Run it again from the next due time on, without those during the pause. Not saved.

        Raises ``RecurrenceError`` when the rule is invalid.
        """
        self.paused, self.pause_reason, self.error, self.claimed = False, None, None, None
        moment = aware_utc(now or self.now)
        if self.schedule_type != self.ONCE and self.next_run and aware_utc(self.next_run) <= moment:
            rule = self.rule(self.next_run)
            following = next_storable_due(rule, recurrence.next_due(rule, moment), moment)
            if following is None:
                self.repeats = 0  # no due time follows
                return
            self.next_run, self.anchor = database_time(following), database_time(rule.anchor)

    def last_task(self) -> Task | None:
        """Find the task that was enqueued last; None when it has not ended or was not saved."""
        return Task.objects.filter(HAS_ENDED, id=self.task).first() if self.task else None

    def success(self) -> bool | None:
        """Return whether the last task succeeded; None when it has not ended or was not saved."""
        task = self.last_task()
        return task.success if task else None

    success.boolean = True
    success.short_description = _("success")

    def last_run(self) -> str | None:
        """Return a link to the last task in the admin; its name or id where there is no such page.

        None where it never ran.
        """
        if not self.task:
            return None
        task = self.last_task()
        address = task_admin_url(task.id, task.success) if task else ""
        if not address:
            return str(task or self.task)
        return format_html('<a href="{}">{}</a>', address, task)

    last_run.short_description = _("last run")
