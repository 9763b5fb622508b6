"""The logs of the attempts of a task, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_q.dashboard.display import single_line, time_element
from django_q.models import TaskLog
from django_q.task_logs.rows import saved_logs

#: Logs that are shown: those of the last attempts.
MAX_SHOWN_LOGS = 10


@dataclass(frozen=True)
class ShownLog:
    """The log of one attempt."""

    title: Any
    text: str
    #: Whether more was logged before the text.
    is_truncated: bool
    #: Whether it is shown at once: the last one is.
    is_open: bool = False


def logs_of(task_id: str) -> list[ShownLog]:
    """Describe the logs of a task, the oldest first."""
    rows = saved_logs(task_id)[-MAX_SHOWN_LOGS:]
    return [
        ShownLog(title_of(row), row.text, row.is_truncated, number == len(rows))
        for number, row in enumerate(rows, 1)
    ]


def title_of(row: TaskLog) -> Any:
    """Name an attempt by its number, its process and when it began."""
    number = _("attempt %(number)s") % {"number": row.attempt}
    return format_html("{} · {} · {}", number, single_line(row.worker), time_element(row.begun))
