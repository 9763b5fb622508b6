"""Who may see what of the dashboard, and its navigation."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.utils.translation import gettext_lazy as _

#: Permissions of which a user needs one. Who may change rows may view them, as in the admin.
VIEW_QUEUES = ("django_q.view_ormq", "django_q.change_ormq")
VIEW_SUCCESSES = ("django_q.view_success", "django_q.change_success")
VIEW_FAILURES = ("django_q.view_failure", "django_q.change_failure")
VIEW_SCHEDULES = ("django_q.view_schedule", "django_q.change_schedule")
VIEW_TASKS = (*VIEW_QUEUES, *VIEW_SUCCESSES, *VIEW_FAILURES)
VIEW_ANYTHING = (*VIEW_TASKS, *VIEW_SCHEDULES)
RUN_FUNCTIONS = ("django_q.run_functions",)
#: To see arguments, results and logs, on pages that other permissions open.
SEE_VALUES = ("django_q.see_values",)
#: Those of all who have a reason to come.
USE_ANYTHING = (*VIEW_ANYTHING, *RUN_FUNCTIONS)


class Section(NamedTuple):
    """An entry of the navigation."""

    #: The name of its address, which is that of the section.
    name: str
    title: Any
    #: Of which a user needs one.
    permissions: tuple[str, ...]


#: In the order of the navigation.
SECTIONS = (
    Section("overview", _("Overview"), USE_ANYTHING),
    Section("tasks", _("Tasks"), VIEW_TASKS),
    Section("charts", _("Charts"), VIEW_TASKS),
    Section("failures", _("Failures by kind"), VIEW_FAILURES),
    Section("queues", _("Queues"), VIEW_QUEUES),
    Section("clusters", _("Clusters"), VIEW_QUEUES),
    Section("schedules", _("Schedules"), VIEW_SCHEDULES),
    Section("functions", _("Run a task"), RUN_FUNCTIONS),
)


def may(user: Any, permissions: tuple[str, ...]) -> bool:
    """Return True if a user has one of the permissions."""
    return any(user.has_perm(name) for name in permissions)


def sees_values(user: Any) -> bool:
    """Return True if a user may see the arguments, results and logs of tasks."""
    return may(user, SEE_VALUES)


def sections_for(user: Any) -> list[Section]:
    """List the sections that a user may view."""
    return [section for section in SECTIONS if may(user, section.permissions)]
