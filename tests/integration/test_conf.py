"""The settings as one table, and what it holds when they change."""

from __future__ import annotations

import pytest

from django_q.brokers import get_broker
from django_q.conf import Conf, attribute_name
from django_q.tasks import async_task, queue_size
from tests.tasks import echo

pytestmark = pytest.mark.django_db


def test_the_settings_are_there_as_they_were_written(settings, monkeypatch):
    settings.Q_CLUSTER = {"workers": 3, "ALT_CLUSTERS": {"long": {"workers": 5}}}

    assert Conf.conf["workers"] == 3
    # Not until the test has ended: the settings may be read again before.
    with monkeypatch.context() as environment:
        environment.setenv("Q_CLUSTER_NAME", "long")
        assert Conf.conf["workers"] == 5
    assert (Conf.IRON_MQ, Conf.MONGO, Conf.MONGO_DB) == (None, None, None)


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("workers", "4", 4),
        ("workers", " 4 ", 4),
        ("timeout", "60", 60),
        ("timeout", "0.5", 0.5),
        ("timeout", "None", None),
        ("timeout", "", None),
        ("sync", "False", False),
        ("sync", "1", True),
        ("sync", "yes", True),
        ("cached", "300", 300),
        ("cached", "false", False),
        ("catch_up", "all", "all"),
        ("catch_up", "True", True),
        ("name", "4", "4"),
        ("workers", "four", "four"),
        ("timeout", "nan", "nan"),
        ("timeout", "inf", "inf"),
    ],
)
def test_text_is_taken_where_it_can_mean_a_number_or_a_truth(settings, option, text, expected):
    settings.Q_CLUSTER = {option: text}

    value = getattr(Conf, attribute_name(option))
    assert (value, type(value)) == (expected, type(expected))


def test_the_queue_named_by_the_settings_is_used_when_they_change(broker, conf):
    async_task(echo)

    conf(cluster_name="test-2")
    async_task(echo)

    assert broker.queue_size() == 1
    assert queue_size() == 1
    assert Conf.Q_LIST == "django_q:test-2:q"
    get_broker().delete_queue()
