"""The fields of log lines about a task, for programs that read logs."""

from __future__ import annotations

import logging

import pytest

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
