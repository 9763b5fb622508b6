"""All that is known of one row, as lines. Secrets are dots, as on the dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from django_q.dashboard.failures.kinds import Kind
from django_q.dashboard.task_search.listed_task import ListedTask
from django_q.dashboard.tasks.found_task import FoundTask, StoredValue, find_task
from django_q.humanhash import humanize
from django_q.status import Stat
from django_q.text.printable import printable
from django_q.text.representation import represent
from django_q.unfinished.progress import progress_text
from django_q.unfinished.queues import QueueState

#: Characters that are shown of arguments.
MAX_SHOWN_ARGUMENTS = 1000


def lines_of(facts: Sequence[tuple[Any, Any]]) -> list[str]:
    """Write what is known, a fact on a line, without those that are not."""
    known = [(str(label), printable(value)) for label, value in facts if value not in (None, "")]
    width = max((len(label) for label, _value in known), default=0)
    return [f"{label.ljust(width)}  {value}" for label, value in known]


def cluster_name_of(stat: Stat) -> str:
    """Return the name of a cluster as its log has it; the predecessors do not send it."""
    known = getattr(stat.cluster_id, "hex", None)
    return stat.name or (humanize(known) if known else str(stat.cluster_id))


def cluster_details(stat: Stat) -> list[str]:
    """Tell of a cluster: names, processes, what it holds."""
    return lines_of(
        [
            (_("Cluster"), cluster_name_of(stat)),
            (_("Id"), stat.cluster_id),
            (_("Host"), stat.host),
            (_("Queue"), stat.queue),
            (_("State"), stat.status),
            (_("Process id"), stat.pid),
            (_("Sentinel"), stat.sentinel),
            (_("Pusher"), stat.pusher),
            (_("Monitor"), stat.monitor),
            (_("Scheduler"), stat.scheduler or None),
            (_("Workers"), " ".join(map(str, stat.workers))),
            (_("Restarts"), stat.reincarnations),
            (_("Taken and not begun"), stat.task_q_size),
            (_("Results not saved"), stat.done_q_size),
        ]
    )


def queue_details(state: QueueState) -> list[str]:
    """Tell of a queue: its figures and orders."""
    return lines_of(
        [
            (_("Queue"), state.name),
            (_("Waiting"), state.counts.waiting),
            (_("Delayed"), state.counts.delayed),
            (_("Leased"), state.counts.leased),
            (_("Running"), state.running),
            (_("limit"), state.control.limit),
            (_("paused clusters"), " ".join(sorted(state.control.paused_clusters))),
        ]
    )


def run_details(run: ListedTask) -> list[str]:
    """Tell of a task that runs, with its arguments."""
    return task_details(find_task(run.id, run.queue or None) or FoundTask(run))


def kind_details(kind: Kind) -> list[str]:
    """Tell of a kind of failures, and of its newest one with the traceback."""
    found = find_task(kind.sample_id, None)
    about = [(_("fingerprint"), kind.fingerprint), (_("Number"), kind.count)]
    return [*lines_of(about), "", *(task_details(found) if found else [])]


def task_details(found: FoundTask) -> list[str]:
    """Tell of a task, with its arguments, and with the traceback where it has failed."""
    task = found.listed
    facts = [
        (_("Name"), task.name),
        (_("Id"), task.id),
        (_("Function"), task.func),
        (_("arguments"), arguments_text(found)),
        (_("Queue"), task.queue),
        (_("Group"), task.group),
        (_("Worker"), task.worker),
        (_("Attempts"), task.attempt or None),
        (_("Enqueued"), time_text(task.enqueued)),
        (_("Ended"), "" if task.is_unfinished else time_text(task.when)),
        (_("Progress"), progress_text(task.done, task.total)),
        ("", task.note),
        (_("Exception"), task.exception),
    ]
    return [*lines_of(facts), *([""] if found.error else []), *error_lines(found.error)]


def time_text(moment: datetime | None) -> str:
    """Write a time to the second; empty where nobody knows it."""
    if moment is None:
        return ""
    return timezone.template_localtime(moment).isoformat(" ", "seconds")


def arguments_text(found: FoundTask) -> str:
    """Write the arguments as they stand in a call, as far as they are known."""
    return ", ".join([*positional_texts(found.args), *keyword_texts(found.kwargs)])


def positional_texts(stored: StoredValue) -> Iterator[str]:
    """Write positional arguments."""
    if stored.is_known and isinstance(stored.value, (list, tuple)):
        yield from (represent(each, MAX_SHOWN_ARGUMENTS) for each in stored.value)


def keyword_texts(stored: StoredValue) -> Iterator[str]:
    """Write keyword arguments."""
    if stored.is_known and isinstance(stored.value, dict):
        for name, value in stored.value.items():
            yield f"{name}={represent(value, MAX_SHOWN_ARGUMENTS)}"


def error_lines(text: str) -> list[str]:
    """Break the text of a failure into lines."""
    return [printable(line, 1000) for line in text.expandtabs(4).splitlines()]
