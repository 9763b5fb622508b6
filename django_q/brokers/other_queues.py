"""Reach the other queues of a broker's server, and name queues for people."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django_q.brokers.adapter import BrokerAdapter
from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.text.error_text import error_summary

Answer = TypeVar("Answer")

#: The key of a queue in Redis. No other broker makes such names.
REDIS_LIST_KEY = re.compile("django_q:(.+):q", re.DOTALL)


def queue_label(list_key: str) -> str:
    """Return the name of a queue as the option ``cluster`` takes it, from a broker's list key."""
    match = REDIS_LIST_KEY.fullmatch(list_key)
    if match is None:
        return list_key
    tagged = Conf.redis_name("") == "{}" and match[1][:1] == "{" and match[1][-1] == "}"
    return match[1][1:-1] if tagged else match[1]


@contextmanager
def queue_of(broker: Broker, list_key: str) -> Iterator[Broker]:
    """Give a broker for a queue of the same server: the same one, or a copy for the time being."""
    if list_key == broker.list_key:
        yield broker
        return
    other = copied(broker, list_key)
    try:
        yield other
    finally:
        vars(other).pop("connection", None)  # it is not its own
        other.close()


def ask_other_queues(broker: Broker, ask: Callable[[Broker], Answer]) -> Iterator[Answer]:
    """Ask a broker of each other queue of the server that has tasks.

    Those are left out that the server keeps from this user: they are of another project.
    """
    for list_key in sorted(set(broker.queue_names()) - {broker.list_key}):
        with queue_of(broker, list_key) as other:
            try:
                answer = ask(other)
            except Exception as error:  # each driver has its own classes of errors
                if not broker.refusal(error):
                    raise
                logger.debug("the queue %s was not asked: %s", list_key, error_summary(error))
                continue
            yield answer


def copied(broker: Broker, list_key: str) -> Broker:
    """Copy a broker for another queue, with the same connection."""
    if isinstance(broker, BrokerAdapter):
        return BrokerAdapter(copied(broker.broker, list_key))
    other = copy.copy(broker)
    other.list_key = list_key
    other.connection = broker.connection_of(list_key)
    return other
