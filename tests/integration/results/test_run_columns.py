"""The columns of a row that tell of the options and the run of a task."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from django.db import connection
from django.db.models.signals import post_save

from django_q.models import Task
from django_q.results import saving
from django_q.results.run_columns import begun_column, begun_time, options_column
from django_q.signing import SignedPackage
from django_q.task_state.attempts import RESULT_KEY
from tests.integration.results.finished_packages import FEW_AND_MANY, finished

pytestmark = pytest.mark.django_db

MOMENT = datetime(2030, 5, 6, 7, 8, 9, 250_000, tzinfo=timezone.utc)
OPTIONS = {"priority": 5, "run_after": MOMENT, "timeout": 1.5, "unique": "key ä\x00\ud800"}
OPTIONS_AS_JSON = {
    "priority": 5,
    "run_after": "2030-05-06T07:08:09.250000+00:00",
    "timeout": 1.5,
    "unique": "key ä??",
}
FAILURE = {"success": False, "exception": "shop.errors.Empty", "fingerprint": "f" * 32}
RUN = {"begun": MOMENT.timestamp(), "worker": "host:17"}


@pytest.fixture(params=[False, True], ids=["by hand", "through the model"])
def has_receiver(request):
    """Save rows by hand, or through the model, as for those who listen to its signals."""

    def listen(**kwargs):
        """Listen."""

    if request.param:
        post_save.connect(listen, sender=Task)
    yield request.param
    post_save.disconnect(listen, sender=Task)


@FEW_AND_MANY
def test_what_a_package_tells_of_its_run_is_read_back(has_receiver, count):
    packages = [finished(**RUN, **OPTIONS, **FAILURE) for _ in range(count)]

    saving.save([*packages, finished(**RUN)])

    for task in Task.objects.filter(success=False):
        assert task.options == OPTIONS_AS_JSON
        assert (task.begun, task.worker) == (MOMENT, "host:17")
        assert (task.exception, task.fingerprint) == ("shop.errors.Empty", "f" * 32)
    assert Task.objects.filter(success=False).count() == count
    task = Task.objects.get(success=True)
    assert (task.options, task.exception, task.fingerprint) == (None, None, None)
    assert (task.begun, task.worker) == (MOMENT, "host:17")


@FEW_AND_MANY
def test_options_can_be_searched_as_json(count):
    saving.save([finished(priority=number) for number in range(count)])

    assert Task.objects.filter(options__priority=0).count() == 1


@FEW_AND_MANY
def test_of_what_tells_nothing_of_its_run_nothing_is_saved(has_receiver, count):
    saving.save([finished() for _ in range(count)])

    for task in Task.objects.all():
        assert task.options is task.begun is task.worker is task.exception is None
        assert task.fingerprint is None
    assert Task.objects.filter(options__isnull=True).count() == count


@FEW_AND_MANY
def test_a_success_that_replaces_a_failure_has_nothing_left_of_it(has_receiver, count):
    packages = [finished(hook="a.b", group="g", **RUN, **OPTIONS, **FAILURE) for _ in range(count)]
    saving.save(packages)
    Task.objects.update(attempts=[1])

    saving.save([finished(id=package["id"]) for package in packages])

    for task in Task.objects.all():
        assert (task.success, task.exception, task.fingerprint) == (True, None, None)
        assert (task.hook, task.group, task.options, task.begun) == (None, None, None, None)
        assert task.attempts is None


def test_a_success_names_no_exception_of_an_earlier_run():
    saving.save([finished(**{**FAILURE, "success": True})])

    assert Task.objects.get().exception is None


def test_texts_are_cut_to_what_their_columns_hold():
    saving.save([finished(worker="w" * 300, **{**FAILURE, "exception": "e" * 300})])

    task = Task.objects.get()
    assert (len(task.worker), len(task.exception)) == (100, 200)


@pytest.mark.parametrize("begun", ["soon", float("nan"), float("inf"), -1.0, 1e300, 5, None])
def test_what_is_no_time_is_left_out(begun):
    assert begun_column({"begun": begun}) is None


@pytest.mark.parametrize("use_tz", [True, False])
def test_when_it_began_is_stored_as_other_times_are(settings, use_tz):
    settings.USE_TZ = use_tz

    assert (begun_time(MOMENT.timestamp()).tzinfo is not None) is use_tz


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (timedelta(minutes=1), 60.0),
        (True, True),
        (float("inf"), "inf"),
        (("a", 1), "('a', 1)"),
        ("text", "text"),
    ],
)
def test_an_option_is_kept_as_json_can_carry_it(value, kept):
    assert options_column({"expires": value}) == {"expires": kept}


def test_options_that_say_nothing_of_when_and_how_it_runs_are_left_out():
    package = finished(group="g", hook="a.b", save=True, cached=5, cluster="c", priority=None)

    assert options_column(package) is None


def test_a_task_from_the_cache_tells_of_its_run():
    package = SignedPackage.loads(SignedPackage.dumps(finished(**RUN, **OPTIONS, **FAILURE)))

    task = saving.as_task(package)

    assert (task.begun, task.worker, task.exception) == (MOMENT, "host:17", "shop.errors.Empty")
    assert task.options == OPTIONS_AS_JSON


def test_a_row_of_an_earlier_release_has_nothing_there():
    saving.save([finished()])
    task = Task.objects.get()
    columns = "id, name, func, started, stopped, success, attempt_count"
    ended = connection.ops.adapt_datetimefield_value(task.stopped)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO django_q_task ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            ["b" * 32, "old", "f", ended, ended, False, 1],
        )

    old = Task.objects.get(id="b" * 32)
    assert old.options is old.begun is old.worker is old.exception is old.fingerprint is None


ENDS = [{"time": "", "worker": "host:1", "attempt": 1, "exception": "E", "text": "ä"}]


@FEW_AND_MANY
def test_the_ends_of_attempts_are_read_back_with_the_last(has_receiver, count):
    packages = [
        finished(**RUN, ends=ENDS, ended_count=1, attempt=2, result="no \x00\ud800", **FAILURE)
        for _ in range(count)
    ]

    saving.save([*packages, finished(ends=ENDS, attempt=2), finished(attempt=2)])

    for task in Task.objects.filter(success=False):
        assert task.attempts[:1] == ENDS
        last = {name: task.attempts[1][name] for name in ("attempt", "exception", "text")}
        assert last == {"attempt": 2, "exception": "shop.errors.Empty", "text": "no ??"}
    found = Task.objects.filter(success=True, attempts__isnull=False).get()
    assert [end["exception"] for end in found.attempts] == ["E", ""]
    assert Task.objects.filter(attempts__isnull=True).count() == 1


def test_the_result_that_was_kept_of_a_success_is_in_no_row():
    done = {**ENDS[0], "exception": "", "attempt": 2, RESULT_KEY: "abc"}

    saving.save([finished(ends=[*ENDS, done], ended_count=2, attempt=3, resumed=1)])

    ends = Task.objects.get().attempts
    assert [end["attempt"] for end in ends] == [1, 2]
    assert [RESULT_KEY in end for end in ends] == [False, False]


def test_options_of_retries_are_among_those_of_the_call():
    options = {"retries": 3, "retry_on": ["OSError", "a.b.Error"], "soft_timeout": 30}

    saving.save([finished(**options)])

    assert Task.objects.get().options == options


@pytest.mark.parametrize("text", ["[", "{}", "5", 5, [{"time": "x"}], "[" * 100_000, None])
def test_a_history_of_a_task_that_can_not_be_read_is_left_out(text):
    saving.save([finished(id="1" * 32, earlier_ends=text)])

    assert len(Task.objects.get(id="1" * 32).attempts or [0]) == 1
