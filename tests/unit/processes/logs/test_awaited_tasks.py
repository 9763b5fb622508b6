"""What the log says of the tasks that a stop waits for."""

from __future__ import annotations

import logging

from django_q.processes.logs.awaited_tasks import MAX_AWAITED_NAMES, log_awaited_tasks


def task(number: int) -> dict:
    return {"name": f"name-{number}", "func": "shop.tasks.f", "seconds": float(number), "pid": 7}


def test_tasks_that_run_are_named_the_longest_running_first(caplog):
    caplog.set_level(logging.INFO, logger="django-q")

    log_awaited_tasks("sentinel", [task(3), task(75)], 60)

    assert caplog.messages == [
        "sentinel waits at most 60 seconds for 2 tasks that run; a second Ctrl-C or signal ends "
        "them at once: 'shop.tasks.f' (name-75) for 75 s, 'shop.tasks.f' (name-3) for 3 s"
    ]


def test_a_stop_that_waits_for_nothing_says_nothing(caplog):
    caplog.set_level(logging.INFO, logger="django-q")

    log_awaited_tasks("sentinel", [], 60)

    assert caplog.messages == []


def test_of_many_tasks_some_are_named(caplog):
    caplog.set_level(logging.INFO, logger="django-q")

    log_awaited_tasks("sentinel", map(task, range(MAX_AWAITED_NAMES + 3)), 60)

    assert caplog.messages[0].endswith(", and 3 more")
    assert caplog.messages[0].count("shop.tasks.f") == MAX_AWAITED_NAMES
