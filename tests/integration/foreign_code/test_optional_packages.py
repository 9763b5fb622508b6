"""A project whose queue is in the database does without redis-py."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: All that such a project does, but for the processes of its cluster.
PROJECT = """
import sys

import django
from django.conf import settings

database = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:",
    "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
}
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_q"],
    DATABASES={"default": database},
    Q_CLUSTER={"orm": "default"},
    SECRET_KEY="test",
)
django.setup()

from django.core.management import call_command

call_command("migrate", verbosity=0)
call_command("check", fail_level="WARNING")

from django_q import cluster, monitor, tasks

tasks.async_task("math.floor", 1.5)
tasks.schedule("math.floor", 1.5)
cluster.scheduler()
call_command("qinfo")
assert tasks.queue_size() == 2
assert not tasks.get_broker().errors[:-1]
print([name for name in sys.modules if name.partition(".")[0] == "redis"])
"""


@pytest.mark.once
def test_a_project_with_its_queue_in_the_database_never_loads_redis_py():
    ran = subprocess.run([sys.executable, "-c", PROJECT], capture_output=True, text=True)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
