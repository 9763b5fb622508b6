"""The rows of the outbox: added, claimed by a relay, deleted. Times are those of the database."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import F, QuerySet

from django_q.brokers.terms import Terms
from django_q.conf import Conf
from django_q.models import OutboxTask
from django_q.servers.database_clock import time_expression
from django_q.wire.package import new_id

#: Seconds for which a task is left to the process that has committed it.
OWN_PUSH_SECONDS = 2.0
#: Seconds after which another relay may claim a task that one has claimed.
RELAY_CLAIM_SECONDS = 30.0
#: Seconds until a task that can not be pushed, for a reason of its own, is tried again at most.
MAX_POSTPONE_SECONDS = 600.0
#: Rows of one statement.
ROW_BATCH_SIZE = 500


def outbox_rows() -> QuerySet[OutboxTask]:
    """Find the rows of the outbox."""
    return OutboxTask.objects.using(Conf.OUTBOX)


def make_rows(list_key: str, tasks: Iterable[tuple[str, Terms | None, str]]) -> list[OutboxTask]:
    """Make rows, which are not saved, of tasks: each a payload, its terms or None, and its id."""
    # Rows of one statement have one time: the ends of their keys tell their order.
    start = new_id()[:26]
    return [
        OutboxTask(
            key=f"{start}{number:06x}",
            list_key=list_key,
            task_id=task_id,
            payload=payload,
            terms=write_terms(terms) if terms else None,
        )
        for number, (payload, terms, task_id) in enumerate(tasks)
    ]


def add_rows(rows: Sequence[OutboxTask], wait_seconds: float = OWN_PUSH_SECONDS) -> None:
    """Save rows, in the open transaction if there is one; clusters push them after a while."""
    alias = Conf.OUTBOX
    for row in rows:
        row.created, row.due = time_expression(alias), time_expression(alias, wait_seconds)
    outbox_rows().bulk_create(rows, ROW_BATCH_SIZE)


def claim_due_rows(limit: int, skipped_queues: Collection[str] = ()) -> list[OutboxTask]:
    """Claim rows that are due, the oldest first, each with its ``age``.

    Each statement is a transaction of its own: a row that another relay claims in between is not
    due any more when the second one asks for it.
    """
    alias, claim = Conf.OUTBOX, new_id()
    due = outbox_rows().filter(due__lte=time_expression(alias))
    found = due.exclude(list_key__in=skipped_queues) if skipped_queues else due
    keys = list(found.order_by("due").values_list("key", flat=True)[:limit])
    if not keys:
        return []
    ends = time_expression(alias, RELAY_CLAIM_SECONDS)
    due.filter(key__in=keys).update(claim=claim, due=ends)
    claimed = outbox_rows().filter(claim=claim).annotate(read_at=time_expression(alias))
    rows = list(claimed.order_by("created", "key"))
    for row in rows:
        row.age = max(row.read_at - row.created, timedelta())
    return rows


def delete_rows(rows: Iterable[OutboxTask], unclaimed: bool = False) -> int:
    """Delete rows, or those of them that no relay has claimed; how many."""
    keys, deleted = [row.key for row in rows], 0
    options = {"claim": None} if unclaimed else {}
    for start in range(0, len(keys), ROW_BATCH_SIZE):
        part = keys[start : start + ROW_BATCH_SIZE]
        deleted += outbox_rows().filter(key__in=part, **options)._raw_delete(Conf.OUTBOX)
    return deleted


def release_rows(rows: Iterable[OutboxTask]) -> None:
    """Let relays claim rows again at once: their queue takes nothing now."""
    keys = [row.key for row in rows]
    outbox_rows().filter(key__in=keys).update(due=time_expression(Conf.OUTBOX))


def postpone_row(row: OutboxTask) -> float:
    """Have a row that can not be pushed wait, longer each time; the seconds."""
    seconds = min(OWN_PUSH_SECONDS * 2 ** min(row.attempts + 1, 20), MAX_POSTPONE_SECONDS)
    due = time_expression(Conf.OUTBOX, seconds)
    outbox_rows().filter(key=row.key).update(due=due, attempts=F("attempts") + 1)
    return seconds


def find_row(task_id: str) -> OutboxTask | None:
    """Find the row of a task by the id that its caller got."""
    return outbox_rows().filter(task_id=task_id).first()


def list_rows(list_key: str, after: str, limit: int) -> list[OutboxTask]:
    """List rows of a queue in the order of their keys, those behind ``after``."""
    return list(outbox_rows().filter(list_key=list_key, key__gt=after).order_by("key")[:limit])


def list_keys() -> list[str]:
    """List the queues that have tasks in the outbox."""
    return list(outbox_rows().order_by().values_list("list_key", flat=True).distinct())


def count_rows(list_key: str) -> int:
    """Count the tasks of a queue that are still in the outbox."""
    return outbox_rows().filter(list_key=list_key).count()


def write_terms(terms: Terms) -> str:
    """Write terms as JSON, without those that are as they are by default."""
    defaults = Terms._field_defaults
    values = terms._asdict().items()
    return json.dumps({k: v for k, v in values if k not in defaults or v != defaults[k]})


def read_terms_of(row: OutboxTask) -> Terms | None:
    """Read the terms of a row; spans of time are counted from when it was made."""
    if not row.terms:
        return None
    given: dict[str, Any] = json.loads(row.terms)
    terms = Terms(**{name: given[name] for name in Terms._fields if name in given})
    passed = row.age.total_seconds()
    if terms.expires_in is not None:
        terms = terms._replace(expires_in=terms.expires_in - passed)
    return terms._replace(delay=max(terms.delay - passed, 0))
