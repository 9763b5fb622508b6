"""What is wrong with the settings of the backend is said by the system checks."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from tests.framework_tasks import backend


def messages() -> list[tuple[str, str]]:
    """Return what the backend's own check says: ids and texts."""
    return [(message.id, message.msg) for message in backend["default"].check()]


def test_good_settings_have_nothing_to_be_said_about(tasks_setting):
    tasks_setting(OPTIONS={"keep_results": 60, "on_commit": False})

    assert messages() == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"keep_results": "soon"}, "django_q.E022"),
        ({"keep_results": 0}, "django_q.E022"),
        ({"on_commit": "maybe"}, "django_q.E022"),
        (["on_commit"], "django_q.E022"),
        ({"on_comit": True}, "django_q.W021"),
    ],
)
def test_options_that_are_wrong_are_named(tasks_setting, options, found):
    tasks_setting(OPTIONS=options)

    ((check_id, text),) = messages()

    assert check_id == found
    assert "TASKS['default']['OPTIONS']" in text


def test_which_queues_are_labels_is_said(tasks_setting, conf):
    tasks_setting(QUEUES=["default", "mail", "slow"])
    conf(alt_clusters={"slow": {}})

    ((check_id, text),) = messages()

    assert check_id == "django_q.I021"
    assert text.endswith("'slow' to that of 'slow'; 'default', 'mail' to that of 'test'.")


def test_a_broker_that_can_not_do_all_is_named(tasks_setting, conf):
    tasks_setting()
    conf(broker_class="tests.old_broker.OldBroker")

    ((check_id, text),) = messages()

    assert check_id == "django_q.W022"
    assert "OldBroker" in text
    assert "a task with a priority is refused" in text


def test_the_app_must_be_installed(tasks_setting, settings):
    tasks_setting()
    apps = [name for name in settings.INSTALLED_APPS if name != "django_q"]

    with override_settings(INSTALLED_APPS=apps):
        found = messages()

    assert [check_id for check_id, _ in found] == ["django_q.E021"]


@pytest.mark.django_db
def test_the_check_is_one_of_the_project(tasks_setting):
    tasks_setting(OPTIONS={"wrong": 1})

    found: list[Any] = [message.id for message in run_checks()]

    assert "django_q.W021" in found
