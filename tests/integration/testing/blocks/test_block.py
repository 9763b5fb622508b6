"""The ways to use the kit: a block, a decorator, a mixin, a fixture."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
import unittest
from pathlib import Path

import pytest
from django.core.signals import setting_changed
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic
from django.test import SimpleTestCase, TestCase, override_settings
from django.utils import timezone

from django_q.calls import composition
from django_q.conf import Conf
from django_q.servers import database_clock
from django_q.tasks import async_task, fetch
from django_q.testing import EnqueuedMixin, assert_enqueued, drain, enqueued
from django_q.testing.recording.recording import Recording
from tests.source_code import ROOT
from tests.tasks import multiply


@enqueued()
def test_a_function_is_decorated():
    async_task(multiply, 2, 3)

    assert_enqueued(multiply, (2, 3), count=1)


def test_an_asynchronous_function_is_decorated():
    @enqueued()
    async def count() -> int:
        async_task(multiply, 2, 3)
        await asyncio.sleep(0)
        assert_enqueued(multiply, count=1)

    asyncio.run(count())
    asyncio.run(count())


def test_a_block_is_used_again_also_inside_of_itself():
    block = enqueued()
    for _ in range(2):
        with block as outer:
            async_task(multiply, 2, 3)
            with block as inner:
                async_task(multiply, 4, 5)
        assert [task.args for task in outer] == [(2, 3)]
        assert [task.args for task in inner] == [(4, 5)]


def replaced_names() -> list:
    """List what a block replaces."""
    return [
        Recording.current,
        timezone.datetime,
        time.time,
        dict(database_clock.SQL_TIME_BY_VENDOR),
        composition.chosen_broker,
        BaseDatabaseWrapper.on_commit,
        Atomic.__exit__,
        len(setting_changed.receivers),
        dict(vars(Conf)),
    ]


def test_all_is_as_before_behind_a_block():
    before = replaced_names()

    with enqueued(), enqueued():
        inside = replaced_names()

    assert replaced_names() == before
    assert [a for a, b in zip(before, inside, strict=True) if a == b] == []


def test_other_settings_inside_of_a_block_are_heeded():
    with enqueued() as tasks:
        with override_settings(Q_CLUSTER={"name": "other", "sync": True, "orm": "default"}):
            async_task(multiply, 2, 3)
        async_task(multiply, 4, 5)

    assert [task.queue for task in tasks] == ["other", "test"]
    assert Conf.BROKER_CLASS is None


def test_settings_that_end_inside_of_a_block_leave_nothing_behind():
    settings = override_settings(Q_CLUSTER={"name": "other", "sync": True})
    settings.enable()
    try:
        with enqueued():
            settings.disable()
        assert (Conf.PREFIX, Conf.SYNC, Conf.BROKER_CLASS) == ("test", False, None)
    finally:
        Conf.from_django()


@pytest.mark.django_db
def test_a_call_that_asks_for_it_runs_at_once():
    with enqueued() as tasks:
        task_id = async_task(multiply, 2, 3, sync=True)

        assert fetch(task_id).result == 6
        assert tasks == []


class MixedIn(EnqueuedMixin, TestCase):
    """Has the kit around each of its tests."""

    def setUp(self):
        async_task(multiply, 1, 1)

    def test_tasks_of_set_up_are_there(self):
        async_task(multiply, 2, 3)

        assert [task.args for task in self.tasks] == [(1, 1), (2, 3)]
        assert [task.result for task in drain()] == [1, 6]

    def test_each_test_has_its_own(self):
        assert_enqueued(multiply, count=1)


class WithoutDatabase(EnqueuedMixin, SimpleTestCase):
    """Records what is enqueued, which needs no database."""

    def test_tasks_are_recorded(self):
        async_task(multiply, 2, 3)

        self.tasks.assert_enqueued(multiply, (2, 3))


def test_a_test_that_is_debugged_has_its_tasks():
    suite = unittest.TestSuite([WithoutDatabase("test_tasks_are_recorded")])

    suite.debug()


PLUGIN_TESTS = """
import pytest
from django_q.tasks import async_task
from django_q.testing import drain

@pytest.mark.parametrize("number", [1, 2])
def test_tasks(django_q_tasks, number, db):
    assert django_q_tasks == []
    async_task("math.sqrt", 16)
    django_q_tasks.assert_enqueued("math.sqrt", (16,))
    assert drain()[0].result == 4.0
"""
SETTINGS = """
SECRET_KEY = "only for a test"
INSTALLED_APPS = ["django_q"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
"""
IMPORT_PLUGIN = """
import sys
before = set(sys.modules)
import django_q.pytest_plugin
print(sorted(name for name in set(sys.modules) - before if name.startswith(("django", "unittest"))))
"""


def run_python(folder: Path, *arguments: str) -> str:
    """Run Python in a folder, with the packages in its "site"; returns all that it writes."""
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
    )
    return done.stdout + done.stderr


def test_pytest_has_a_fixture(tmp_path: Path):
    # As if this source was installed, with the entry point that it declares.
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    declared = re.search(r"\[project\.entry-points\.pytest11\]\n(.+) = \"(.+)\"", text)
    metadata = tmp_path / "site" / "django_q-2.0.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: django-q\nVersion: 2.0.0\n")
    (metadata / "entry_points.txt").write_text(f"[pytest11]\n{declared[1]} = {declared[2]}\n")
    (tmp_path / "test_tasks.py").write_text(PLUGIN_TESTS)
    (tmp_path / "own_settings.py").write_text(SETTINGS)
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--ds=own_settings")

    written = run_python(tmp_path, "-m", "pytest", *options, f"--rootdir={tmp_path}", ".")

    assert "2 passed" in written, written


def test_the_plugin_for_pytest_imports_no_django(tmp_path: Path):
    written = run_python(tmp_path, "-c", f"import pytest{IMPORT_PLUGIN}")

    assert written.strip() == "['django_q', 'django_q.pytest_plugin']"
