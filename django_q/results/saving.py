"""Finished tasks in the database: how they are saved, and how many are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, router, transaction
from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from django_q.conf import Conf, logger
from django_q.exceptions import brief, endure, safe_repr
from django_q.foreign import Inside, StrictDoor
from django_q.models import Success, Task
from django_q.models.task import clipped
from django_q.package import TaskPackage, recorded_name
from django_q.results.rows import PICKLED, insert, opened

#: Errors that pass: the database is away, or busy. What failed may be tried again.
PASSING = (OperationalError, InterfaceError)
#: What errors say that pass, although the database may take another row meanwhile.
BUSY = (
    *("is locked", "deadlock detected", "try restarting", "could not serialize"),
    *("restart transaction", "canceling statement", "interrupted"),
    *("is full", "disk full", "space left"),
)
#: The columns of a row that are text as they are.
NAMES = ("name", "func", "hook", "group", "cluster")
#: What some database has no place for: NUL, halves of characters, and those of four bytes.
SPECIAL = re.compile("[\x00\ud800-\udfff\U00010000-\U0010ffff]")
#: How a row is saved of which a receiver of pre_save or post_save has made an error.
UNTOLD = "without a word to the receivers of its signals, one of which failed"
#: Who is told of a row that is saved.
RECEIVERS = "the receivers of the signals of Task"
#: Characters of a result that is stored as text.
LEGIBLE = 10_000
#: A package of which nothing is known.
EMPTY = {"args": (), "kwargs": {}, "result": None, "success": False}

#: Rows above a new limit that one result clears away when it is saved. A group of them clears as
#: many as it adds, and that number divided by its size: a busy monitor leaves it for quieter times.
CLEARED = 1000


def is_saved(package: TaskPackage) -> bool:
    """Whether a finished task gets a row: each failure does, a success where it is wanted."""
    asked = package.get("save")
    return not package["success"] or (Conf.SAVE_LIMIT >= 0 if asked is None else bool(asked))


def save(packages: Sequence[TaskPackage]) -> None:
    """Save finished tasks in one transaction, and prune to ``save_limit``.

    A row of the same id is replaced, unless it is a success. Raises what is in ``PASSING``
    when the database is away; of a package that it refuses less is saved. What receivers of the
    signals of ``Task`` raise is theirs and is logged.
    """
    rows = [as_row(package) for package in packages if is_saved(package)]
    if not rows:
        return
    alias = router.db_for_write(Task)
    try:
        save_rows(rows, alias)
    except BaseException as error:
        endure(error)
        if is_away(error, alias):
            raise
        # One row is at fault, or a receiver of its signals: the others must not wait for it.
        for row in rows:
            save_alone(row, alias)


def save_task(task: TaskPackage, broker: Any = None) -> None:
    """Save one finished task, as the predecessors' function of this name does."""
    save([task])


def save_rows(rows: list[dict[str, Any]], alias: str, is_told: bool = True) -> None:
    """Write rows in one transaction; with ``is_told`` the receivers of their signals are told."""
    with transaction.atomic(using=alias):
        if is_told and has_listeners():
            for row in rows:
                tell_of(row, alias)
        else:
            insert(rows, alias)
        if any(row["success"] for row in rows):
            prune(alias, len(rows))


def has_listeners() -> bool:
    """Whether somebody is to be told of each row."""
    return post_save.has_listeners(Task) or pre_save.has_listeners(Task)


def save_alone(row: dict[str, Any], alias: str) -> None:
    """Write one row, and less of it where the database or a receiver refuses the whole."""
    for loss, version in versions(row):
        try:
            save_rows([version], alias, is_told=not loss)
        except BaseException as error:
            endure(error)
            if is_away(error, alias):
                raise
            refusal = error
        else:
            if loss:
                logger.error(
                    "[%s] is saved %s: %s",
                    row["name"],
                    loss,
                    brief(refusal),
                    exc_info=refusal if loss is UNTOLD else None,
                )
            return
    raise refusal


def versions(row: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a row with what it has lost: nothing at first, and in the end all but plain text."""
    yield "", row
    if has_listeners():
        yield UNTOLD, row
    names = {key: printable(row[key], key) for key in NAMES}
    if any(names[key] != row[key] for key in NAMES):
        row = {**row, **names}
        yield "with other characters in its names, as the database refuses these", row
    else:
        yield "", row  # once more, before it loses a value
    row = {**row, "args": None, "kwargs": None}
    yield "without its arguments, as the database refuses them", row
    names = {key: clipped(ascii(row[key])[1:-1], key) for key in NAMES if row[key]}
    row = {**row, **names, "result": as_text(row["result"])}
    yield "with its result as text, as the database refuses it", row


def printable(text: str | None, column: str) -> str | None:
    """Replace what a database may not store."""
    return text and clipped(SPECIAL.sub("?", text), column)


def as_text(value: Any) -> str:
    """Represent a result, as far as a person reads."""
    value = opened(value)
    text = value if isinstance(value, str) else safe_repr(value)
    return f"{text[:LEGIBLE]} (stored as text, because the database refused the value)"


def is_away(error: BaseException, alias: str) -> bool:
    """Whether a failure passes: the database is away or busy, and takes no other row either.

    A driver may have one class of errors for both, as those of MySQL for a value that is larger
    than ``max_allowed_packet``, after which the server hangs up.
    """
    if not isinstance(error, PASSING):
        return False
    return any(word in str(error).lower() for word in BUSY) or not takes_rows(alias)


def takes_rows(alias: str) -> bool:
    """Whether the database takes a small row, which does not stay."""
    now = timezone.now()
    probe = {"id": "probe", "name": "probe", "func": "", "started": now, "stopped": now}
    try:
        with transaction.atomic(using=alias):
            insert([as_row({**EMPTY, **probe})], alias)
            transaction.set_rollback(True, using=alias)
    except (DatabaseError, InterfaceError):
        return False
    return True


def as_row(package: TaskPackage) -> dict[str, Any]:
    """Map a finished package to the columns of its row."""
    hook = package.get("hook") and opened(package["hook"])
    return {
        "id": package["id"],
        "name": clipped(package["name"], "name"),
        "func": clipped(recorded_name(package["func"]), "func"),
        "hook": clipped(recorded_name(hook), "hook") if hook else None,
        "args": package["args"],
        "kwargs": package["kwargs"],
        "result": package["result"],
        "group": clipped(package["group"], "group") if package.get("group") else None,
        "cluster": package.get("cluster"),
        "started": stored_time(package["started"]),
        "stopped": stored_time(package["stopped"]),
        "success": package["success"],
        "attempt_count": package.get("attempt", 1),
    }


def stored_time(moment: datetime) -> datetime:
    """Make a time aware or naive, whichever the project's database columns are."""
    if (moment.tzinfo is not None) is bool(settings.USE_TZ):
        return moment
    return timezone.make_aware(moment) if settings.USE_TZ else timezone.make_naive(moment)


def as_task(package: TaskPackage) -> Task:
    """Make the Task of a finished package, unsaved."""
    row = as_row(package)
    return Task(**{**row, **{key: opened(row[key]) for key in PICKLED}})


def tell_of(row: dict[str, Any], alias: str) -> None:
    """Save a row through the model, unless a receiver of its signals has ended a process."""
    killer = Inside.killers.get(row["id"])
    if killer == RECEIVERS or (row["attempt_count"] > 2 and RECEIVERS in Inside.killers.values()):
        logger.error(
            "[%s] is saved without a word to %s: they end the process", row["name"], RECEIVERS
        )
        insert([row], alias)
        return
    with StrictDoor(RECEIVERS, row["name"], row["id"]):
        save_instance(row, alias)


def save_instance(row: dict[str, Any], alias: str) -> None:
    """Save through the model, for those who listen to its signals."""
    values = {**row, **{key: opened(row[key]) for key in PICKLED}}
    existing = Task.objects.using(alias).filter(id=row["id"]).first()
    if existing is None:
        Task(**values).save(using=alias, force_insert=True)
    elif not existing.success:
        Task(**values).save(using=alias, force_update=True)


def prune(alias: str, saved: int) -> None:
    """Delete successes beyond ``save_limit``, the latest of them first, some at a time.

    So that a limit that is set on a table of a million rows does not stop the results. ``saved``
    is the number of rows that have just come.
    """
    if Conf.SAVE_LIMIT <= 0:
        return
    at_most = saved + CLEARED // saved
    if Conf.SAVE_LIMIT_PER in ("group", "name", "func"):
        surplus = surplus_of_each(alias, Conf.SAVE_LIMIT_PER)[:at_most]
    else:
        # Not filter(success=True): SQLite does not look a bare boolean up in an index.
        kept = Task.objects.using(alias).filter(success__in=[True]).order_by("-stopped")
        end = Conf.SAVE_LIMIT + at_most
        surplus = kept.values_list("id", flat=True)[Conf.SAVE_LIMIT : end]
    if ids := list(surplus):
        Task.objects.using(alias).filter(id__in=ids)._raw_delete(alias)


def surplus_of_each(alias: str, column: str) -> QuerySet:
    """Select the ids of successes beyond ``save_limit`` of each group, name or function."""
    numbered = Success.objects.using(alias).annotate(
        place=Window(RowNumber(), partition_by=[F(column)], order_by=[F("stopped").desc(), F("id")])
    )
    return numbered.filter(place__gt=Conf.SAVE_LIMIT).order_by().values_list("id", flat=True)
