"""The option ``alerts``: what is right, and what is said of what is wrong."""

from __future__ import annotations

import pytest

from django_q.alerts.rules import AlertRules, problems
from django_q.checks import examine

RIGHT = {
    "failure_rate": {"above": 0.1, "seconds": 600, "min_tasks": 50},
    "waiting": {"*": 300, "mail": 30, "video": None},
    "depth": 10_000,
    "no_worker": 60,
    "schedule_missed": 300,
    "mail": ["ops@example.org"],
    "webhook": {"url": "https://hooks.example.org/q", "secret": "a secret"},
    "cool_down": 1800,
    "every": 30,
}


def test_nothing_is_said_of_what_is_right():
    assert list(problems(RIGHT)) == []
    assert list(examine({"alerts": RIGHT})) == []
    assert AlertRules(RIGHT).names == [
        *("failure_rate", "waiting", "depth", "no_worker", "schedule_missed")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"failure_rate": 10},
        {"failure_rate": {"seconds": 60}},
        {"failure_rate": {"above": 0.1, "minutes": 5}},
        {"waiting": "300"},
        {"waiting": {"mail": -1}},
        {"depth": True},
        {"no_worker": True},
        {"schedule_missed": 0},
        {"mail": "ops"},
        {"mail": []},
        {"mail": ["a@example.org\nBcc: b@example.org"]},
        {"webhook": "ftp://example.org"},
        {"webhook": {"secret": "s3cret"}},
        {"webhook": {"url": "https://s3cret@example.org", "secret": 5}},
        {"cool_down": float("nan")},
        {"every": "often"},
    ],
)
def test_what_is_wrong_is_an_error_that_shows_no_value_and_is_left_out(wrong):
    messages = list(examine({"alerts": {"depth": 5, **wrong}}))

    assert [message.id for message in messages] == ["django_q.E009"]
    assert "s3cret" not in str(messages)
    assert AlertRules(wrong).options == {}


def test_a_name_that_is_misspelt_is_hinted_at():
    (message,) = examine({"alerts": {"depth": 5, "wating": 300}})

    assert (message.id, message.hint) == ("django_q.E009", "Did you mean 'waiting'?")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"alerts": {"depth": 5, "mail": True}}, "W015"),
        ({"alerts": {"mail": "a@example.org"}}, "W006"),
        ({"alerts": {"failure_rate": 0.1}, "save_limit": -1, "rollups": False}, "W006"),
        ({"alerts": ["depth"]}, "E002"),
    ],
)
def test_what_has_no_effect_is_said(options, expected):
    assert [message.id for message in examine(options)] == [f"django_q.{expected}"]


def test_limits_of_queues():
    rules = AlertRules(RIGHT)

    assert [rules.limit("waiting", queue) for queue in ("mail", "video", "x")] == [30, None, 300]
    assert rules.limit("depth", "any") == 10_000
