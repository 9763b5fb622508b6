"""The tasks that workers run, with all that is known of them: as values for JSON, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_q.brokers import Broker
from django_q.brokers.other_queues import queue_label
from django_q.status import Stat
from django_q.unfinished.progress import progress_of, progress_text
from django_q.unfinished.reading import broker_for
from django_q.unfinished.task import from_broker, from_heartbeat

#: Tasks that are looked up in their queues at most.
MAX_LISTED_RUNS = 100


def runs_as_dicts(broker: Broker, stats: Sequence[Stat]) -> list[dict[str, Any]]:
    """Describe the tasks that run, the longest running first, as values for JSON.

    What is kept of one beside its payload, as how earlier attempts have ended, is read from its
    queue.
    """
    runs = [(run, stat) for stat in stats for run in stat.running]
    runs.sort(key=lambda each: -each[0]["seconds"])
    return [run_as_dict(broker, run, stat) for run, stat in runs[:MAX_LISTED_RUNS]]


def run_as_dict(broker: Broker, run: dict[str, Any], stat: Stat) -> dict[str, Any]:
    """Describe a task that runs."""
    own = queue_label(broker.list_key) == stat.queue
    found = (broker if own else broker_for(stat.queue)).find(run["id"]) if stat.queue else None
    if found:
        task = from_broker(found, stat.queue, {run["id"]: run})
    else:
        task = from_heartbeat(run, stat.queue)
    where = {"host": stat.host, "cluster_id": str(stat.cluster_id), "pid": run["pid"]}
    return {**asdict(task), **where, "seconds": run["seconds"]}


def remarks(run: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is to be said of a task that runs: note, attempts, who has cancelled it."""
    if run["note"]:
        yield run["note"]
    if run["ended_count"]:
        yield attempts_text(run)
    if run["cancelled"]:
        yield run["cancelled"]


def attempts_text(run: Mapping[str, Any]) -> str:
    """Write how many attempts have failed, of how many, and how the last one has."""
    last = (run["ends"] or [{}])[-1]
    error = str(last.get("exception") or last.get("text") or "?").rpartition(".")[2]
    count, retries = run["ended_count"], run["retries"]
    if retries is None:
        text = ngettext("%(count)d attempt failed: %(error)s",
                        "%(count)d attempts failed, the last: %(error)s", count)  # fmt: skip
    else:
        text = _("attempt %(next)d of %(all)d, the last failed: %(error)s")
    return text % {"count": count, "next": count + 1, "all": (retries or 0) + 1, "error": error}


def progress_column(run: Mapping[str, Any]) -> str:
    """Write the progress of a task that runs, or that it is cancelled."""
    if run.get("cancelled"):
        return _("cancelled")
    done, total, _note = progress_of(run)
    return progress_text(done, total)
