"""Which options a call has that is submitted once more."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from django_q.calls.resubmission import NotRepeatable, resubmit
from django_q.models import Failure, Task
from django_q.tasks import async_task
from tests.tasks import raise_error

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.parametrize("broker", ["memory", "redis", "orm"], indirect=True),
]


def failure(broker: Any, run_all: Any, **options: Any) -> Failure:
    """Run a task with options that fails, and return its row."""
    task_id = async_task(raise_error, q_options=options)
    run_all(broker)
    return Failure.objects.get(id=task_id)


def waiting_ids(broker: Any) -> list[str]:
    """List the ids of the tasks in a queue."""
    return [task.task_id for task in broker.list_tasks()]


def test_a_call_keeps_its_priority_its_limits_and_its_unique_key(broker, run_all):
    kept = {"priority": 7, "track": True, "timeout": 50, "max_attempts": 1, "ack_failure": True}
    task = failure(broker, run_all, **kept, unique="key")

    new_id = resubmit(task)

    (waiting,) = broker.list_tasks()
    assert (waiting.task_id, waiting.priority) == (new_id, 7)
    assert async_task(raise_error, q_options={"unique": "key"}) == new_id
    run_all(broker)
    options = Task.objects.get(id=new_id).options
    assert {name: options[name] for name in kept} == kept
    assert options["unique"] == "key"


def test_a_call_is_due_at_once_and_does_not_expire(broker, run_all):
    task = failure(broker, run_all, run_after=0, expires=3600, priority=1)

    resubmit(task)

    (waiting,) = broker.list_tasks()
    assert (waiting.state, waiting.due, waiting.expires) == ("waiting", None, None)


def test_a_call_does_not_meet_itself_by_its_idempotency_key(broker, run_all):
    task = failure(broker, run_all, idempotency_key="order 1")

    assert resubmit(task) == task.id
    assert broker.queue_size() == 1


@pytest.mark.parametrize("on_duplicate", ["existing", "replace", "reject"])
def test_a_failure_stays_while_another_task_has_its_key(
    broker, run_all, admin_client, on_duplicate
):
    task = failure(broker, run_all, unique="key", on_duplicate=on_duplicate)
    other = async_task(raise_error, "other", q_options={"unique": "key"})

    data = {"action": "resubmit_task", "_selected_action": [task.pk]}
    page = admin_client.post(reverse("admin:django_q_failure_changelist"), data, follow=True)

    assert f"Task {other} has its unique key." in str(next(iter(page.context["messages"])))
    assert Failure.objects.filter(pk=task.pk).exists()
    assert waiting_ids(broker) == [other]
    with pytest.raises(NotRepeatable):
        resubmit(task)


def test_the_key_that_a_failure_has_for_a_while_does_not_keep_it_from_the_queue(broker, run_all):
    task = failure(broker, run_all, unique="key", unique_for=3600)

    assert resubmit(task) == task.id
    assert broker.queue_size() == 1
    assert async_task(raise_error, q_options={"unique": "key"}) == task.id
