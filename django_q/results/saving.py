"""Finished tasks in the database: how they are saved, and how many are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connections, router, transaction
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from django_q.conf import Conf, logger
from django_q.exceptions import StoreUnavailable, contain_error
from django_q.foreign_code.guards import CurrentForeignCall, RaisingForeignCall
from django_q.models import Task
from django_q.models.task import clipped, hook_with_undone
from django_q.results import pruning
from django_q.results.rows import PICKLED_COLUMNS, as_json_value, insert, unpickled
from django_q.results.run_columns import (
    attempts_column,
    begun_column,
    begun_time,
    keep_until_column,
    options_column,
    stored_time,
)
from django_q.servers.database_errors import is_outage
from django_q.task_state.attempts import lost_deliveries
from django_q.text.error_text import error_summary, safe_repr, safe_str
from django_q.wire.callables import recorded_name
from django_q.wire.package import TaskPackage

#: The columns of a row that are text as they are.
TEXT_COLUMNS = ("name", "func", "hook", "group", "cluster", "worker", "exception")
#: Characters of four bytes, for which a column of MySQL may have no place.
LONG_CHARACTERS = re.compile("[\U00010000-\U0010ffff]")
#: How a row is saved of which a receiver of pre_save or post_save has made an error.
WITHOUT_SIGNALS_TEXT = "without a word to the receivers of its signals, one of which failed"
#: Who is told of a row that is saved.
SIGNAL_RECEIVERS_TEXT = "the receivers of the signals of Task"
#: Characters of a result that is stored as text.
MAX_RESULT_TEXT_LENGTH = 10_000
#: Rows above a new limit that one result clears away when it is saved. A group of them clears as
#: many as it adds, and that number divided by its size: a busy monitor leaves it for quieter times.
PRUNED_ROWS_PER_SAVE = 1000
#: A package of which nothing is known.
PROBE_PACKAGE_FIELDS = {"args": (), "kwargs": {}, "result": None, "success": False}


def wants_row(package: TaskPackage) -> bool:
    """Whether a finished task gets a row: each failure does, a success where it is wanted.

    So does one after which something could not be done: the row says what.
    """
    asked = package.get("save")
    wanted = Conf.SAVE_LIMIT >= 0 if asked is None else asked
    return not package["success"] or wanted is True or bool(wanted or package.get("undone"))


def save(packages: Sequence[TaskPackage]) -> None:
    """Save those of some finished tasks that want a row; see ``save_wanted``."""
    save_wanted([package for package in packages if wants_row(package)])


def save_wanted(packages: Sequence[TaskPackage]) -> None:
    """Save finished tasks as rows in one transaction, and prune to ``save_limit``.

    A row of the same id is replaced, unless it is a success. Raises ``StoreUnavailable`` when the
    database takes no rows; of a package that it refuses less is saved. What receivers of the
    signals of ``Task`` raise is theirs and is logged, and so is what comes of pruning.
    """
    is_aware = bool(settings.USE_TZ)
    rows = [as_row(package, is_aware) for package in packages]
    if not rows:
        return
    alias = router.db_for_write(Task)
    # A row that is kept for a time is outside save_limit.
    has_pruned = any(row["success"] and not row["keep_until"] for row in rows)
    surplus = len(rows) + PRUNED_ROWS_PER_SAVE // len(rows) if has_pruned else 0
    is_plain = pruning.can_delete_directly()
    try:
        save_rows(rows, alias, pruned=surplus if is_plain else 0)
    except BaseException as error:
        contain_error(error)
        check_away(error, alias)
        # One row is at fault, or a receiver of its signals: the others must not wait for it.
        for row in rows:
            save_one_row(row, alias)
        is_plain = False
    if surplus and not is_plain:
        prune_apart = partial(pruning.prune_separately, alias, surplus)
        if connections[alias].in_atomic_block:
            transaction.on_commit(prune_apart, using=alias)
        else:
            prune_apart()


def update_undone(package: TaskPackage) -> None:
    """Have the row of a saved task name what could not be done after it; make one if need be."""
    row, alias = as_row(package), router.db_for_write(Task)
    try:
        found = Task.objects.using(alias).filter(id=row["id"]).update(hook=row["hook"])
    except Exception as error:
        check_away(error, alias)
        raise
    if not found:
        save([package])


def save_task(task: TaskPackage, broker: Any = None) -> None:
    """Save one finished task, as the predecessors' function of this name does."""
    save([task])


def save_rows(
    rows: list[dict[str, Any]], alias: str, sends_signals: bool = True, pruned: int = 0
) -> None:
    """Write rows in one transaction; with ``sends_signals`` their receivers are called.

    Up to ``pruned`` older ones for which there is no room are deleted in the same transaction.
    """
    with transaction.atomic(using=alias):
        if sends_signals and has_save_receivers():
            for row in rows:
                save_with_signals(row, alias)
        else:
            insert(rows, alias)
        if pruned:
            pruning.prune(alias, pruned)


def has_save_receivers() -> bool:
    """Whether somebody is to be told of each row."""
    return post_save.has_listeners(Task) or pre_save.has_listeners(Task)


def save_one_row(row: dict[str, Any], alias: str) -> None:
    """Write one row, and less of it where the database or a receiver refuses the whole."""
    for loss, version in reduced_rows(row, alias):
        try:
            save_rows([version], alias, sends_signals=not loss)
        except BaseException as error:
            contain_error(error)
            check_away(error, alias)
            refusal = error
        else:
            if loss:
                logger.error(
                    "[%s] is saved %s: %s",
                    row["name"],
                    loss,
                    error_summary(refusal),
                    exc_info=refusal if loss is WITHOUT_SIGNALS_TEXT else None,
                )
            return
    raise refusal


def reduced_rows(row: dict[str, Any], alias: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a row with what it has lost: nothing at first, and in the end all but plain text."""
    yield "", row
    if has_save_receivers():
        yield WITHOUT_SIGNALS_TEXT, row
    if not 1 < row["started"].year < 9999:  # at the ends of the calendar not every zone has a time
        row = {**row, "started": row["stopped"]}
        yield "as if it had been enqueued when it ended, as the database refuses the time", row
    names = {key: row[key] for key in TEXT_COLUMNS}
    storable = storable_names(names, alias)
    short = {key: replace_long(text) for key, text in storable.items()}
    if short == names:
        yield "", row  # once more, before it loses a value
    for before, changed in ((names, storable), (storable, short)):
        if changed != before:
            row = row | changed
            yield "with other characters in its names, as the database refuses these", row
    row = {**row, "args": None, "kwargs": None, "options": None, "attempts": None}
    yield "without its arguments and options, as the database refuses them", row
    names = {key: clipped(ascii(row[key])[1:-1], key) for key in ("id", *TEXT_COLUMNS) if row[key]}
    row = {**row, **names, "result": result_text(row["result"])}
    yield "with its result as text, as the database refuses it", row


def storable_names(names: dict[str, Any], alias: str) -> dict[str, Any]:
    """Give the names of a row as they are looked up later."""
    connection, field_of = connections[alias], Task._meta.get_field
    return {
        key: field_of(key).get_db_prep_value(text, connection, prepared=True)
        for key, text in names.items()
    }


def replace_long(text: str | None) -> str | None:
    """Replace the characters that take four bytes."""
    return text and LONG_CHARACTERS.sub("?", text)


def result_text(value: Any) -> str:
    """Represent a result, as far as a person reads."""
    value = unpickled(value)
    text = value if isinstance(value, str) else safe_repr(value)
    return (
        f"{text[:MAX_RESULT_TEXT_LENGTH]} (stored as text, because the database refused the value)"
    )


def check_away(error: BaseException, alias: str) -> None:
    """Raise ``StoreUnavailable`` where a failure is no fault of what was saved."""
    if is_away(error, alias):
        raise StoreUnavailable(f"the table of results in '{alias}'") from error


def is_away(error: BaseException, alias: str) -> bool:
    """Whether a failure passes: the database is away or busy, and no row is at fault."""
    return is_outage(error, alias, partial(insert_small_row, alias))


def insert_small_row(alias: str) -> None:
    """Insert a row, on trial."""
    now = timezone.now()
    probe = {"id": "probe", "name": "probe", "func": "", "started": now, "stopped": now}
    insert([as_row({**PROBE_PACKAGE_FIELDS, **probe})], alias)


def as_row(package: TaskPackage, is_aware: bool | None = None) -> dict[str, Any]:
    """Map a finished package to the columns of its row; ``is_aware`` as in ``stored_time``."""
    failure = None if package["success"] else package
    row = {
        "id": package["id"],
        "name": clipped(to_text(package["name"]), "name"),
        "func": clipped(recorded_name(package["func"]), "func"),
        "hook": hook_column(package),
        "args": package["args"],
        "kwargs": package["kwargs"],
        "result": package["result"],
        "group": label_column(package, "group"),
        "cluster": label_column(package, "cluster"),
        "started": stored_time(package["started"], is_aware),
        "stopped": stored_time(package["stopped"], is_aware),
        "success": package["success"],
        # An attempt that was not begun does not count.
        "attempt_count": package.get("attempt", 1) - ("expired" in package),
        "options": options_column(package),
        "attempts": attempts_column(package, failure_words),
        "begun": begun_column(package),
        "worker": label_column(package, "worker"),
        "exception": failure and label_column(failure, "exception"),
        "fingerprint": failure and label_column(failure, "fingerprint"),
        "keep_until": None,
    }
    if "backend" in package:  # its values are JSON, and no pickle is made of them
        row.update({key: as_json_value(package[key]) for key in PICKLED_COLUMNS})
    if "keep_for" in package:
        row["keep_until"] = stored_time(keep_until_column(package), is_aware)
    return row


def failure_words(package: TaskPackage) -> str:
    """Return the text that tells of a failure, which is its result."""
    return safe_str(unpickled(package["result"]))


def hook_column(package: TaskPackage) -> str | None:
    """Name the hook of a package, and behind it what could not be done after the task.

    The result must stay what the function has returned, and no other column is text for people
    about what comes after a task.
    """
    hook, undone = package.get("hook"), package.get("undone")
    if not hook and not undone:
        return None
    hook = unpickled(hook)
    name = recorded_name(hook) if hook else ""
    if undone:
        return hook_with_undone(name, undone)
    return clipped(name, "hook") or None


def label_column(package: TaskPackage, key: str) -> str | None:
    """Write a label of a package as text; what is none is no reason to lose a result."""
    value = package.get(key)
    return clipped(to_text(value), key) if value else None


def to_text(value: Any) -> str:
    """Make text of anything."""
    return value if isinstance(value, str) else safe_str(value)


def as_task(package: TaskPackage) -> Task:
    """Make the Task of a finished package, unsaved."""
    return Task(**field_values(as_row(package)))


def field_values(row: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a row as the fields of the model have them."""
    values = {key: unpickled(row[key]) for key in PICKLED_COLUMNS}
    return {**row, **values, "begun": begun_time(row["begun"])}


def save_with_signals(row: dict[str, Any], alias: str) -> None:
    """Save a row through the model, unless a receiver of its signals has ended a process."""
    killer = CurrentForeignCall.crash_causes.get(row["id"])
    if killer == SIGNAL_RECEIVERS_TEXT or (
        lost_before(row) > 1 and SIGNAL_RECEIVERS_TEXT in CurrentForeignCall.crash_causes.values()
    ):
        logger.error(
            "[%s] is saved without a word to %s: they end the process",
            row["name"],
            SIGNAL_RECEIVERS_TEXT,
        )
        insert([row], alias)
        return
    with RaisingForeignCall(SIGNAL_RECEIVERS_TEXT, row["name"], row["id"]):
        save_instance(row, alias)


def lost_before(row: dict[str, Any]) -> int:
    """Count the deliveries of a task that have ended unrecorded before the one that a row tells of.

    Whoever had them may have died of what is called for its row.
    """
    before = (row["attempts"] or [{}])[:-1]
    return lost_deliveries({"ends": before, "attempt": row["attempt_count"]})


def save_instance(row: dict[str, Any], alias: str) -> None:
    """Save through the model, for those who listen to its signals."""
    values = field_values(row)
    existing = Task.objects.using(alias).filter(id=row["id"]).first()
    if existing is None:
        Task(**values).save(using=alias, force_insert=True)
    elif not existing.success:
        for name, value in values.items():
            setattr(existing, name, value)
        existing.rerun_at = None
        existing.save(using=alias, force_update=True)
