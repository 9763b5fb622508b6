"""The names at the root of the package."""

import subprocess
import sys

import pytest

import django_q
from django_q import models, tasks
from django_q.cluster import Cluster
from django_q.status import Stat


def test_the_names_of_django_q_0_are_at_the_root() -> None:
    from django_q import Failure, Schedule, Success, Task, fetch, result, schedule

    assert (Task, Schedule) == (models.Task, models.Schedule)
    assert (Success, Failure) == (models.Success, models.Failure)
    assert (fetch, result, schedule) == (tasks.fetch, tasks.result, tasks.schedule)
    assert (django_q.Cluster, django_q.Stat) == (Cluster, Stat)


def test_async_is_there_for_those_who_can_say_it() -> None:
    assert getattr(django_q, "async") is tasks.async_task
    assert getattr(tasks, "async") is tasks.async_task
    assert django_q.Async is tasks.AsyncTask


def test_all_that_is_offered_is_there() -> None:
    offered = {name: getattr(django_q, name) for name in django_q.__all__}

    assert offered.keys() <= set(dir(django_q))
    assert offered["tasks"] is tasks
    names = {name for name in tasks.__all__ if not name.isupper()} - {"get_broker"}
    assert offered.keys() >= names


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(AttributeError, match="module 'django_q' has no attribute 'wrong'"):
        _ = django_q.wrong


def test_the_version_is_told() -> None:
    assert django_q.__version__ == ".".join(str(part) for part in django_q.VERSION)


def test_importing_it_needs_no_settings() -> None:
    check = (
        "import sys, django_q; assert django_q.VERSION; assert django_q.humanhash.uuid();"
        "assert 'django' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)


def test_a_process_that_loads_it_does_not_load_what_others_need() -> None:
    check = (
        "import django, sys; from django.conf import settings;"
        "settings.configure(INSTALLED_APPS=['django.contrib.contenttypes', 'django_q']);"
        "django.setup(); import django_q.tasks, django_q.models;"
        "loaded = {'arrow', 'blessed', 'boto3', 'redis'} & set(sys.modules);"
        "assert not loaded, loaded"
    )

    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)
