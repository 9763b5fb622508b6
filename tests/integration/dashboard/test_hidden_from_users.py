"""Arguments, results and logs, as users see them who may not see those."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from django_q.models import Failure, OrmQ, Schedule, Success, TaskLog
from tests.integration.admin.pages import text, url
from tests.integration.admin.rows import make_failure, make_queued, make_schedule, make_task
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, log_in, page_url

pytestmark = pytest.mark.django_db(transaction=True)

VIEW_ALL = ("view_success", "view_failure", "view_ormq", "view_schedule", "change_schedule")
NOTE = "Can see arguments, results and logs of tasks"
#: What rows of these tests hold, and nothing else on a page.
SECRET = "plum-471100"
VALUES = {"args": (SECRET,), "kwargs": {"word": SECRET}}
migration = import_module("django_q.migrations.0034_see_values")


@pytest.fixture
def rows(conf):
    """Make rows that hold the secret, and a log."""
    conf(orm="default")
    done = make_task(**VALUES, result=SECRET)
    failed = make_failure(**VALUES)
    for task in (done, failed):
        moment = timezone.now()
        TaskLog.objects.create(task_id=task.pk, attempt=1, queue="test", worker="w", begun=moment,
                               saved=moment, text=SECRET, length=len(SECRET))  # fmt: skip
    return SimpleNamespace(
        done=done,
        failed=failed,
        queued=make_queued(**VALUES),
        schedule=make_schedule(args=repr(SECRET), kwargs=f"word={SECRET!r}"),
    )


def pages_of(rows) -> dict[str, str]:
    """Name the pages that show values."""
    return {
        "success": url(Success, "change", rows.done.pk),
        "failure": url(Failure, "change", rows.failed.pk),
        "queued": url(OrmQ, "change", rows.queued.pk),
        "schedule": url(Schedule, "change", rows.schedule.pk),
        **{f"{place} done": page_url("task", rows.done.pk, place=place) for place in PLACES},
        **{f"{place} failed": page_url("task", rows.failed.pk, place=place) for place in PLACES},
    }


PLACES = (IN_ADMIN, ALONE)


@pytest.mark.parametrize("sees", [True, False])
def test_values_are_on_pages_of_those_alone_who_may_see_them(client, rows, sees):
    log_in(client, *VIEW_ALL, *(["see_values"] if sees else []))

    for name, address in pages_of(rows).items():
        shown = client.get(address).content.decode()
        assert (SECRET in shown) == sees, name
        assert (NOTE in shown) != sees, name


@pytest.mark.parametrize("sees", [True, False])
def test_the_list_of_tasks_neither_shows_nor_finds_what_is_hidden(client, rows, sees):
    log_in(client, *VIEW_ALL, *(["see_values"] if sees else []))
    tasks = page_url("tasks")

    listed = client.get(f"{tasks}?column=args")
    words = client.get(tasks, {"q": SECRET})
    args = client.get(tasks, {"q": f"args:{SECRET}"})

    assert (SECRET in text(listed)) == sees
    assert (rows.done.name in text(words)) == sees
    assert (rows.done.name in text(args)) == sees
    assert (NOTE in text(args)) != sees


@pytest.mark.parametrize("sees", [True, False])
def test_no_filter_in_an_address_finds_out_what_is_hidden(client, rows, sees):
    log_in(client, *VIEW_ALL, *(["see_values"] if sees else []))

    answer = client.get(url(Schedule), {"args__contains": SECRET})

    assert (answer.status_code == 200) == sees


def test_who_changes_a_schedule_keeps_the_arguments_that_are_hidden(client, rows):
    log_in(client, *VIEW_ALL)
    address = url(Schedule, "change", rows.schedule.pk)
    form = client.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    moment = data.pop("next_run")

    client.post(address, {**data, "name": "renamed", "args": "1", "options": "retries=2",
                          "next_run_0": moment.date(), "next_run_1": moment.time()})  # fmt: skip

    changed = Schedule.objects.get()
    assert changed.name == "renamed"
    assert (changed.args, changed.kwargs) == (rows.schedule.args, rows.schedule.kwargs)


def test_who_could_see_values_before_the_upgrade_sees_them_still():
    Permission.objects.filter(codename="see_values").delete()
    group = Group.objects.create(name="operators")
    group.permissions.set(Permission.objects.filter(codename="view_success"))
    viewer, other, member = (User.objects.create_user(name) for name in ("ann", "ben", "cas"))
    viewer.user_permissions.set(Permission.objects.filter(codename="change_failure"))
    other.user_permissions.set(Permission.objects.filter(codename="pause_queue"))
    member.groups.add(group)

    models = MigrationLoader(connection).project_state(("django_q", "0034_see_values")).apps
    for _time in range(2):
        migration.keep_sight(models, SimpleNamespace(connection=connection))

    seeing = [user for user in (viewer, other, member) if user.has_perm("django_q.see_values")]
    assert seeing == [viewer, member]
    assert Permission.objects.filter(codename="see_values").count() == 1
