"""A task that misbehaves harms no other, and its own end is recorded."""

from __future__ import annotations

import os

import pytest

from django_q.models import Task
from django_q.tasks import async_task
from tests.faults.misbehaviour import DEEDS
from tests.faults.rigs import ALIAS
from tests.faults.shards import SEEDS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

#: The broker has no part in most of this, so one is enough where time is short.
KINDS = ["redis", "sqlite"] if SEEDS in os.environ else ["redis"]
SHORT = ["fork", "close_everything", "segfault", "exit_quietly", "exhaust_descriptors"]
WANTED = [deed for deed in DEEDS if SEEDS in os.environ or deed.func in SHORT]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("deed", WANTED, ids=lambda deed: deed.func)
def test_a_task_that_misbehaves_harms_no_other(make_run, judge, deed, kind):
    run = make_run(kind, 1)
    run.start_cluster(timeout=20)
    run.produce(100, 0.6)
    run.begin()
    args = [str(run.trace_file) if arg == "{trace}" else arg for arg in deed.args]
    run.can_fail = deed.func == "exhaust_descriptors"  # those that its worker ran next
    for _ in range(3 if deed.repeats else 0):
        run.lapse()

    path = f"tests.faults.misbehaviour.{deed.func}"
    task_id = async_task(path, *args, broker=run.broker, **(deed.options or {}))

    find = Task.objects.using(ALIAS).filter(id=task_id).first
    assert run.quietly(find, 30), f"never saved:\n{run.logs()}"
    task = find()
    assert deed.success in (None, task.success), task.result
    assert deed.result in str(task.result)
    judge(run, f"task: {deed.func}", kind, 1)
