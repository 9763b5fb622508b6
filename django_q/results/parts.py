"""Results of an iterable's items, kept in the database until all of them are there."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import router
from django.db.models import Max, Min, Q, QuerySet
from django.utils import timezone

from django_q.conf import Conf, logger
from django_q.exceptions import StoreUnavailable, contain_error, error_summary, safe_repr
from django_q.models import Part, Task
from django_q.models.stored_values import JSON_MARK, UnopenedPickle, as_json, from_json
from django_q.results import saving
from django_q.results.rows import PickledValue, UnreadableValue, unpickled
from django_q.results.saving import stored_time
from django_q.servers.connections import takes_writes
from django_q.servers.database_errors import is_busy
from django_q.wire.package import TaskPackage

#: Parts of an iterable are given up when no item of it has ended for so long.
MAX_PART_AGE = timedelta(days=30)


def add(packages: Iterable[TaskPackage]) -> None:
    """Keep the results of items; one that is there already stays as it is.

    Raises ``StoreUnavailable`` when the database takes none; of what it refuses, as for the size of
    values, it gets a text.
    """
    parts = [as_part(package) for package in packages]
    try:
        write(parts)
    except Exception as error:
        check_away(error)
        for part in parts:
            add_alone(part)


def add_alone(part: Part) -> None:
    """Keep the result of one item, as text where the database refuses the values.

    At last without its place among the others: without a part of each item no iterable is whole.
    """
    for loss, less in PART_REDUCTIONS:
        less(part)
        try:
            write([part])
        except Exception as error:
            check_away(error)
            refusal = error
        else:
            if loss:
                logger.error(
                    "the result of item %s of iterable %s is kept %s, because the database "
                    "refuses it: %s",
                    part.position,
                    part.iterable,
                    loss,
                    error_summary(refusal),
                )
            return
    raise refusal


def keep_values(part: Part) -> None:
    """Leave a part as it is."""


def values_to_text(part: Part) -> None:
    """Make text of the values of a part."""
    part.result = encoded_value(saving.result_text(read(part.result)))
    part.args = encoded_value((saving.result_text(read(part.args)),))


def drop_position(part: Part) -> None:
    """Take its place among the others from a part."""
    part.position = None


#: What a part may lose, one after the other, and how the log calls that.
PART_REDUCTIONS = (
    ("", keep_values),
    ("as text", values_to_text),
    ("as text and in no order", drop_position),
)


def check_away(error: Exception) -> None:
    """Raise ``StoreUnavailable`` where a failure is no fault of what was to be kept."""
    if is_busy(error) or not takes_parts():
        raise StoreUnavailable(f"the table of parts of iterables in '{alias()}'") from error


def takes_parts() -> bool:
    """Whether the database takes a part, which does not stay."""
    now = stored_time(timezone.now())
    probe = Part(iterable="probe", task="probe", success=True, args=b"", result=b"")
    probe.started = probe.stopped = now
    return takes_writes(alias(), lambda: probe.save(using=alias(), force_insert=True))


def alias() -> str:
    """Name the database of the parts: reads, too, must see what was just written."""
    return router.db_for_write(Part)


def rows() -> QuerySet[Part]:
    """Give all parts."""
    return Part.objects.using(alias())


def write(parts: Sequence[Part]) -> None:
    """Insert rows that are not there."""
    rows().bulk_create(parts, ignore_conflicts=True)


def as_part(package: TaskPackage) -> Part:
    """Make the row of an item."""
    return Part(
        iterable=package["group"],
        task=package["id"],
        position=package.get("iter_position"),
        success=package["success"],
        args=encoded_value(package["args"]),
        result=encoded_value(package["result"]),
        started=stored_time(package["started"]),
        stopped=stored_time(package["stopped"]),
    )


def encoded_value(value: Any) -> bytes:
    """Write a value, or its ``repr`` where a task has made it into something else."""
    if Conf.SERIALIZER == "json":
        return as_json(unpickled(value)).encode()
    if isinstance(value, PickledValue):
        return bytes(value)
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        contain_error(error)
        return pickle.dumps((safe_repr(value),), pickle.HIGHEST_PROTOCOL)


def read(data: bytes | memoryview) -> Any:
    """Read a value; where the serializer is JSON, no pickle."""
    data = bytes(data)
    if data.startswith(JSON_MARK.encode()):
        return from_json(data.decode())
    if Conf.SERIALIZER == "json":
        return UnopenedPickle(b64encode(data).decode())
    value = PickledValue(data).open()
    return str(value) if isinstance(value, UnreadableValue) else value  # it will be pickled again


def parts_of(iterable: str) -> QuerySet[Part]:
    """Find the parts of an iterable, in the order of its items."""
    return rows().filter(iterable=iterable).order_by("position", "id")


def is_collated(iterable: str) -> bool:
    """Whether an iterable was collated and saved, and its parts are gone."""
    return (
        not parts_of(iterable).exists()
        and Task.objects.using(router.db_for_write(Task)).filter(id=iterable).exists()
    )


def claim(iterable: str, runs: Sequence[str], force: bool) -> bool:
    """Claim to collate an iterable; False when another run of an item has claimed it.

    With ``force`` the other one is taken for dead.
    """
    first = parts_of(iterable).aggregate(pk=Min("pk"))["pk"]
    free = Q() if force else Q(claim=None) | Q(claim__in=runs)
    return bool(rows().filter(free, pk=first).update(claim=runs[0]))


def delete(iterables: Sequence[str]) -> None:
    """Delete the parts of iterables."""
    rows().filter(iterable__in=iterables).delete()


def delete_stale_parts(now: datetime) -> None:
    """Delete the parts of iterables that lost an item: their queue was emptied, perhaps."""
    limit = stored_time(now) - MAX_PART_AGE
    oldest = rows().order_by("pk").first()
    if oldest is None or oldest.stopped > limit:
        return
    last = rows().values("iterable").annotate(last=Max("stopped"))
    delete([row["iterable"] for row in last.filter(last__lt=limit)])
