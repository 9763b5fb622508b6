"""Delete successes beyond ``save_limit``, and those that nobody asks for any more.

A row with ``keep_until`` is outside ``save_limit`` until then: somebody may ask for it. After that
a success is deleted, and a failure is a row as any other. So are rows that have just ended while
somebody waits for results.

Where nothing refers to ``Task`` they are deleted by one statement, in the transaction that saves
new results. Where a model of the project refers to it, or a receiver is connected to its deletion
signals, Django deletes them in a transaction of its own: an error there must not undo results.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from django.db import models, router, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.deletion import DO_NOTHING, PROTECT, RESTRICT
from django.db.models.functions import RowNumber
from django.db.models.signals import post_delete, pre_delete
from django.utils import timezone

from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.models import Success, Task
from django_q.text.error_text import error_summary

#: Rows that Django deletes at a time: it may load each of them, and what refers to it.
MAX_DJANGO_DELETES = 100
#: Rows whose deletion fails one after the other before pruning pauses for a while.
MAX_REFUSALS_IN_A_ROW = 3
#: Seconds of that pause: at first, and at most.
PRUNING_BACKOFF_SECONDS = (5.0, 600.0)
#: Rows that are excluded at most because their deletion has failed.
MAX_REFUSED_IDS = 200
#: A search for rows that takes longer than this is slow; many other rows are kept then.
SLOW_SEARCH_SECONDS = 0.01
#: The share of the time that slow searches may take.
MAX_SEARCH_SHARE = 0.02
#: Rows that are deleted after a slow search at most.
MAX_PRUNED_ROWS = 10_000
#: For how long rows are outside ``save_limit`` while somebody waits for results, and for how long
#: somebody counts as waiting who was told of some: who is told reads within a moment.
WAITED_FOR_SECONDS = 5.0
#: Rows are deleted by the first of these models whose deletion signals have receivers.
PRUNED_MODELS = (Task, Success)


class PruningFailures:
    """The rows that this process could not delete recently, and until when pruning pauses."""

    refused_ids: ClassVar[set[str]] = set()
    consecutive_failures = 0
    retry_at = 0.0  # monotonic; when to try again
    backoff_seconds = PRUNING_BACKOFF_SECONDS[0]
    next_log_at = 0.0  # monotonic; when to log it again

    @classmethod
    def record(cls, ids: list[str], error: Exception) -> None:
        """Record that rows could not be deleted; pause pruning where that fails repeatedly."""
        now = time.monotonic()
        if len(cls.refused_ids) > MAX_REFUSED_IDS:
            cls.refused_ids.clear()
        cls.refused_ids.update(ids)
        cls.consecutive_failures += 1
        if cls.consecutive_failures >= MAX_REFUSALS_IN_A_ROW:
            cls.retry_at, cls.backoff_seconds = (
                now + cls.backoff_seconds,
                min(cls.backoff_seconds * 4, PRUNING_BACKOFF_SECONDS[1]),
            )
            cls.refused_ids.clear()
        if now >= cls.next_log_at:
            cls.next_log_at = now + PRUNING_BACKOFF_SECONDS[1]
            logger.error("results beyond save_limit can not be deleted: %s", error_summary(error))

    @classmethod
    def reset(cls) -> None:
        """Record that rows were deleted: there is no reason to pause any more."""
        cls.consecutive_failures, cls.retry_at, cls.backoff_seconds = (
            0,
            0.0,
            PRUNING_BACKOFF_SECONDS[0],
        )


class WaitedFor:
    """Until when somebody may wait for results, as far as this process has told of them.

    Nobody knows for which: all that have just ended are outside ``save_limit`` meanwhile.
    """

    until = 0.0  # monotonic

    @classmethod
    def record(cls) -> None:
        """Record that somebody waits."""
        cls.until = time.monotonic() + WAITED_FOR_SECONDS


class SlowSearches:
    """Until when this process does not look for rows to delete, as that takes long.

    Rows that are kept for a time stand among the others: whoever looks for those beyond
    ``save_limit`` passes them. So that takes a small share of the time, and finds many at once.
    """

    next_at = 0.0  # monotonic
    is_slow = False

    @classmethod
    def record(cls, seconds: float, is_complete: bool, alias: str) -> None:
        """Record how long a search took, and whether it has found all that there is."""
        cls.is_slow = seconds > SLOW_SEARCH_SECONDS and has_kept_rows(alias)
        if cls.is_slow and is_complete:
            cls.next_at = time.monotonic() + seconds / MAX_SEARCH_SHARE


def has_kept_rows(alias: str) -> bool:
    """Return True if rows are kept for a time."""
    return Task.objects.using(alias).filter(keep_until__isnull=False).order_by().exists()


def can_delete_directly() -> bool:
    """Return True if rows can be deleted by one statement, and no deletion failed recently."""
    if PruningFailures.retry_at or PruningFailures.refused_ids or next(referring_relations(), None):
        return False
    return not any(map(has_delete_receivers, PRUNED_MODELS))


def has_delete_receivers(model: type[Task]) -> bool:
    """Return True if receivers are connected to the deletion signals of a model."""
    return pre_delete.has_listeners(model) or post_delete.has_listeners(model)


def referring_relations() -> Iterator[Any]:
    """Yield the relations by which other models refer to ``Task``."""
    for field in Task._meta.get_fields(include_hidden=True):
        if field.auto_created and not field.concrete and (field.one_to_one or field.one_to_many):
            yield field


def prune_separately(alias: str, at_most: int) -> None:
    """Delete successes beyond ``save_limit`` as Django does. Never raises."""
    if time.monotonic() < PruningFailures.retry_at:
        return
    ids: list[str] = []
    try:
        with transaction.atomic(using=alias):
            ids = surplus(alias, min(at_most, MAX_DJANGO_DELETES))
        if ids:
            delete(ids, alias)
            PruningFailures.reset()
    except BaseException as error:  # models and receivers of projects may raise anything
        contain_error(error)
        PruningFailures.record(ids, error)


def delete(ids: list[str], alias: str) -> None:
    """Delete rows together; one by one where that fails, so that one failure keeps no other row."""
    try:
        delete_together(ids, alias)
        return
    except BaseException as error:
        contain_error(error)
        if len(ids) < 2:
            raise
    refused: list[str] = []
    for each in ids:
        try:
            delete_together([each], alias)
        except BaseException as error:
            contain_error(error)
            refused.append(each)
            if len(refused) == MAX_REFUSALS_IN_A_ROW == ids.index(each) + 1:
                raise  # the deletion fails for each row
            PruningFailures.record([each], error)
            PruningFailures.consecutive_failures = 0


def delete_together(ids: list[str], alias: str) -> None:
    """Delete rows by Django, with what depends on them and with the deletion signals."""
    model = next(filter(has_delete_receivers, PRUNED_MODELS), Task)
    with transaction.atomic(using=alias):
        model.objects.using(alias).filter(pk__in=ids).delete()


def prune(alias: str, at_most: int) -> None:
    """Delete successes beyond ``save_limit``, the latest of them first, ``at_most`` so many.

    A new limit on a table of a million rows must not keep results from being saved.
    """
    if SlowSearches.is_slow:
        at_most = max(at_most, MAX_PRUNED_ROWS)
    if ids := surplus(alias, at_most):
        Task.objects.using(alias).filter(id__in=ids)._raw_delete(alias)


def surplus(alias: str, at_most: int) -> list[str]:
    """Find the ids of successes beyond ``save_limit`` that no other row protects."""
    began = time.monotonic()
    if Conf.SAVE_LIMIT <= 0 or began < SlowSearches.next_at:
        return []
    ids = list(surplus_ids(alias, at_most))
    if (seconds := time.monotonic() - began) > SLOW_SEARCH_SECONDS or SlowSearches.is_slow:
        SlowSearches.record(seconds, len(ids) < at_most, alias)
    return ids


def surplus_ids(alias: str, at_most: int) -> Any:
    """Select the ids of successes beyond ``save_limit``."""
    if Conf.SAVE_LIMIT_PER in ("group", "name", "func"):
        return surplus_of_each(alias, Conf.SAVE_LIMIT_PER)[:at_most]
    # Not filter(success=True): SQLite does not look a bare boolean up in an index.
    rows = Task.objects.using(alias).filter(success__in=[True], keep_until__isnull=True)
    kept = unprotected(without_waited_for(rows)).order_by("-stopped")
    end = Conf.SAVE_LIMIT + at_most
    return kept.values_list("id", flat=True)[Conf.SAVE_LIMIT : end]


def surplus_of_each(alias: str, column: str) -> QuerySet:
    """Select the ids of successes beyond ``save_limit`` of each group, name or function."""
    rows = Success.objects.using(alias).filter(keep_until__isnull=True)
    numbered = unprotected(without_waited_for(rows)).annotate(
        place=Window(RowNumber(), partition_by=[F(column)], order_by=[F("stopped").desc(), F("id")])
    )
    return numbered.filter(place__gt=Conf.SAVE_LIMIT).order_by().values_list("id", flat=True)


def without_waited_for(rows: QuerySet) -> QuerySet:
    """Leave out what has just ended, where somebody may wait for it."""
    if time.monotonic() >= WaitedFor.until:
        return rows
    return rows.filter(stopped__lt=timezone.now() - timedelta(seconds=WAITED_FOR_SECONDS))


def delete_outlived(at_most: int) -> int:
    """Delete successes that were kept until now for who may ask for them, ``at_most`` so many.

    Returns how many rows there were, with failures, which stay. Never raises.
    """
    alias = router.db_for_write(Task)
    if Conf.SAVE_LIMIT == 0 or time.monotonic() < PruningFailures.retry_at:
        return 0
    ids: list[str] = []
    try:
        outlived = Task.objects.using(alias).filter(keep_until__lte=timezone.now())
        found = outlived.order_by("keep_until").values_list("id", "success")[:at_most]
        outcomes = dict(found)
        failures = [task_id for task_id, success in outcomes.items() if not success]
        if failures:
            Task.objects.using(alias).filter(id__in=failures).update(keep_until=None)
        ids = list(outcomes.keys() - set(failures))
        delete_successes(ids, alias)
        return len(outcomes)
    except BaseException as error:  # models and receivers of projects may raise anything
        contain_error(error)
        PruningFailures.record(ids, error)
        return 0


def delete_successes(ids: list[str], alias: str) -> None:
    """Delete rows by one statement where that can be, else as Django does."""
    if can_delete_directly():
        Task.objects.using(alias).filter(id__in=ids)._raw_delete(alias)
        return
    rows = unprotected(Task.objects.using(alias).filter(id__in=ids))
    for _ in range(0, len(ids), MAX_DJANGO_DELETES):
        if some := list(rows.values_list("id", flat=True)[:MAX_DJANGO_DELETES]):
            delete(some, alias)


def unprotected(rows: QuerySet) -> QuerySet:
    """Leave out rows that can not be deleted: those that others refer to, or that have failed."""
    if PruningFailures.refused_ids:
        rows = rows.exclude(pk__in=list(PruningFailures.refused_ids))
    for relation in referring_relations():
        if blocks_deletion(relation) and router.db_for_write(relation.related_model) == rows.db:
            referring: QuerySet[models.Model] = relation.related_model._base_manager.using(rows.db)
            column = relation.field.attname
            rows = rows.exclude(Exists(referring.filter(**{column: OuterRef("pk")})))
    return rows


def blocks_deletion(relation: Any) -> bool:
    """Return True if rows that refer to ``Task`` by this relation keep it from being deleted."""
    is_constrained = relation.on_delete is DO_NOTHING and relation.field.db_constraint
    return is_constrained or relation.on_delete in (PROTECT, RESTRICT)
