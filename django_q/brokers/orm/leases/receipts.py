"""Receipts of deliveries: the id of a row, and the number of its delivery."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django_q.brokers.base import Delivery
from django_q.brokers.contract.kept_state import KeptState

#: Ids in one statement at most; some SQLite allow no more than 999 values.
MAX_IDS_PER_STATEMENT = 900
#: The digits of a key's digest, and the letters of the digest of a task that waits for another.
DIGITS, LETTERS = "0123456789abcdef", "ghijklmnopqrstuv"


class Taken(NamedTuple):
    """What a take has leased."""

    deliveries: list[Delivery]
    #: By their receipts, the digests of tasks that should wait for another of their unique key.
    successors: dict[str, str]


def taken(rows: list[tuple]) -> Taken:
    """Make deliveries of rows.

    Their columns: id, payload, delivery, attempts, seconds to expiry, digest, attempt_state,
    position, cancelled, and more.
    """
    return Taken(
        [
            Delivery(f"{row[0]}.{row[2]}", row[1], row[3], row[4])
            if row[6] is None and row[7] is None and row[8] is None
            else Delivery(f"{row[0]}.{row[2]}", row[1], row[3], row[4], kept_state(*row[6:9]))
            for row in rows
        ],
        {
            receipt(row[0], row[2]): row[5]
            for row in rows
            if row[5] and row[5] >= LETTERS[0] and row[8] is None
        },
    )


def kept_state(attempts: str | None, position: str | None, cancelled: str | None) -> KeptState:
    """Make a state of the columns of a row."""
    return KeptState(attempts or "", position or "", cancelled or "")


def receipt(pk: int, fence: int) -> str:
    """Make the receipt of a delivery: the id of the row, and the number of its delivery."""
    return f"{pk}.{fence}"


def by_fence(receipts: Iterable[str]) -> Iterator[tuple[int, list[int]]]:
    """Group receipts by fence, in parts that fit in one statement."""
    found: dict[int, list[int]] = defaultdict(list)
    for pk, _, fence in (each.partition(".") for each in receipts):
        found[int(fence)].append(int(pk))
    for fence, pks in found.items():
        # Always in the same order, so that no two statements deadlock.
        pks.sort()
        for start in range(0, len(pks), MAX_IDS_PER_STATEMENT):
            yield fence, pks[start : start + MAX_IDS_PER_STATEMENT]


def batched(items: list, size: int) -> Iterator[list]:
    """Cut a list into parts."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
