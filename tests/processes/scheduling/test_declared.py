"""Clusters of two releases, whose sources declare other schedules, beside one another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from django_q.models import Schedule
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

SOURCE = """
from django_q.tasks import scheduled

@scheduled("{name}", cron="0 3 * * *")
def {name}():
    return 1

@scheduled("report", cron="{cron}")
def report():
    return 2
"""


@pytest.fixture
def start_release(
    tmp_path: Path, monkeypatch: Any, running_cluster: Callable
) -> Callable[[str, str], Any]:
    """Start a cluster of a release whose source declares a report, and a schedule of a name."""

    def start(name: str, cron: str) -> Any:
        folder = tmp_path / name / "bakery"
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "tasks.py").write_text(SOURCE.format(name=name, cron=cron))
        path = os.pathsep.join([str(folder.parent), os.getcwd()])
        monkeypatch.setenv("PYTHONPATH", path)
        modules = ["bakery.tasks", "bakery.nowhere"] if name == "broken" else ["bakery.tasks"]
        return running_cluster(workers=1, scheduler=True, schedule_modules=modules)

    return start


def rows() -> dict[str, tuple[str, bool]]:
    """Read the schedules: their expressions, and whether they are paused."""
    return {row.name: (row.cron, row.paused) for row in Schedule.objects.all()}


def test_a_scheduler_of_an_older_release_that_is_started_again_writes_nothing(start_release):
    older = start_release("removed", "0 9 * * *")
    wait_until(lambda: rows() == {"removed": ("0 3 * * *", False), "report": ("0 9 * * *", False)})
    start_release("added", "0 12 * * *")
    newer = {
        "removed": ("0 3 * * *", True),
        "added": ("0 3 * * *", False),
        "report": ("0 12 * * *", False),
    }
    wait_until(lambda: rows() == newer)

    older.kill("scheduler")

    older.wait_for("are not written, as a later release has declared others")
    assert rows() == newer


def test_a_cluster_starts_with_a_module_that_can_not_be_imported(start_release):
    cluster = start_release("broken", "0 9 * * *")

    cluster.wait_for("the schedules of bakery.nowhere are not known")
    wait_until(lambda: len(rows()) == 2)
