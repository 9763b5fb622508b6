"""Walk through items in an order in which an interrupted walk can go on: by key, or by count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Protocol

from django.core.exceptions import ValidationError
from django.db.models import Manager, QuerySet
from django.db.models.query import FlatValuesListIterable, ModelIterable

from django_q.foreign_code.guards import has_running_loop
from django_q.text.representation import represent

#: Rows that are read together.
ROWS_PER_QUERY = 200


class Walk(Protocol):
    """A walk through items, or through lists of them."""

    def total(self, done: int) -> int | None:
        """Return how many items there are where ``done`` are done; None if that is not known."""

    def start(self, position: list[Any] | None) -> int:
        """Begin behind a position, None for the first item. Returns how many items are done."""

    def steps(self) -> Iterator[tuple[Any, list[Any]]]:
        """Yield each item or list, and the position behind it."""


def walk_of(items: Any, batch: int | None) -> Walk:
    """Choose how items are walked. Raises ``TypeError`` or ``ValueError`` for what can not be."""
    if batch is not None and (type(batch) is not int or batch < 1):
        raise ValueError(f"batch must be a whole number from 1 on, or None, got {batch!r:.100}.")
    if isinstance(items, Manager):
        items = items.all()
    if isinstance(items, QuerySet):
        return QueryWalk(items, batch)
    if not hasattr(items, "__iter__") and hasattr(items, "__aiter__"):
        raise TypeError(
            f"iterate() needs an ordinary iterable, got the asynchronous {type(items).__name__}. "
            "Make a list of it first."
        )
    return CountedWalk(items, batch)


class CountedWalk:
    """A walk through any iterable, which must give the same items in each attempt."""

    def __init__(self, items: Iterable[Any], batch: int | None) -> None:
        self.size = len(items) if isinstance(items, Sized) else None
        self.iterator, self.batch, self.done = iter(items), batch, 0

    def total(self, done: int) -> int | None:
        """Return how many items there are; None if the iterable can not tell."""
        return self.size

    def start(self, position: list[Any] | None) -> int:
        """Skip the items that are done."""
        self.done = position[0] if position and len(position) == 1 else 0
        self.iterator = islice(self.iterator, self.done, None)
        return self.done

    def steps(self) -> Iterator[tuple[Any, list[Any]]]:
        """Yield each item or list, and the position behind it."""
        if self.batch is None:
            for number, item in enumerate(self.iterator, self.done + 1):
                yield item, [number]
            return
        done = self.done
        while items := list(islice(self.iterator, self.batch)):
            done += len(items)
            yield items, [done]


class QueryWalk:
    """A walk through rows by their primary key: rows that come or go do not shift it."""

    def __init__(self, queryset: QuerySet, batch: int | None) -> None:
        check_queryset(queryset)
        backwards = queryset.query.order_by[:1] and queryset.query.order_by[0][0] == "-"
        self.queryset = queryset.order_by("-pk" if backwards else "pk")
        self.lookup = "pk__lt" if backwards else "pk__gt"
        self.batch = batch
        self.field, self.model = queryset.model._meta.pk, queryset.model._meta.label_lower
        self.done, self.last = 0, None  # the key of the last row that was read

    def total(self, done: int) -> int | None:
        """Count the rows that are left."""
        return done + self.remaining().count()

    def start(self, position: list[Any] | None) -> int:
        """Begin behind a row, which may be gone by now."""
        if position and len(position) == 3 and position[2] == self.model:
            try:
                self.last = self.field.to_python(position[1])
                self.done = position[0]
            except ValidationError:  # the model has another kind of key by now
                pass
        return self.done

    def remaining(self) -> QuerySet:
        """Return the rows that were not read yet."""
        if self.last is None:
            return self.queryset
        return self.queryset.filter(**{self.lookup: self.last})

    def steps(self) -> Iterator[tuple[Any, list[Any]]]:
        """Yield each row or list, and the position behind it."""
        length = self.batch or 1
        rows_per_query = length * max(1, ROWS_PER_QUERY // length)
        done, is_last = self.done, False
        while not is_last:
            rows = list(self.remaining()[:rows_per_query])
            # Read now: a row that the task deletes has no key any more.
            keys = [getattr(row, "pk", row) for row in rows]
            is_last = len(rows) < rows_per_query
            for start in range(0, len(rows), length):
                some = rows[start : start + length]
                done += len(some)
                key = keys[start + len(some) - 1]
                yield some if self.batch else some[0], [done, self.storable(key), self.model]
            if keys:
                self.last = keys[-1]

    def storable(self, key: Any) -> Any:
        """Return a key as JSON can carry it, and its field's ``to_python`` understands it."""
        if type(key) is int:
            return key
        return self.field.value_to_string(KeyHolder(self.field.attname, key))


class KeyHolder:
    """Stands for a row of which the field of the key needs no more."""

    def __init__(self, attname: str, key: Any) -> None:
        setattr(self, attname, key)
        self.pk = key


def check_queryset(queryset: QuerySet) -> None:
    """Raise an error for a queryset that can not be walked by primary key."""
    if has_running_loop():
        raise TypeError(
            "iterate() can not walk a queryset in a coroutine. Make the task an ordinary function, "
            "or make a list first: [row async for row in queryset]."
        )
    query, key = queryset.query, queryset.model._meta.pk
    names = {"pk", key.name, key.attname}
    flat_keys = issubclass(queryset._iterable_class, FlatValuesListIterable) and names >= set(
        queryset._fields or ["another"]
    )
    if not issubclass(queryset._iterable_class, ModelIterable) and not flat_keys:
        reason = "has values in the place of rows, which is understood for the key alone"
    elif query.is_sliced:
        reason = "is sliced"
    elif query.combinator:
        reason = f"is a {query.combinator} of others"
    elif query.distinct_fields:
        reason = "is distinct by fields"
    elif query.extra_order_by or not is_by_key(query.order_by, names):
        reason = f"is ordered by {represent(query.order_by, 100)}"
    else:
        return
    raise ValueError(
        f"iterate() walks a queryset by primary key, and this one {reason}. Leave that out, or "
        'pass a list of keys: list(queryset.values_list("pk", flat=True)).'
    )


def is_by_key(order_by: tuple, names: set[str]) -> bool:
    """Whether an order is none, or that of the primary key."""
    if not order_by:
        return True
    return len(order_by) == 1 and isinstance(order_by[0], str) and order_by[0].lstrip("-") in names
