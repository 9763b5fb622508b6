"""Results of an iterable's items, stored in the database until all items have ended."""

from __future__ import annotations

import pickle
import time
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import router
from django.db.models import Max, Min, QuerySet
from django.utils import timezone

from django_q.conf import Conf, logger
from django_q.exceptions import StoreUnavailable, contain_error
from django_q.models import Part, Task
from django_q.models.columns.stored_values import JSON_MARK, UnopenedPickle, as_json, from_json
from django_q.results import saving
from django_q.results.rows import PickledValue, UnreadableValue, unpickled
from django_q.results.run_columns import stored_time
from django_q.servers.database_errors import is_outage
from django_q.text.error_text import error_summary, safe_repr
from django_q.wire.package import TaskPackage

#: Parts of an iterable are deleted when no item of it has ended for this long.
MAX_PART_AGE = timedelta(days=30)
#: Seconds after which a claim to collate an iterable may be taken over by a run of another item,
#: where the item that made it does not come again.
COLLATION_CLAIM_SECONDS = 3600


def add(packages: Iterable[TaskPackage]) -> None:
    """Save the results of items; one that is saved already is not changed.

    Raises ``StoreUnavailable`` when the database accepts no rows. Values that it refuses, as for
    their size, are saved as text.
    """
    parts = [as_part(package) for package in packages]
    try:
        write(parts)
    except Exception as error:
        check_away(error)
        for part in parts:
            add_alone(part)


def add_alone(part: Part) -> None:
    """Save the result of one item, with its values as text where the database refuses them.

    Without its position where that is refused, too: an iterable ends only when each item has a
    part.
    """
    for loss, reduce in PART_REDUCTIONS:
        reduce(part)
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
    """Change nothing: a part is first saved as it is."""


def values_to_text(part: Part) -> None:
    """Replace the values of a part by text."""
    part.result = encoded_value(saving.result_text(read(part.result)))
    part.args = encoded_value((saving.result_text(read(part.args)),))


def drop_position(part: Part) -> None:
    """Remove the position of a part."""
    part.position = None


#: How a part is reduced, one step after the other, and how the log says that it is saved.
PART_REDUCTIONS = (
    ("", keep_values),
    ("as text", values_to_text),
    ("as text and in no order", drop_position),
)


def check_away(error: Exception) -> None:
    """Raise ``StoreUnavailable`` if the database is at fault, and not what was to be saved."""
    if is_outage(error, alias(), save_small_part):
        raise StoreUnavailable(f"the table of parts of iterables in '{alias()}'") from error


def save_small_part() -> None:
    """Save a part, on trial."""
    now = stored_time(timezone.now())
    probe = Part(iterable="probe", task="probe", success=True, args=b"", result=b"")
    probe.started = probe.stopped = now
    probe.save(using=alias(), force_insert=True)


def alias() -> str:
    """Return the database of the parts: for reads as well, which must see what was just written."""
    return router.db_for_write(Part)


def rows() -> QuerySet[Part]:
    """Select all parts."""
    return Part.objects.using(alias())


def write(parts: Sequence[Part]) -> None:
    """Insert parts, except those that exist already."""
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
    """Encode a value for a column; its ``repr`` where it can not be pickled."""
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
    """Decode the value of a column; no pickle where the serializer is JSON."""
    data = bytes(data)
    if data.startswith(JSON_MARK.encode()):
        return from_json(data.decode())
    if Conf.SERIALIZER == "json":
        return UnopenedPickle(b64encode(data).decode())
    value = PickledValue(data).open()
    return (
        str(value) if isinstance(value, UnreadableValue) else value
    )  # pickled again when collated


def parts_of(iterable: str) -> QuerySet[Part]:
    """Find the parts of an iterable, in the order of its items."""
    return rows().filter(iterable=iterable).order_by("position", "id")


def is_collated(iterable: str) -> bool:
    """Whether an iterable was collated and saved, and its parts are gone."""
    return (
        not parts_of(iterable).exists()
        and Task.objects.using(router.db_for_write(Task)).filter(id=iterable).exists()
    )


def claim(iterable: str, runs: Sequence[tuple[str, int]], is_redelivered: bool = False) -> bool:
    """Claim to collate an iterable; False when another run of an item has claimed it.

    ``runs`` are the ids of items and the numbers of their deliveries. ``is_redelivered`` says that
    one of them was lost before: then the claim is taken over from a run that has ended, or that has
    made it long ago.
    """
    first = parts_of(iterable).aggregate(pk=Min("pk"))["pk"]
    found = rows().filter(pk=first).values_list("claim", flat=True).first()
    if found is not None and not is_free(found, runs, is_redelivered):
        return False
    task, attempt = runs[0]
    text = f"{task}:{attempt}:{int(time.time())}"
    return bool(rows().filter(pk=first, claim=found).update(claim=text))


def is_free(claim: str, runs: Sequence[tuple[str, int]], is_redelivered: bool) -> bool:
    """Whether some runs may take over a claim: it is their own, or that of a run that is over.

    A later delivery of the same item shows that whoever made the claim has lost its lease.
    """
    task, _, rest = claim.partition(":")
    attempt, _, since = rest.partition(":")
    for own_task, own_attempt in runs:
        if task == own_task and attempt.isdecimal() and int(attempt) <= own_attempt:
            return True
    # One without a time is of an earlier release.
    age = time.time() - int(since) if since.isdecimal() else COLLATION_CLAIM_SECONDS
    return is_redelivered and age >= COLLATION_CLAIM_SECONDS


def delete(iterables: Sequence[str]) -> None:
    """Delete the parts of iterables."""
    rows().filter(iterable__in=iterables).delete()


def delete_stale_parts(now: datetime) -> None:
    """Delete old parts of iterables that have lost an item, as when their queue was purged."""
    limit = stored_time(now) - MAX_PART_AGE
    oldest = rows().order_by("pk").first()
    if oldest is None or oldest.stopped > limit:
        return
    last = rows().values("iterable").annotate(last=Max("stopped"))
    delete([row["iterable"] for row in last.filter(last__lt=limit)])
