"""Which tasks go through the outbox."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db import connections

from django_q.brokers import broker_class
from django_q.brokers.adapter import BrokerAdapter
from django_q.conf import Conf, logger
from django_q.outbox.pushing import in_manual_transaction
from django_q.servers.transactions import is_open


def keeps_tasks_for(broker: Any, alias: str | None, on_commit: bool) -> bool:
    """Return True if tasks for a broker go through the outbox.

    ``alias`` is the database whose transaction is waited for; None for no wait.
    """
    queue_alias = getattr(broker, "alias", None)
    if queue_alias is not None and queue_alias in (Conf.OUTBOX, alias):
        return False  # the queue itself is rows of that transaction
    if not is_configured(broker):
        log_once("a broker or a client that a call gives does without the outbox")
        return False
    if alias is None:
        return on_commit or not in_transaction()
    if alias != Conf.OUTBOX:
        text = (
            f"tasks of transactions on '{alias}' do without the outbox, which is in "
            f"'{Conf.OUTBOX}': they are pushed when that commits"
        )
        log_once(text)
        return False
    return True


def is_configured(broker: Any) -> bool:
    """Return True for a broker that a cluster can make, too, from the settings and a queue."""
    own = broker.broker if isinstance(broker, BrokerAdapter) else broker
    return type(own) is broker_class() and not getattr(own, "has_foreign_client", False)


def in_transaction() -> bool:
    """Return True if a row that is added now would not be committed at once."""
    return is_open(connections[Conf.OUTBOX]) or in_manual_transaction()


@lru_cache(maxsize=64)
def log_once(text: str) -> None:
    """Log a warning, once in each process."""
    logger.warning("%s", text)
