"""The logs of the attempts of a task, as its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from datetime import timezone as dt_timezone
from typing import Any

from django.utils.html import format_html
from django.utils.translation import gettext as _

from django_q.conf import Conf
from django_q.dashboard.display import single_line, time_element
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.models import TaskLog
from django_q.orders.showing import answer
from django_q.task_logs.following import log_so_far
from django_q.task_logs.rows import saved_logs
from django_q.task_state.shown import STACK
from django_q.unfinished.reading import broker_for
from django_q.unfinished.task import RUNNING

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


def logs_of(task: ListedTask) -> list[ShownLog]:
    """Describe the logs of a task, the oldest first; the last one as far as it is, if it runs."""
    rows = saved_logs(task.id)[-MAX_SHOWN_LOGS:]
    if Conf.KEEP_LOGS and task.state == RUNNING:
        so_far = log_so_far(task.id, broker_for(task.queue or None))
        if so_far and so_far.attempt == task.attempt:
            rows.append(so_far)
    return [
        ShownLog(title_of(row), row.text, row.is_truncated, number == len(rows))
        for number, row in enumerate(rows, 1)
    ]


def stack_of(task: ListedTask) -> ShownLog | None:
    """Return the stack of a task, if it runs and somebody has asked for it a moment ago."""
    if task.state != RUNNING:
        return None
    shown = answer(broker_for(task.queue or None), STACK, task.id)
    if shown is None:
        return None
    moment = datetime.fromtimestamp(shown.at, dt_timezone.utc)
    title = format_html("{} · {}", single_line(shown.worker), time_element(moment))
    return ShownLog(title, shown.text, False)


def title_of(row: TaskLog) -> Any:
    """Name an attempt by its number, its process and when it began."""
    number = _("attempt %(number)s") % {"number": row.attempt}
    return format_html("{} · {} · {}", number, single_line(row.worker), time_element(row.begun))
