"""Finding what the source declares: by import, at ``migrate``, whatever the modules raise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from django_q.models import Schedule, ScheduleSource
from django_q.scheduling.declared import discovery as module
from django_q.scheduling.declared.declaration import DECLARATIONS
from django_q.scheduling.declared.discovery import discover

pytestmark = pytest.mark.django_db

REPORT = """
from django_q.tasks import scheduled

@scheduled("{name}", cron="0 3 * * *")
def report():
    return 1
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: Any) -> Iterator[Callable[[str, str], None]]:
    """Write modules of an app that is called "bakery": ``write("bakery/tasks.py", text)``."""
    monkeypatch.syspath_prepend(tmp_path)

    def write_module(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.joinpath("__init__.py").touch()
        path.write_text(text)

    yield write_module
    for name in [name for name in sys.modules if name.split(".")[0] == "bakery"]:
        del sys.modules[name]
    for name in [name for name, one in DECLARATIONS.items() if one.module.startswith("bakery")]:
        del DECLARATIONS[name]


@pytest.fixture
def bakery(write: Callable, settings: Any) -> Callable:
    """Install the app, whose module ``tasks`` declares a report."""
    write("bakery/tasks.py", REPORT.format(name="baked"))
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "bakery"]
    return write


def test_the_modules_of_installed_apps_are_imported(bakery):
    found = discover()

    assert (list(found.declarations), found.failed) == (["baked"], [])
    assert found.declarations["baked"].func == "bakery.tasks.report"


def test_a_package_is_imported_with_what_is_in_it(write, conf):
    write("bakery/jobs/night.py", REPORT.format(name="night"))
    write("bakery/jobs/deep/day.py", REPORT.format(name="day"))
    conf(schedule_modules=["bakery.jobs"])

    assert sorted(discover().declarations) == ["day", "night"]


@pytest.mark.parametrize("text", ["import nowhere_at_all", "1 / 0", "def (", "raise SystemExit(3)"])
def test_a_module_that_can_not_be_imported_is_one_line_and_stops_nothing(
    bakery, conf, caplog, text
):
    bakery("bakery/broken.py", text)
    conf(schedule_modules=["bakery.broken", "bakery.tasks", "bakery.nowhere"])

    found = discover()

    assert (list(found.declarations), found.failed) == (
        ["baked"],
        ["bakery.broken", "bakery.nowhere"],
    )
    assert len(caplog.records) == 2
    assert "the schedules of bakery.broken are not known" in caplog.messages[0]
    assert caplog.records[0].exc_info is None


def test_what_other_modules_declare_is_named_and_not_written(bakery, caplog):
    bakery("bakery/other.py", REPORT.format(name="other"))
    __import__("bakery.other")

    assert list(discover().declarations) == ["baked"]
    assert "name its module in Q_CLUSTER['schedule_modules']" in caplog.text


def test_migrate_writes_what_the_source_declares(bakery):
    call_command("migrate", verbosity=0)

    assert Schedule.objects.get().source == "bakery.tasks.report"


@pytest.mark.django_db(transaction=True)  # flushing commits on MySQL
def test_migrate_of_another_app_writes_it_too_and_flush_does_not(bakery):
    call_command("flush", verbosity=0, interactive=False)
    assert not ScheduleSource.objects.exists()

    call_command("migrate", "auth", verbosity=0)
    assert Schedule.objects.count() == 1


def test_migrate_of_a_database_that_has_no_schedules_writes_nothing(bakery, monkeypatch):
    monkeypatch.setattr("django.db.router.db_for_write", lambda *args, **hints: "elsewhere")

    call_command("migrate", verbosity=0)

    assert not Schedule.objects.exists()


def test_migrate_goes_on_where_they_can_not_be_written(bakery, conf, caplog):
    conf(release="one")

    call_command("migrate", verbosity=0)

    assert "the schedules of the source are not written: InvalidRelease" in caplog.text


def test_the_command_writes_and_lists_them(bakery, capsys):
    call_command("qschedules")

    assert capsys.readouterr().out == "baked  bakery.tasks.report  Active\n"


def test_the_tasks_of_this_project_itself_are_no_schedules():
    assert "django_q.tasks" not in module.module_names()
