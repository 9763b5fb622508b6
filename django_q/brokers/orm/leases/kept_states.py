"""What is kept beside a payload until its task ends, each text in a column of its own.

So no two who write at the same time overwrite each other: the sentinel writes positions, the
monitor attempts, and whoever cancels a task marks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django_q.brokers.contract.kept_state import MAX_STATE_LENGTH, KeptState
from django_q.brokers.contract.orders import REMOVED, REQUESTED
from django_q.brokers.orm.leases.receipts import batched
from django_q.models import OrmQ
from django_q.servers.statement_retry import retry_on_conflict

#: Added to the rank of a task that is cancelled, so that it is taken before all others.
CANCELLED_RANK_OFFSET = -20_000
#: The rank of a task that is cancelled is lower than this, that of any other is not.
MIN_UNCANCELLED_RANK = -10_000
#: A released row is due this many seconds ago, so that it comes before the rows that wait.
QUEUE_FRONT_SECONDS = 86400
#: Deliveries whose texts are written by one statement; each takes up to eight parameters.
MAX_STATES_PER_STATEMENT = 100
#: The ``delivery`` of a row that nobody holds from then on.
RELEASED_SQL = "delivery + 2 - (delivery & 1)"
#: Whether somebody may hold a row: also when the lease has ended, until another one takes it.
IS_HELD_SQL = "((delivery & 1) = 1 AND attempts > 0)"


class KeptStates:
    """Writes what is kept beside the payloads of one queue."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def may_repeat(self, error: Exception) -> bool:
        """Return True if a failed statement can succeed when it is repeated."""
        return self.table.may_repeat(error)

    @retry_on_conflict
    def keep(self, states: Mapping[str, KeptState]) -> set[str]:
        """Keep texts beside the payloads of deliveries. Returns the receipts that were stale."""
        return self.change(states, states, {"lock": self.table.quote("lock")}, [])

    @retry_on_conflict
    def release(
        self,
        receipts: Iterable[str],
        delay: float,
        count: bool,
        states: Mapping[str, KeptState] | None,
    ) -> set[str]:
        """Release deliveries, keep texts beside them. Returns the receipts that were stale.

        A task that is cancelled may be taken at once, whatever the delay.
        """
        lock, parameters = self.table.sql_time(delay if delay > 0 else -QUEUE_FRONT_SECONDS)
        if delay > 0:
            front, moment = self.table.sql_time(-QUEUE_FRONT_SECONDS)
            lock = f"CASE WHEN cancelled IS NULL THEN {lock} ELSE {front} END"
            parameters = [*parameters, *moment]
        columns = {
            "lock": lock,
            "delivery": "delivery + 1",
            "attempts": "attempts" if count else "attempts - 1",
        }
        return self.change(receipts, states or {}, columns, parameters)

    def change(
        self,
        receipts: Iterable[str],
        states: Mapping[str, KeptState],
        columns: dict[str, str],
        parameters: list,
    ) -> set[str]:
        """Change rows that are held: columns by SQL expressions, and what is kept in them."""
        if not states:
            return self.update(receipts, columns, parameters)
        stale = set()
        for part in batched(list(receipts), MAX_STATES_PER_STATEMENT):
            # MySQL assigns in this order: ``delivery`` must be compared before it changes.
            kept, texts = kept_columns({each: states.get(each, KeptState()) for each in part})
            stale |= self.update(part, {**kept, **columns}, [*texts, *parameters])
        return stale

    def update(
        self, receipts: Iterable[str], columns: dict[str, str], parameters: list
    ) -> set[str]:
        """Change columns of rows that are held. Returns the receipts that were stale."""
        changes = ", ".join(f"{self.table.quote(name)} = {sql}" for name, sql in columns.items())
        sql = f"UPDATE {self.table.table} SET {changes}"
        return self.table.change(receipts, sql, parameters)

    @retry_on_conflict
    def cancel(self, task_id: str, mark: str, promote: Callable[[list[str]], None]) -> str | None:
        """Mark a task as cancelled. Returns what became of it.

        One that nobody may hold is due from then on, and has no unique key: ``promote`` gives that
        to the task that waits for it.
        """
        with self.table.transaction():
            rows = OrmQ.objects.using(self.table.alias).filter(tracked_id=task_id)
            found = rows.select_for_update().values_list(
                "pk", "key", "delivery", "attempts", "unique_digest"
            )
            # The queue is no condition, as that may hide an index.
            own = [row for row in found if row[1] == self.table.key]
            if not own:
                return None
            pk, _, fence, attempts, digest = own[0]
            self.mark(pk, mark)
            is_held = fence & 1 and attempts > 0
            if digest and not is_held:
                promote([digest])
        return REQUESTED if is_held else REMOVED

    def mark(self, pk: int, mark: str) -> None:
        """Mark a row, unless it is marked."""
        now, start = self.table.sql_time()
        lock, rank = self.table.quote("lock"), self.table.quote("rank")
        held = IS_HELD_SQL
        # MySQL assigns in this order: the condition must not be changed before it is used.
        self.table.execute(
            f"UPDATE {self.table.table} SET cancelled = COALESCE(cancelled, %s), "
            f"{rank} = CASE WHEN {rank} < {MIN_UNCANCELLED_RANK} THEN {rank} "
            f"ELSE COALESCE({rank}, 0) + {CANCELLED_RANK_OFFSET} END, "
            f"{lock} = CASE WHEN {held} OR {lock} < {now} THEN {lock} ELSE {now} END, "
            f"unique_for = CASE WHEN {held} THEN unique_for ELSE NULL END, "
            f"unique_digest = CASE WHEN {held} THEN unique_digest ELSE NULL END, "
            f"delivery = CASE WHEN {held} THEN delivery ELSE {RELEASED_SQL} END WHERE id = %s",
            [mark, *start, *start, pk],
        )


def kept_columns(states: Mapping[str, KeptState]) -> tuple[dict[str, str], list]:
    """Return SQL expressions for columns, and their parameters, by receipt.

    Texts that are empty or too long change nothing. Only ``KeptStates.cancel`` marks a task.
    """
    columns, parameters = {}, []
    for column, field in (("state", "attempts"), ("position", "position")):
        cases = []
        for ack_id, state in states.items():
            text = getattr(state, field)
            if 0 < len(text) <= MAX_STATE_LENGTH:
                pk, _, fence = ack_id.partition(".")
                cases.append("WHEN id = %s AND delivery = %s THEN %s")
                parameters += [int(pk), int(fence), text]
        if cases:
            columns[column] = f"CASE {' '.join(cases)} ELSE {column} END"
    return columns, parameters


def priority_of(rank: int | None) -> int:
    """Return the priority of a task by its rank, cancelled or not."""
    rank = rank or 0
    return -(rank - CANCELLED_RANK_OFFSET if rank < MIN_UNCANCELLED_RANK else rank)
