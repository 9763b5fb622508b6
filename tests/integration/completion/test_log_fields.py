"""The fields of log lines about a task, for programs that read logs."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError

from django_q.calls import resubmission
from django_q.completion.dead_letters import DeadLetters
from django_q.completion.orphans import note_kept_attempts
from django_q.completion.resumption import has_succeeded_before
from django_q.execution.execution import UndecodablePayload
from django_q.models import Task
from django_q.signing import BadSignature
from django_q.tasks import async_task
from tests.tasks import multiply, raise_error

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("func", "line"), [(multiply, "Processed"), (raise_error, "Failed")])
def test_the_line_of_a_task_has_its_fields(broker, run_once, caplog, func, line):
    caplog.set_level(logging.INFO, "django-q")
    args = (2, 3) if func is multiply else ()
    task_id = async_task(func, *args, task_name="of-the-test", broker=broker)

    run_once(broker)

    (record,) = (each for each in caplog.records if each.getMessage().startswith(line))
    assert (record.task_id, record.task_name) == (task_id, "of-the-test")
    assert record.task_func == f"tests.tasks.{func.__name__}"
    assert (record.task_attempt, record.task_queue) == (1, "test")


def test_the_line_of_a_dead_letter_has_its_queue(broker, caplog):
    broker.enqueue("no package")
    ((ack_id, payload, *_rest),) = broker.dequeue()

    DeadLetters(broker).move_to_dead_letters(UndecodablePayload(ack_id, payload, "It is odd."))

    assert caplog.records[-1].task_queue == "test"


#: A package, and what its lines have.
PACKAGE: Any = {"id": "1" * 32, "name": "one", "func": "tests.tasks.nothing", "attempt": 2}
FIELDS = ("1" * 32, "one", "tests.tasks.nothing", 2, "test")


def fields_of(record: Any) -> tuple:
    """Return the fields of a line."""
    names = ("id", "name", "func", "attempt", "queue")
    return tuple(getattr(record, f"task_{name}") for name in names)


def unsigned(ack_id: Any) -> Any:
    """Raise what a kept state raises that nobody has signed."""
    raise BadSignature("odd")


def test_lines_about_attempts_before_have_the_fields(caplog, monkeypatch):
    odd = SimpleNamespace(kept_state=lambda ack_id: SimpleNamespace(attempts="odd"))
    note_kept_attempts({**PACKAGE, "ack_id": "a"}, odd)
    monkeypatch.setattr("django_q.completion.resumption.kept_outcome", unsigned)
    has_succeeded_before(dict(PACKAGE))

    assert [fields_of(record) for record in caplog.records] == [FIELDS, FIELDS]


def test_the_line_about_a_failure_that_is_kept_has_the_fields(caplog, monkeypatch):
    task = Task(id="1" * 32, name="one", func="tests.tasks.nothing", attempt_count=2)
    monkeypatch.setattr(task, "delete", refuse)

    resubmission.delete_replaced(task)

    assert fields_of(caplog.records[-1]) == FIELDS


def refuse() -> None:
    """Raise what a database raises for a row that another refers to."""
    raise IntegrityError("referred to")
