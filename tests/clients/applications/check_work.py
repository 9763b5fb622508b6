"""Applications do their own jobs in tasks."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from typing import Any

from command_center import runner as command_center
from command_center.models import CommandRun
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_admin_runner.models import CommandExecution
from django_admin_runner.runners import get_runner
from django_domain_events import fire
from django_domain_events.models import DeliveryRecord
from django_mcpz.bearer_tokens.models import Token
from django_mcpz.bearer_tokens.tasks import clear_expired
from maintenance_tasks.models import Run
from maintenance_tasks.runner import start
from PIL import Image
from tasks_monitor.models import TaskRecord

from tests.clients.applications.shop.events import Ordered
from tests.clients.applications.shop.models import Article, Photo
from tests.clients.applications.shop.tasks import tick


def image_file(name: str) -> ContentFile:
    """Make a file with an image."""
    content = io.BytesIO()
    Image.new("RGB", (60, 60), "red").save(content, "PNG")
    return ContentFile(content.getvalue(), name=name)


def test_pictures_makes_the_sizes_of_a_photo(wait_until):
    photo = Photo.objects.create(picture=image_file("one.png"))

    paths = [size.path for size in photo.picture.get_picture_files_list()]

    wait_until(lambda: all(path.exists() for path in paths))
    assert paths
    assert {record.queue_name for record in records("process_picture_with_django_tasks")} == {
        "pictures"
    }


def records(name: str) -> Any:
    """Find what an observer has recorded of a task."""
    return TaskRecord.objects.filter(task_path__endswith=f".{name}")


def test_maintenance_tasks_fills_rows_in_batches(wait_until):
    for number in range(5):
        Article.objects.create(name=f"to be filled {number}")
    prefix = "tests.clients.applications.shop.maintenance_tasks"

    runs = [start(f"{prefix}.Fill"), start(f"{prefix}.Fail")]

    wait_until(lambda: not any(Run.objects.get(pk=run.pk).is_active for run in runs))
    done, failed = (Run.objects.get(pk=run.pk) for run in runs)
    assert (done.status, done.tick_count, done.tick_total) == ("succeeded", 5, 5)
    assert Article.objects.filter(is_filled=True).count() == 5
    assert (failed.status, failed.error_class) == ("errored", "builtins.ValueError")


def test_command_center_runs_commands(wait_until):
    runs = [
        CommandRun.objects.create(command="greet", arguments=arguments)
        for arguments in ("--name Ann", "")
    ]
    for run in runs:
        command_center.submit(run)

    wait_until(lambda: not CommandRun.objects.active().exists())

    done, failed = (CommandRun.objects.get(pk=run.pk) for run in runs)
    assert (done.status, done.exit_code) == ("succeeded", 0)
    assert "hello Ann" in done.log_tail
    assert (failed.status, failed.exit_code) == ("failed", 1)
    assert "nobody is there" in failed.log_tail


def test_admin_runner_runs_commands_in_a_task_made_around_a_function(wait_until):
    user, _ = User.objects.get_or_create(username="ann", is_staff=True, is_superuser=True)
    executions = []
    for kwargs in ({"name": "Bob"}, {}):
        execution = CommandExecution.objects.create(
            command_name="greet", kwargs=kwargs, triggered_by=user
        )
        executions.append(get_runner().run("greet", kwargs, user, execution).execution)

    def found() -> list[CommandExecution]:
        return [CommandExecution.objects.get(pk=each.pk) for each in executions]

    wait_until(lambda: all(each.finished_at for each in found()))

    assert [each.status for each in found()] == ["SUCCESS", "FAILED"]
    record = TaskRecord.objects.filter(result_id=found()[0].task_id)
    wait_until(lambda: record.get().status == "SUCCESSFUL")


def test_domain_events_delivers_in_tasks_made_around_a_function(wait_until):
    with transaction.atomic():
        fire(Ordered(name="tea"))

    call_command("deliver_events", once=True, verbosity=0)

    wait_until(lambda: Article.objects.filter(name="ordered tea").exists())
    wait_until(lambda: DeliveryRecord.objects.filter(status="dead").exists())
    assert {record.queue_name for record in records("deliver_delivery")} == {"events"}


def test_mcpz_deletes_tokens_that_have_expired(run):
    user, _ = User.objects.get_or_create(username="bob")
    Token.create(name="old", user=user, expires_at=timezone.now())
    token, _ = Token.create(name="good", user=user)

    result = run(clear_expired)

    assert (result.status, result.return_value) == ("SUCCESSFUL", 1)
    assert list(Token.objects.all()) == [token]


def test_inspect_tasks_lists_and_enqueues_tasks(wait_until):
    output = io.StringIO()
    name = "tests.clients.applications.shop.tasks.add"

    call_command("tasks", stdout=output)
    call_command("tasks", name, "x=20", "y=1", queue="events")

    assert name in output.getvalue().split()
    found = TaskRecord.objects.filter(kwargs={"x": 20, "y": 1})
    wait_until(lambda: found.filter(status="SUCCESSFUL", queue_name="events").count() == 1)


def test_crontask_enqueues_as_its_schedule_says(wait_until):
    command = [sys.executable, "-m", "django", "crontask", "--no-heartbeat"]
    scheduler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: records(tick.name).filter(status="SUCCESSFUL").count() > 1)
    finally:
        scheduler.send_signal(signal.SIGTERM)
        scheduler.communicate(timeout=30)


def test_health_check_tells_of_clusters():
    client = Client()

    good = client.get("/health/?format=text")
    bad = client.get("/health/other/?format=json")

    assert (good.status_code, b"OK" in good.content) == (200, True)
    assert (bad.status_code, b"No cluster of 'none' is running" in bad.content) == (500, True)
