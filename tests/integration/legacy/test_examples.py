"""The examples of Django Q 0.3.5's documentation, imported as they are and run by a cluster."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject

from django_q import conf as conf_module
from django_q import fetch, result
from django_q.legacy import install, uninstall
from django_q.models import Task

pytestmark = pytest.mark.django_db(transaction=True)

SETTINGS = """
from django_q import legacy

legacy.install()

from tests.settings import *
"""
HOOKS = """
def print_result(task):
    print(task.result)
"""


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Import an example as a module of its own, beside ``hooks.py``."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hooks.py").write_text(HOOKS)

    def example(source: str) -> ModuleType:
        (tmp_path / "example.py").write_text(dedent(source))
        return importlib.import_module("example")

    install()
    yield example
    uninstall()
    for name in ("example", "hooks"):
        sys.modules.pop(name, None)


@pytest.fixture
def cluster(running_cluster: Callable, tmp_path: Path, wait_until: Callable) -> Callable:
    """Start a cluster that imports the example too, and wait until a number of tasks is done."""
    (tmp_path / "old_settings.py").write_text(SETTINGS)

    def cluster(tasks: int) -> Any:
        started = running_cluster("--settings", "old_settings", "--pythonpath", str(tmp_path))
        wait_until(lambda: Task.objects.count() == tasks)
        return started

    return cluster


@pytest.mark.processes
def test_tasks_are_created_and_their_results_fetched(example: Callable, cluster: Callable) -> None:
    module = example(
        """
        from math import copysign
        from django_q import async, result, fetch

        # create the task
        async('math.copysign', 2, -2)

        # or with import and storing the id
        task_id = async(copysign, 2, -2)

        # get the result
        task_result = result(task_id)
        task = fetch(task_id)
        """
    )
    assert (module.task_result, module.task) == (None, None)

    cluster(tasks=2)

    assert [task.result for task in Task.objects.all()] == [-2, -2]
    assert result(module.task_id) == -2
    assert fetch(module.task_id).success


@pytest.mark.processes
def test_a_hook_is_called_with_the_task(example: Callable, cluster: Callable) -> None:
    example(
        """
        from django_q import async

        async('math.modf', 2.5, hook='hooks.print_result')
        """
    )

    cluster(tasks=1).wait_for("(0.5, 2.0)\n")


def test_sync_blocks_and_shows_what_went_wrong(
    example: Callable, capsys: pytest.CaptureFixture
) -> None:
    example(
        """
        from django_q import async, fetch

        # create a synchronous task
        task_id = async('my.buggy.code', sync=True)

        # the task will then be available immediately
        task = fetch(task_id)

        # and can be examined
        if not task.success:
            print('An error occurred: {}'.format(task.result))
        """
    )

    shown = capsys.readouterr().out
    assert shown.startswith("An error occurred: ModuleNotFoundError(\"No module named 'my'\")")


@pytest.mark.processes
def test_one_redis_client_serves_many_calls(
    example: Callable, broker: Any, cluster: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SimpleLazyObject(conf_module.get_redis_client)
    monkeypatch.setattr(conf_module, "redis_client", client)

    example(
        """
        from django_q import async
        from django_q.conf import redis_client

        for i in range(50):
            async('math.modf', 2.5, redis=redis_client)
        """
    )
    assert broker.queue_size() == 50

    cluster(tasks=50)

    assert [task.result for task in Task.objects.all()] == [math.modf(2.5)] * 50


@pytest.mark.processes
def test_functions_of_old_modules_are_called(example: Callable, cluster: Callable) -> None:
    module = example(
        """
        from django_q import async

        def first(x):
            return async(second, x + 1)

        def second(x):
            return x * 2

        def start():
            return async('example.first', 20)
        """
    )
    task_id = module.start()

    cluster(tasks=2)

    assert result(result(task_id)) == 42
