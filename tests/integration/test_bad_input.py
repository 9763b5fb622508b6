"""Junk in schedules, in settings, and at the admin's addresses: an answer each time, no crash."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_q.checks import examine
from django_q.conf import Settings
from django_q.models import Failure, OrmQ, Schedule, Success
from django_q.scheduling.due_schedules import DueSchedules
from django_q.terminal import configuration

pytestmark = pytest.mark.django_db

#: Fixtures serve all examples of a test, which leave nothing in them.
HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
#: Other examples each time, and these tests run in five environments.
MANY = settings(max_examples=100, deadline=None, suppress_health_check=HEALTH)
SOME = settings(max_examples=30, deadline=None, suppress_health_check=HEALTH)

NOW = datetime(2030, 5, 1, 12, tzinfo=timezone.utc)

#: Text that a person might write in a field that is read as Python's literals, and junk.
LITERALS = st.text(max_size=60) | st.sampled_from(
    [
        "(", ")", "((", "1,", ",", "x=", "=", "x=1,", "x=1, x=2", "**{}", "*[]", "lambda: 1",
        "__import__('os').system('true')", "x=__import__('os')", "'" * 50, "(" * 500, "[" * 5000,
        "{'a': 1}", "{1: 2}", "a=b=c", "1e999", "9" * 5000, "b'\\xff'", "x" * 10_000, "\\", "\x00",
        "not 1", "1 if 1 else 2", "f'{1}'", "1+1", "-1", "1 2", "None", "# comment", "\n",
        "x=1\ny=2",
        "self=1", "func=1", "1" + "+1" * 3000, "-" * 3000 + "1",
    ]
)  # fmt: skip
#: As much of it as the column of a name holds.
NAMES = LITERALS.map(lambda text: text[:256])
CRONS = st.text(max_size=30) | st.sampled_from(
    [
        "* * * * *", "60 * * * *", "* * 31 2 *", "* * 30 2 *", "0 0 * * 8", "*/0 * * * *", "@daily",
        "* * * * * *", "1-0 * * * *", "*-* * * * *", "1,,2 * * * *", "a b c d e", "", " ",
        "-1 * * * *", "* * * * mon-sun", "0 0 29 2 *", "9999999999 * * * *", "* * * * 0#6",
        "L * * * *",
    ]
)  # fmt: skip


def schedule_of(**values: Any) -> Schedule:
    """Make a row past its validation, as a script or another version may leave it."""
    due = {"func": "tests.tasks.echo", "next_run": NOW - timedelta(minutes=1)}
    schedule = Schedule(**{**due, **values})
    Schedule.objects.bulk_create([schedule])
    return Schedule.objects.get(pk=schedule.pk)


def serve(broker: Any, schedule: Schedule) -> Schedule | None:
    """Let the scheduler see to a row, and say what it is afterwards."""
    DueSchedules(broker).enqueue_due_runs(schedule, NOW)
    broker.delete_queue()
    found = Schedule.objects.filter(pk=schedule.pk).first()
    Schedule.objects.all().delete()
    return found


def is_settled(schedule: Schedule | None) -> bool:
    """Whether a schedule is done, goes on later, or was stopped with an error."""
    if schedule is None or schedule.error or not schedule.next_run or not schedule.repeats:
        return True
    return schedule.next_run > NOW


@MANY
@given(args=st.none() | LITERALS, kwargs=st.none() | LITERALS)
def test_a_schedule_with_any_arguments_is_run_or_stopped_with_an_error(broker, args, kwargs):
    schedule = schedule_of(args=clean(args), kwargs=clean(kwargs), schedule_type=Schedule.HOURLY)

    assert is_settled(serve(broker, schedule))


@MANY
@given(cron=st.none() | CRONS)
@example(cron="* * 30 2 *")
def test_a_schedule_with_any_cron_is_run_or_stopped_with_an_error(broker, cron):
    schedule = schedule_of(cron=clean(cron), schedule_type=Schedule.CRON)

    assert is_settled(serve(broker, schedule))


@MANY
@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            "schedule_type": st.text(max_size=2),
            "minutes": st.integers(0, 32767) | st.none(),
            "repeats": st.integers(-(2**31), 2**31 - 1),
            "time_zone": st.text(max_size=20) | st.none(),
            "catch_up": st.text(max_size=8),
            "overlap": st.text(max_size=8),
            "func": NAMES,
            "hook": NAMES,
            "intended_date_kwarg": st.text(max_size=20),
            "cluster": st.none(),
        },
    )
)
def test_a_schedule_with_any_other_values_is_run_or_stopped_with_an_error(broker, values):
    values = {key: clean(value) for key, value in values.items()}
    if values.get("catch_up") == "all":
        return
    schedule = schedule_of(**values)

    assert is_settled(serve(broker, schedule))


def clean(value: Any) -> Any:
    """Leave out what no database stores."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "").encode(errors="replace").decode()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OPTIONS = [
    "name", "workers", "timeout", "retry", "redis", "orm", "sqs", "save_limit", "cpu_affinity",
    "ALT_CLUSTERS", "error_reporter", "cache", "cached", "catch_up", "time_zone", "start_method",
    "serializer", "broker_class", "max_attempts", "ack_failures", "compress", "worker", "recycle",
    "max_package_size", "stop_timeout", "django_redis", "cluster_name", "save_limit_per", "sync",
]  # fmt: skip


@MANY
@given(JUNK | st.dictionaries(st.sampled_from(OPTIONS) | st.text() | st.integers(), JUNK))
@example({"ALT_CLUSTERS": {"x": 1}})
@example({"ALT_CLUSTERS": 1})
@example({"redis": {"host": None}})
@example({1: 2})
def test_any_setting_is_checked_without_a_crash(options):
    messages = list(examine(options))

    assert all(isinstance(message, CheckMessage) and message.msg for message in messages)


@MANY
@given(st.dictionaries(st.sampled_from(OPTIONS), JUNK))
def test_any_setting_can_be_printed(conf, options):
    options.pop("ALT_CLUSTERS", None)
    table = Settings()
    table.load(options)
    for name, value in vars(table).items():
        assert isinstance(configuration.without_secrets(name, value), str)


FORM = {
    "name": "x",
    "func": "tests.tasks.nothing",
    "schedule_type": "O",
    "repeats": "-1",
    "next_run_0": "2030-01-01",
    "next_run_1": "12:00:00",
    "catch_up": "",
    "overlap": "",
}


@SOME
@given(
    field=st.sampled_from([*FORM, "args", "kwargs", "cron", "minutes", "time_zone", "cluster"]),
    text=LITERALS | CRONS,
)
def test_the_form_of_a_schedule_takes_or_refuses_anything(admin_client, field, text):
    text = clean(text)

    response = admin_client.post(
        reverse("admin:django_q_schedule_add"), {**FORM, field: text}, follow=True
    )

    assert response.status_code == 200
    Schedule.objects.all().delete()


@SOME
@given(
    model=st.sampled_from([Success, Failure, Schedule, OrmQ]),
    page=st.sampled_from(["change", "delete", "history"]),
    key=st.text(min_size=1, max_size=40).map(clean).filter(bool),
)
@example(model=Success, page="change", key="9" * 40)
@example(model=OrmQ, page="change", key="-1")
@example(model=Schedule, page="delete", key="../../x")
def test_a_page_of_a_row_that_is_not_there_says_so(admin_client, conf, model, page, key):
    from django.contrib.admin.utils import quote

    conf(orm="default")
    address = reverse(f"admin:django_q_{model._meta.model_name}_{page}", args=["KEY"])

    response = admin_client.get(address.replace("KEY", quote(key)), follow=True)

    assert response.status_code in (200, 400, 403, 404)


@SOME
@given(
    model=st.sampled_from([Success, Failure, Schedule, OrmQ]),
    parameters=st.dictionaries(
        st.sampled_from(["q", "p", "o", "all", "group", "cluster", "func", "e", "schedule_type"])
        | st.text(min_size=1, max_size=10),
        st.text(max_size=20),
        max_size=3,
    ),
)
def test_a_list_takes_any_parameters(admin_client, conf, model, parameters):
    conf(orm="default")
    parameters = {clean(key): clean(value) for key, value in parameters.items()}
    address = reverse(f"admin:django_q_{model._meta.model_name}_changelist")

    response = admin_client.get(address, parameters, follow=True)

    assert response.status_code in (200, 400, 403, 404)


@pytest.mark.parametrize("model", [Success, Failure, Schedule, OrmQ])
def test_an_action_needs_post_and_the_permission(client, admin_client, conf, model):
    conf(orm="default")
    address = reverse(f"admin:django_q_{model._meta.model_name}_changelist")
    data = {"action": "delete_selected", "_selected_action": ["1"]}

    assert client.post(address, data).status_code == 302  # to the login
    assert admin_client.get(address, data).status_code in (200, 302)
