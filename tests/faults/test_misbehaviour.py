"""A task that misbehaves harms no other, and its own end is recorded."""

from __future__ import annotations

import os

import pytest

from django_q.models import Task
from tests.faults.misbehaviour import DEEDS, misbehave
from tests.faults.rigs import ALIAS, KINDS
from tests.faults.shards import SEEDS, seeds

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

#: The broker has no part in most of this, so one is enough where time is short.
WANTED = ["redis"] if SEEDS not in os.environ else [kind for kind in KINDS if kind != "mysql"]
SHORT = ["fork", "close_everything", "segfault", "exit_quietly", "exhaust_descriptors"]
DEEDS_WANTED = [deed for deed in DEEDS if SEEDS in os.environ or deed.func in SHORT]


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("kind", WANTED)
@pytest.mark.parametrize("deed", DEEDS_WANTED, ids=lambda deed: deed.func)
def test_a_task_that_misbehaves_harms_no_other(make_run, judge, deed, kind, seed):
    run = make_run(kind, seed)
    run.start_cluster(timeout=20)
    run.produce(40, 0.3)
    run.begin()
    run.instant(0.2)

    task_id = misbehave(run, deed)

    find = Task.objects.using(ALIAS).filter(id=task_id).first
    assert run.quietly(find, 60), f"never saved:\n{run.logs()}"
    task = find()
    assert deed.success in (None, task.success), task.result
    assert deed.result in str(task.result)
    judge(run, f"task: {deed.func}", kind, seed)
