"""Results of an iterable's items, kept in the database until all of them are there."""

from __future__ import annotations

import pickle
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError, router
from django.db.models import Max, Min, Q, QuerySet

from django_q.conf import Conf, logger
from django_q.exceptions import brief, endure, safe_repr
from django_q.models import Part, Task
from django_q.models.values import MARK, Unopened, as_json, from_json
from django_q.package import TaskPackage
from django_q.results import saving
from django_q.results.rows import Pickled, Unreadable, opened
from django_q.results.saving import stored_time

#: Errors that a value can be the cause of. ``ValueError`` is a driver's.
REFUSALS = (DatabaseError, InterfaceError, ValueError)
#: Parts of an iterable are given up when no item of it has ended for so long.
PATIENCE = timedelta(days=30)


def add(packages: Iterable[TaskPackage]) -> None:
    """Keep the results of items; one that is there already stays as it is.

    Raises what is in ``PASSING`` when the database is away; of values that it refuses, as for
    their size, it gets a text.
    """
    rows = [as_part(package) for package in packages]
    try:
        write(rows)
    except REFUSALS as error:
        if saving.is_away(error, router.db_for_write(Task)):
            raise
        for row in rows:
            add_alone(row)


def add_alone(part: Part) -> None:
    """Keep the result of one item, as text where the database refuses the values."""
    try:
        write([part])
    except REFUSALS as error:
        if saving.is_away(error, router.db_for_write(Task)):
            raise
        logger.error(
            "the result of item %s of iterable %s is kept as text, because the database refuses "
            "it: %s",
            part.position,
            part.iterable,
            brief(error),
        )
        part.result = stored(saving.as_text(read(part.result)))
        part.args = stored((saving.as_text(read(part.args)),))
        write([part])


def write(rows: Sequence[Part]) -> None:
    """Insert rows that are not there."""
    Part.objects.bulk_create(rows, ignore_conflicts=True)


def as_part(package: TaskPackage) -> Part:
    """Make the row of an item."""
    return Part(
        iterable=package["group"],
        task=package["id"],
        position=package.get("iter_position"),
        success=package["success"],
        args=stored(package["args"]),
        result=stored(package["result"]),
        started=stored_time(package["started"]),
        stopped=stored_time(package["stopped"]),
    )


def stored(value: Any) -> bytes:
    """Write a value, or its ``repr`` where a task has made it into something else."""
    if Conf.SERIALIZER == "json":
        return as_json(opened(value)).encode()
    if isinstance(value, Pickled):
        return bytes(value)
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        endure(error)
        return pickle.dumps((safe_repr(value),), pickle.HIGHEST_PROTOCOL)


def read(data: bytes | memoryview) -> Any:
    """Read a value; where the serializer is JSON, no pickle."""
    data = bytes(data)
    if data.startswith(MARK.encode()):
        return from_json(data.decode())
    if Conf.SERIALIZER == "json":
        return Unopened(b64encode(data).decode())
    value = Pickled(data).open()
    return str(value) if isinstance(value, Unreadable) else value  # it will be pickled again


def of(iterable: str) -> QuerySet[Part]:
    """Find the parts of an iterable, in the order of its items."""
    return Part.objects.filter(iterable=iterable).order_by("position", "id")


def is_over(iterable: str) -> bool:
    """Whether an iterable was collated and saved, and its parts are gone."""
    return not of(iterable).exists() and Task.objects.filter(id=iterable).exists()


def claim(iterable: str, runs: Sequence[str], force: bool) -> bool:
    """Claim to collate an iterable; False when another run of an item has claimed it.

    With ``force`` the other one is taken for dead.
    """
    first = of(iterable).aggregate(pk=Min("pk"))["pk"]
    free = Q() if force else Q(claim=None) | Q(claim__in=runs)
    return bool(Part.objects.filter(free, pk=first).update(claim=runs[0]))


def delete(iterables: Sequence[str]) -> None:
    """Delete the parts of iterables."""
    Part.objects.filter(iterable__in=iterables).delete()


def sweep(now: datetime) -> None:
    """Delete the parts of iterables that lost an item: their queue was emptied, perhaps."""
    limit = stored_time(now) - PATIENCE
    oldest = Part.objects.order_by("pk").first()
    if oldest is None or oldest.stopped > limit:
        return
    last = Part.objects.values("iterable").annotate(last=Max("stopped"))
    delete([row["iterable"] for row in last.filter(last__lt=limit)])
