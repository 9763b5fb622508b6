"""How many finished tasks are kept.

Rows that nobody points at are deleted by one statement, in the transaction that saves others.
Where a model of the project points at ``Task``, or somebody listens to its deletion, Django
deletes them, in a transaction of its own: what comes of that is no matter of the results.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar

from django.db import models, router, transaction
from django.db.models import Exists, F, OuterRef, QuerySet, Window
from django.db.models.deletion import DO_NOTHING, PROTECT, RESTRICT
from django.db.models.functions import RowNumber
from django.db.models.signals import post_delete, pre_delete

from django_q.conf import Conf, logger
from django_q.exceptions import brief
from django_q.models import Success, Task

#: Rows that Django deletes at a time: it may load each of them, and what points at it.
CLEARED_BY_DJANGO = 100
#: Rows that are refused one after the other before the rest is left alone for a while.
ENOUGH = 3
#: Seconds of that: at first, and at most.
BACK_OFF = (5.0, 600.0)
#: Rows that were refused and are not tried again, at most.
MOST_REFUSED = 200
#: Rows are deleted under one of these names: where somebody listens to that, and to no other.
MODELS = (Task, Success)


class Failing:
    """What could not be deleted of late in this process, and how long to leave the rest alone."""

    refused: ClassVar[set[str]] = set()  # ids
    in_a_row = 0
    until = 0.0  # monotonic; when to try again
    pause = BACK_OFF[0]
    due = 0.0  # monotonic; when to say so again

    @classmethod
    def note(cls, ids: list[str], error: Exception) -> None:
        """Note that rows were refused; where it is so with each, leave all alone for a while."""
        now = time.monotonic()
        if len(cls.refused) > MOST_REFUSED:
            cls.refused.clear()
        cls.refused.update(ids)
        cls.in_a_row += 1
        if cls.in_a_row >= ENOUGH:
            cls.until, cls.pause = now + cls.pause, min(cls.pause * 4, BACK_OFF[1])
            cls.refused.clear()
        if now >= cls.due:
            cls.due = now + BACK_OFF[1]
            logger.error("results beyond save_limit can not be deleted: %s", brief(error))

    @classmethod
    def end(cls) -> None:
        """Note that it works."""
        cls.in_a_row, cls.until, cls.pause = 0, 0.0, BACK_OFF[0]


def is_plain() -> bool:
    """Whether rows can be deleted by one statement, and that has not failed of late."""
    if Failing.until or Failing.refused or next(pointers(), None):
        return False
    return not any(map(is_listened_to, MODELS))


def is_listened_to(model: type[Task]) -> bool:
    """Whether somebody is to be told of the deletion of such rows."""
    return pre_delete.has_listeners(model) or post_delete.has_listeners(model)


def pointers() -> Iterator[Any]:
    """List the fields of other models that point at ``Task``."""
    for field in Task._meta.get_fields(include_hidden=True):
        if field.auto_created and not field.concrete and (field.one_to_one or field.one_to_many):
            yield field


def prune_apart(alias: str, at_most: int) -> None:
    """Delete successes beyond ``save_limit`` as Django does. Never raises."""
    if time.monotonic() < Failing.until:
        return
    ids: list[str] = []
    try:
        with transaction.atomic(using=alias):
            ids = list(surplus(alias, min(at_most, CLEARED_BY_DJANGO)))
        if ids:
            delete(ids, alias)
            Failing.end()
    except Exception as error:  # whatever a model, a receiver or the database makes of it
        Failing.note(ids, error)


def delete(ids: list[str], alias: str) -> None:
    """Delete rows; where that fails each alone, so that one that is kept keeps no other."""
    try:
        delete_together(ids, alias)
        return
    except Exception:
        if len(ids) < 2:
            raise
    refused: list[str] = []
    for each in ids:
        try:
            delete_together([each], alias)
        except Exception as error:
            refused.append(each)
            if len(refused) == ENOUGH == ids.index(each) + 1:
                raise  # it is so with each
            Failing.note([each], error)
            Failing.in_a_row = 0


def delete_together(ids: list[str], alias: str) -> None:
    """Delete rows with what depends on them, and tell those who listen."""
    model = next(filter(is_listened_to, MODELS), Task)
    with transaction.atomic(using=alias):
        model.objects.using(alias).filter(pk__in=ids).delete()


def prune(alias: str, at_most: int) -> None:
    """Delete successes beyond ``save_limit``, the latest of them first, some at a time.

    So that a limit that is set on a table of a million rows does not stop the results.
    """
    if ids := list(surplus(alias, at_most)):
        Task.objects.using(alias).filter(id__in=ids)._raw_delete(alias)


def surplus(alias: str, at_most: int) -> Any:
    """Find the ids of successes beyond ``save_limit`` that nothing keeps."""
    if Conf.SAVE_LIMIT <= 0:
        return ()
    if Conf.SAVE_LIMIT_PER in ("group", "name", "func"):
        return surplus_of_each(alias, Conf.SAVE_LIMIT_PER)[:at_most]
    # Not filter(success=True): SQLite does not look a bare boolean up in an index.
    kept = unprotected(Task.objects.using(alias).filter(success__in=[True])).order_by("-stopped")
    end = Conf.SAVE_LIMIT + at_most
    return kept.values_list("id", flat=True)[Conf.SAVE_LIMIT : end]


def surplus_of_each(alias: str, column: str) -> QuerySet:
    """Select the ids of successes beyond ``save_limit`` of each group, name or function."""
    numbered = unprotected(Success.objects.using(alias)).annotate(
        place=Window(RowNumber(), partition_by=[F(column)], order_by=[F("stopped").desc(), F("id")])
    )
    return numbered.filter(place__gt=Conf.SAVE_LIMIT).order_by().values_list("id", flat=True)


def unprotected(rows: QuerySet) -> QuerySet:
    """Leave out the rows that another one keeps from being deleted."""
    if Failing.refused:
        rows = rows.exclude(pk__in=list(Failing.refused))
    for pointer in pointers():
        if keeps(pointer) and router.db_for_write(pointer.related_model) == rows.db:
            referring: QuerySet[models.Model] = pointer.related_model._base_manager.using(rows.db)
            column = pointer.field.attname
            rows = rows.exclude(Exists(referring.filter(**{column: OuterRef("pk")})))
    return rows


def keeps(pointer: Any) -> bool:
    """Whether a row that points at another keeps that from being deleted."""
    is_left = pointer.on_delete is DO_NOTHING and pointer.field.db_constraint
    return is_left or pointer.on_delete in (PROTECT, RESTRICT)
