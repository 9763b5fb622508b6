"""What holds a queue back: pauses and a limit, in a row that each take asks for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import DatabaseError, models, transaction

from django_q.brokers.contract.orders import QueueControl
from django_q.models import QueueOrder
from django_q.servers.statement_retry import retry_on_conflict

#: The beginnings of the names of a queue's two rows.
HOLD_PREFIX, NOTICES_PREFIX = "hold:", "notices:"
#: How long a pause waits for running takes, and holds up later ones meanwhile.
MAX_PAUSE_LOCK_WAIT = "2s"
#: SQLSTATE where a lock is not given: for a timeout, or a deadlock.
LOCK_REFUSED_STATES = ("55P03", "40P01")


class SeenOrders(NamedTuple):
    """What is known of the orders about a queue, as of the last statement that has asked."""

    #: Whether something holds the queue back.
    is_held_back: bool = False
    #: Whether there are notices.
    has_notices: bool = False
    version: int = 0
    #: Whether there are orders about any queue of the database, where that is asked.
    are_any: bool = False

    def has_more_than(self, before: SeenOrders) -> bool:
        """Return True if there are orders for which an earlier take has taken nothing."""
        pairs = zip(self.kinds, before.kinds, strict=True)
        return any(now and not then for now, then in pairs)

    @property
    def kinds(self) -> tuple[bool, bool, bool]:
        """What there is."""
        return self.is_held_back, self.has_notices, self.are_any


def seen_orders(
    is_held_back: bool | None, signed_version: int | None, are_any: bool = False
) -> SeenOrders:
    """Make what is seen of two columns: the version has its sign changed where no notice is."""
    version = signed_version or 0
    return SeenOrders(bool(is_held_back), version > 0, abs(version), are_any)


class QueueHolds:
    """Changes and reads what holds one queue back."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self.name = HOLD_PREFIX + table.key
        self.notices_name = NOTICES_PREFIX + table.key

    def may_repeat(self, error: Exception) -> bool:
        """Return True if a failed statement can succeed when it is repeated."""
        return self.table.may_repeat(error)

    @property
    def inactive_sql(self) -> str:
        """The condition that nothing holds the queue back, until the end of the take."""
        locked = " LOCK IN SHARE MODE" if self.table.connection.vendor == "mysql" else ""
        held = f"SELECT is_active FROM {self.table.orders_table} WHERE name = %s{locked}"
        return f"COALESCE(({held}), FALSE) = FALSE"

    def rows(self, *names: str) -> models.QuerySet:
        """Return a queryset of rows of orders."""
        return QueueOrder.objects.using(self.table.alias).filter(name__in=names)

    def pause(self, cluster_id: str) -> None:
        """Pause the queue for one cluster, or for all."""

        def change(order: QueueOrder) -> None:
            if cluster_id:
                paused = {*json.loads(order.paused_clusters), cluster_id}
                order.paused_clusters = json.dumps(sorted(paused))
            else:
                order.is_paused = True

        self.change(change, waits_for_takes=True)

    def resume(self, cluster_id: str) -> bool:
        """End a pause. Returns whether there was one."""

        def change(order: QueueOrder) -> bool:
            before = set(json.loads(order.paused_clusters))
            if not cluster_id:
                was_paused, order.is_paused = order.is_paused, False
                return was_paused
            order.paused_clusters = json.dumps(sorted(before - {cluster_id}))
            return cluster_id in before

        return self.change(change)

    def set_limit(self, limit: int | None) -> None:
        """Set how many tasks may be leased at a time."""

        def change(order: QueueOrder) -> None:
            order.limit = limit

        self.change(change, waits_for_takes=limit is not None)

    @retry_on_conflict
    def change(self, function: Callable[[QueueOrder], Any], waits_for_takes: bool = False) -> Any:
        """Change the row by a function, in a transaction. Returns what the function returns.

        With ``waits_for_takes``, nothing is taken any more that does not obey the change.
        """
        with self.table.transaction():
            if waits_for_takes and self.table.connection.vendor == "postgresql":
                self.wait_for_takes()
            rows = QueueOrder.objects.using(self.table.alias).select_for_update()
            order, _ = rows.get_or_create(name=self.name)
            result = function(order)
            order.is_active = order.is_paused or order.paused_clusters != "[]"
            order.is_active = order.is_active or order.limit is not None
            order.save(using=self.table.alias)
        self.table.notify_after_commit()
        return result

    def wait_for_takes(self) -> None:
        """Wait until running takes have ended on PostgreSQL, and hold later ones up.

        A take locks the table in the mode that its FOR KEY SHARE needs, before it looks at rows.
        So one that has begun before the row is changed has ended before, too. Another transaction
        that has changed an order, and goes on, is waited for no longer than a moment.
        """
        set_timeout = "SELECT set_config('lock_timeout', %s, true)"
        before = self.table.fetch("SELECT current_setting('lock_timeout')", [])[0]
        try:
            with transaction.atomic(self.table.alias):
                self.table.fetch(set_timeout, [MAX_PAUSE_LOCK_WAIT])
                self.table.execute(f"LOCK TABLE {self.table.orders_table} IN EXCLUSIVE MODE", [])
                self.table.fetch(set_timeout, list(before))
        except DatabaseError as error:
            if error_state(error) not in LOCK_REFUSED_STATES:
                raise

    def seen(self, rows: dict[str, tuple[bool, int]]) -> SeenOrders:
        """Make what is seen of columns of the two rows, by name; see to it that MySQL has one.

        There a take locks the row, so that a pause waits for its end.
        """
        if self.name not in rows and self.table.connection.vendor == "mysql":
            QueueOrder.objects.using(self.table.alias).get_or_create(name=self.name)
        is_active, _ = rows.get(self.name, (False, 0))
        has_notices, version = rows.get(self.notices_name, (False, 0))
        return SeenOrders(bool(is_active), bool(has_notices), version)

    def control(self) -> QueueControl:
        """Read what holds the queue back."""
        order = self.rows(self.name).first()
        return control_of(order) if order else QueueControl()

    def lock(self) -> tuple[QueueControl, SeenOrders]:
        """Read the orders about the queue within the transaction of a take.

        What holds it back stays until the transaction ends. With a limit, no other take goes on.
        """
        by_name = {row.name: row for row in self.locked_rows()}
        hold, notices = by_name.get(self.name), by_name.get(self.notices_name)
        signed = (notices.version if notices.is_active else -notices.version) if notices else 0
        if hold is None or not hold.is_active:
            return QueueControl(), seen_orders(False, signed, True)
        return control_of(hold), seen_orders(True, signed, True)

    def take_unheld(self, limit: int, lease: Callable[[int, bool], list]) -> list[tuple]:
        """Lease rows within the transaction of a take, if nothing holds the queue back by then.

        A pause waits for the end of the transaction. On MySQL the condition of the statement that
        leases rows sees to that, elsewhere a lock; where a pause locks the whole table, as on
        PostgreSQL, no row is needed for it.
        """
        vendor = self.table.connection.vendor
        if vendor not in ("mysql", "postgresql"):
            QueueOrder.objects.using(self.table.alias).get_or_create(name=self.name)
        if vendor != "mysql":
            self.locked_rows()
        return lease(limit, False)

    def take_in_room(self, limit: int, lease: Callable[[int, bool], list]) -> list[tuple]:
        """Lease rows within the transaction of a take, as many as may be; cancelled ones first.

        ``lease`` leases up to so many rows: only cancelled ones, or any.
        """
        control, self.table.seen = self.lock()
        room = self.room(control)
        rows = lease(limit, True)
        left = min(limit, room) - len(rows)
        if left > 0:
            rows = rows + lease(left, False)
        self.table.is_held = not (rows or room)
        return rows

    def room(self, control: QueueControl) -> float:
        """Return how many tasks may be taken."""
        if control.is_paused or self.table.cluster_id in control.paused_clusters:
            return 0
        if control.limit is None:
            return math.inf
        rows = self.table.rows.annotate(parity=models.F("delivery") % 2)
        now = self.table.time_expression()
        leased = rows.filter(lock__gt=now, attempts__gt=0, parity=1).order_by()
        return control.limit - leased[: control.limit].count() if control.limit else 0

    def locked_rows(self) -> list[QueueOrder]:
        """Read the rows of the queue, and lock that of what holds it back."""
        vendor, rows = self.table.connection.vendor, self.rows(self.name, self.notices_name)
        if vendor == "postgresql":
            sql = f"SELECT * FROM {self.table.orders_table} WHERE name IN (%s, %s) FOR KEY SHARE"
            found = list(rows.raw(sql, [self.name, self.notices_name]))
            if all(row.limit is None for row in found):
                return found
        locked = self.rows(self.name).select_for_update(no_key=vendor == "postgresql")
        return [*locked, *self.rows(self.notices_name)]


def control_of(order: QueueOrder) -> QueueControl:
    """Return what a row says."""
    return QueueControl(order.is_paused, frozenset(json.loads(order.paused_clusters)), order.limit)


def error_state(error: DatabaseError) -> str | None:
    """Return the SQLSTATE of an error of PostgreSQL, as psycopg 3 and 2 name it."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
