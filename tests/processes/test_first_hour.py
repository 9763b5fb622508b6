"""What a newcomer sees who has left out a step: in a project that Django has just made."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clusters import START_DEADLINE
from tests.ports import free_port
from tests.waiting import wait_until

#: Many commands that load Django, one after the other, on a machine that has much else to do.
pytestmark = [pytest.mark.first_hour, pytest.mark.processes, pytest.mark.timeout(600)]

INSTALLED = "INSTALLED_APPS += ['django_q']\n"
ENQUEUE = ("shell", "-c", "from django_q.tasks import async_task; async_task('math.sqrt', 4)")
WAIT = ("shell", "-c", "from django_q.tasks import result; result('0' * 32, wait=1)")
MIGRATE = "run manage.py migrate"
LOOK_AT_ADMIN = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
settings.ALLOWED_HOSTS += ["testserver"]
client = Client()
client.force_login(User.objects.create_superuser("admin"))
print(client.get("/admin/django_q/unfinished/").content.decode())
"""
MISTAKES = """
INSTALLED_APPS += ['django_q']
SECRET_KEY = ''
Q_CLUSTER = {
    'redis': 'redis://127.0.0.1/abc',
    'orm': 'default',
    'django_redis': 'default',
    'cache': 'memcached',
    'error_reporter': {'nobody': {}},
    'timeout': 90,
}
"""


class Project:
    """A project in an empty directory, with lines added to its settings."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.run(sys.executable, "-m", "django", "startproject", "shop", ".")

    def add(self, lines: str) -> None:
        """Add lines to the settings."""
        with (self.directory / "shop" / "settings.py").open("a") as file:
            file.write(f"\n{lines}\n")

    def run(self, *command: str) -> str:
        """Run a command, and return what it prints."""
        return subprocess.run(command, timeout=START_DEADLINE, **self.options()).stdout

    def manage(self, *arguments: str) -> str:
        """Run a management command, and return what it prints."""
        return self.run(sys.executable, "manage.py", *arguments)

    def options(self) -> dict:
        """Give what all its processes are started with."""
        names = ("DJANGO_SETTINGS_MODULE", "Q_CLUSTER_NAME")
        variables = {name: value for name, value in os.environ.items() if name not in names}
        return {
            "cwd": self.directory,
            "env": variables,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }

    def log_until(self, text: str, *steps: tuple[str, Callable[[], None]]) -> None:
        """Run a cluster until it has logged a text; each step is a text before, and what to do."""
        log = self.directory / "log"
        with log.open("w") as file:
            options = {**self.options(), "stdout": file}
            command = [sys.executable, "manage.py", "qcluster"]
            with subprocess.Popen(command, **options) as cluster:
                try:
                    for earlier, step in steps:
                        wait_until(
                            lambda earlier=earlier: earlier in log.read_text(), START_DEADLINE
                        )
                        step()
                    wait_until(lambda: text in log.read_text(), START_DEADLINE)
                finally:
                    cluster.terminate()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a new project."""
    return Project(tmp_path)


def test_an_app_that_is_not_installed_is_named(project):
    project.add(f"Q_CLUSTER = {{'redis': {{'port': {free_port()}}}}}")

    assert "'django_q' is not in INSTALLED_APPS" in project.manage(*ENQUEUE)


def test_tables_that_are_missing_are_made_by_migrate(project):
    project.add(INSTALLED + "Q_CLUSTER = {'orm': 'default', 'workers': 1}")

    assert MIGRATE in project.manage(*ENQUEUE)
    assert MIGRATE in project.manage("qinfo")
    project.log_until(MIGRATE)

    project.manage("migrate")
    enqueued = project.manage(*ENQUEUE)
    assert "Error" not in enqueued
    assert "no cluster is alive that serves the queue 'default'" in enqueued
    assert "no cluster is alive, so tasks wait" in project.manage(*WAIT)
    assert "No cluster serves this queue" in project.manage("shell", "-c", LOOK_AT_ADMIN)
    assert MIGRATE not in project.manage("qinfo")


def test_a_redis_server_that_does_not_run_is_named(project):
    port = free_port()
    project.add(f"{INSTALLED}Q_CLUSTER = {{'redis': 'redis://:secret@127.0.0.1:{port}/0'}}")
    project.manage("migrate")
    expected = f"Does the server run that Q_CLUSTER['redis'] names, redis://127.0.0.1:{port}/0?"

    told = [project.manage(*ENQUEUE), project.manage("qinfo")]
    project.log_until(expected)

    assert all(expected in text for text in told)
    assert "django_q.exceptions.BrokerUnavailable" in told[0]
    assert "secret" not in project.manage("qinfo")


def test_settings_without_q_cluster_mean_a_redis_server_on_this_host(project):
    project.add(INSTALLED)

    assert "django_q.I001" in project.manage("check")
    project.add("Q_CLUSTER = {'orm': 'default'}")
    assert "django_q.I001" not in project.manage("check")


def test_mistakes_in_settings_are_said_by_checks(project):
    project.add(MISTAKES)

    printed = project.manage("check")

    for text in [
        "Q_CLUSTER['cache']: there is no cache 'memcached'.\n\tHINT: There is 'default'.",
        "Q_CLUSTER['django_redis'] must name a cache of django_redis; 'default' is a LocMemCache",
        "Q_CLUSTER['error_reporter']['nobody']: there is no error reporter 'nobody'",
        "SECRET_KEY is empty",
        "Q_CLUSTER['retry'] must be greater than 'timeout' (90), and is, as it is not set, 60",
        "Q_CLUSTER['redis'] has no effect: 'orm' is set as well",
        "Q_CLUSTER['redis']: the path of the URL must be the number of a database",
    ]:
        assert text in printed


def test_a_function_that_was_just_added_needs_a_cluster_that_is_started_again(project):
    tasks = project.directory / "shop" / "tasks.py"
    tasks.write_text("def old(): pass\n")
    project.add(f"{INSTALLED}Q_CLUSTER = {{'orm': 'default', 'workers': 1}}")
    project.manage("migrate")
    enqueue = "from django_q.tasks import async_batch; async_batch(['shop.tasks.{}'])"
    project.manage("shell", "-c", enqueue.format("old"))

    def add_function() -> None:
        tasks.write_text("def old(): pass\ndef new(): pass\n")
        project.manage("shell", "-c", enqueue.format("new"))

    project.log_until(
        "the cluster keeps the code that it started with",
        ("Processed 'shop.tasks.old'", add_function),
    )
