"""Ask the cluster that runs a task for its log so far or its stack, on whatever host it is."""

from __future__ import annotations

import time

from django_q.brokers.base import Broker
from django_q.brokers.contract.orders import CANCEL_ORDER
from django_q.conf import logger
from django_q.orders.notices import process_text
from django_q.signing import BadSignature
from django_q.task_state.cancellation import sign_notice
from django_q.task_state.shown import (
    QUESTION_SECONDS,
    RunAnswer,
    answer_key,
    question_key,
    read_shown,
)


def can_ask(broker: Broker) -> bool:
    """Return True if a broker carries questions: it has notices."""
    return CANCEL_ORDER in broker.obeys


def ask(broker: Broker, kind: str, task_id: str, by: str | None = None) -> None:
    """Ask for something of a task that runs in the queue of a broker.

    The answer comes within a second or two, and follows its log for as long as the question stands.
    """
    key = question_key(kind, task_id)
    text = sign_notice(broker.list_key, key, by or process_text(), time.time())
    broker.post_notice(key, text, QUESTION_SECONDS)


def ask_unless_asked(broker: Broker, kind: str, task_id: str) -> None:
    """Ask unless a question for the same stands, or the broker carries none."""
    if can_ask(broker) and question_key(kind, task_id) not in broker.notices().values:
        ask(broker, kind, task_id)


def answer(broker: Broker, kind: str, task_id: str) -> RunAnswer | None:
    """Read what a cluster has answered last; None without an answer."""
    text = broker.get_stat(answer_key(kind, task_id))
    if not text:
        return None
    try:
        return read_shown(kind, task_id, text.decode() if isinstance(text, bytes) else text)
    except (BadSignature, UnicodeDecodeError) as error:
        logger.warning("what is shown of task %s is ignored: %s", task_id, error)
        return None
