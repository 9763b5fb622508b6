"""Applications may import the framework from either of its packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

CASES = {
    "a task of the other package is a task of the backend": """
        from django_tasks import task
        from django_q.backend import DjangoQTask

        assert isinstance(task(plain), DjangoQTask)
        assert task(plain).using(priority=3).priority == 3
    """,
    "errors are caught by the names that each package has": """
        import django_tasks.exceptions as other
        from django_tasks import task, task_backends

        try:
            task(plain).using(priority=101)
        except other.InvalidTaskError as error:
            assert "whole number" in str(error)
        try:
            task_backends["default"].get_result("none")
        except other.TaskResultDoesNotExist as error:
            assert "'none'" in str(error)
        else:
            raise AssertionError
    """,
    "errors are those of the framework that the backend derives from": """
        from django_q.task_backend.framework import NAME, optional, task_backends
        errors = optional(NAME + ".exceptions")
        kind = getattr(errors, "InvalidTask", None) or errors.InvalidTaskError
        import django_tasks

        try:
            django_tasks.task(plain).using(queue_name="unknown")
        except kind as error:
            assert "Queue 'unknown' is not valid for backend." in str(error)
        else:
            raise AssertionError
    """,
    "receivers of each package are told": """
        from django_tasks import signals as other, task
        from django_q.task_backend.framework import NAME, optional
        from django_q.conf import Conf

        told = []
        for package in {other, optional(NAME + ".signals")}:
            for name in ("task_enqueued", "task_started", "task_finished"):
                def receive(sender, task_result, name=name, **kwargs):
                    told.append((name, sender.__name__, task_result.id))
                getattr(package, name).connect(receive, weak=False)
        result = task(plain).enqueue(4)
        Conf.SYNC = True
        result = task(plain).enqueue(4)
        count = 2 if NAME == "django.tasks" else 1
        for name in ("task_enqueued", "task_started", "task_finished"):
            assert told.count((name, "DjangoQBackend", result.id)) == count, told
    """,
}
START = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["DJANGO_Q_TEST_DATABASE"] = "sqlite"
from django.conf import settings
settings.DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.Q_CLUSTER["broker_class"] = "django_q.brokers.memory.Memory"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.framework_tasks import plain
"""


@pytest.mark.parametrize("name", CASES)
def test_both_packages_of_the_framework_are_served(name):
    source = START + "\n".join(line[8:] for line in CASES[name].splitlines())

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


WITHOUT = """
import sys
sys.modules["django.tasks"] = sys.modules["django_tasks"] = None
import django_q.backend
"""


def test_what_is_missing_is_said_where_there_is_no_framework():
    source = START.replace("django.setup()", "sys = None").partition("import django\n")[0] + WITHOUT

    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True)

    assert "ImportError: django_q.backend needs Django's tasks framework" in done.stderr
