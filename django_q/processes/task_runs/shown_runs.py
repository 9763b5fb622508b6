"""Answer who asks for the log or the stack of a task that runs; done by the sentinel."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django_q.brokers.base import Broker
from django_q.exceptions import contain_error
from django_q.execution.run_details import process_name
from django_q.processes.logs.step_failures import StepFailureLog
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.processes.shared_state.order_table import Orders, OrderTable
from django_q.processes.supervision.child import Child
from django_q.task_state.shown import (
    ANSWER_SECONDS,
    LOG,
    QUESTION_PREFIX,
    STACK,
    RunAnswer,
    answer_key,
    question_key,
    sign_shown,
)

#: Seconds between two answers at least, and after a failure.
ANSWER_INTERVAL, FAILED_ANSWER_INTERVAL = 0.5, 5.0


class ShownRuns:
    """The questions of a queue, and what was answered last."""

    def __init__(self, broker: Broker, table: OrderTable) -> None:
        self.broker, self.table = broker, table
        self.due = 0.0  # monotonic; when to answer next
        self._orders: Orders = {}  # that were searched for questions last
        self._questions: dict[str, float] = {}  # by key: when it was posted
        self._answered: dict[str, tuple] = {}  # by key: the question, and what was answered
        texts = "a question could not be answered", "questions are answered again"
        self._failures = StepFailureLog(broker, *texts)

    def answer(self, children: Iterable[Child]) -> None:
        """Answer the questions for tasks that run here."""
        if (orders := self.table.current()) is not self._orders:
            self._orders = orders
            self._questions = {
                key: posted
                for key, (posted, _) in orders.items()
                if key.startswith(QUESTION_PREFIX)
            }
        if self._questions and (now := time.monotonic()) >= self.due:
            self.due = now + ANSWER_INTERVAL
            for child in children:
                if child.is_running and (label := child.label()):
                    self.answer_for(child, *label)

    def answer_for(self, child: Child, since: float, label: dict) -> None:
        """Answer the questions for the task that a worker runs."""
        for kind, find in ((LOG, shown_log), (STACK, self.shown_stack)):
            key = question_key(kind, label["id"])
            if key not in self._questions:
                self._answered.pop(key, None)
            elif shown := find(child, since, key):
                shown.attempt = label["attempt"]
                state = self._questions[key], since, shown.length
                if self._answered.get(key) != state and self.post(kind, label["id"], shown):
                    self._answered[key] = state

    def shown_stack(self, child: Child, since: float, key: str) -> RunAnswer | None:
        """Return the stack of a task that was asked for; None until its worker has written it."""
        posted, slot = self._questions[key], child.slot
        if self._answered.get(key, ())[:2] == (posted, since):
            return None
        if (text := slot.stack_for(since, posted)) is None:  # type: ignore[union-attr]
            child.ask_for_stack(since, posted)
            return None
        return RunAnswer(text, time.time(), process_name(child.process.pid))

    def post(self, kind: str, task_id: str, shown: RunAnswer) -> bool:
        """Let an answer stand for a while. Returns False if that failed."""
        text = sign_shown(kind, task_id, shown)
        try:
            with call_timeout():
                self.broker.set_stat(answer_key(kind, task_id), text, ANSWER_SECONDS)
            self._failures.success()
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            self.broker.close()
            self.due = time.monotonic() + FAILED_ANSWER_INTERVAL
            self._failures.log(error, FAILED_ANSWER_INTERVAL)
            return False
        return True


def shown_log(child: Child, since: float, key: str) -> RunAnswer | None:
    """Return the log of a task so far; None where there is none."""
    entry = child.current_log()
    if entry is None or not child.slot.is_since(since):  # type: ignore[union-attr]
        return None
    return RunAnswer(entry.text, time.time(), entry.worker, begun=entry.begun, length=entry.length)
