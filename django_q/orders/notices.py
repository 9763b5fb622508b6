"""Post the notices of a queue, and withdraw those that nobody needs any more."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from django_q.brokers.base import Broker
from django_q.conf import logger
from django_q.exceptions import TooManyNotices, contain_error
from django_q.models import Task
from django_q.models.task import HAS_ENDED
from django_q.task_state.cancellation import TASK_KEY_PREFIX, sign_cancellation, sign_notice
from django_q.text.error_text import error_summary

#: Ids of tasks that are looked up in one query.
MAX_IDS_PER_QUERY = 500


def process_text() -> str:
    """Name this process, for orders that name nobody."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True)
class CancelOrder:
    """Who cancels something, when and why."""

    by: str = field(default_factory=process_text)
    reason: str = ""
    at: float = field(default_factory=time.time)  #: seconds since the epoch

    def mark(self, task_id: str) -> str:
        """Make the mark of a task."""
        return sign_cancellation(task_id, self.by, self.at, self.reason)

    def post(self, broker: Broker, key: str) -> None:
        """Post the notice under a key; where there are too many, those of ended tasks go first."""
        text = sign_notice(broker.list_key, key, self.by, self.at, self.reason)
        try:
            broker.post_notice(key, text)
        except TooManyNotices:
            if not withdraw_ended(broker):
                raise
            broker.post_notice(key, text)


def withdraw_ended(broker: Broker) -> int:
    """Withdraw the notices for tasks whose end is saved. Returns how many there were."""
    prefix = TASK_KEY_PREFIX
    ids = [key[len(prefix) :] for key in broker.notices().values if key.startswith(prefix)]
    ended: list[str] = []
    for first in range(0, len(ids), MAX_IDS_PER_QUERY):
        some = ids[first : first + MAX_IDS_PER_QUERY]
        rows = Task.objects.filter(HAS_ENDED, id__in=some)
        ended += rows.order_by().values_list("id", flat=True)
    return broker.withdraw_notices([f"{prefix}{task_id}" for task_id in ended]) if ended else 0


def withdraw_quietly(broker: Broker, keys: Iterable[str]) -> None:
    """Withdraw notices that are carried out. If that fails they are only kept for longer."""
    try:
        broker.withdraw_notices(keys)
    except BaseException as error:  # whatever a driver raises
        contain_error(error)
        logger.debug("notices are kept for longer: %s", error_summary(error))
