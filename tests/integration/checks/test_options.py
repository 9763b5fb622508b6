"""Mistakes in single options of Q_CLUSTER, said before a cluster starts."""

from __future__ import annotations

import pytest

from django_q.checks import check_q_cluster, examine
from tests.integration.checks.found_messages import found, ids


@pytest.mark.parametrize(
    "options",
    [
        None,
        {},
        {
            "name": "shop",
            "workers": 8,
            "timeout": 60,
            "retry": 120.5,
            "redis": "redis://server/0",
            "queue_limit": 0,
            "sync": 0,
            "save_limit_per": "group",
            "catch_up": True,
            "max_attempts": 3,
            "ack_failures": False,
            "cached": 600,
            "priority": -100,
            "expires": 0.5,
            "track": True,
            "on_duplicate": "replace",
            "idempotency_for": 60,
            "release": "2026.11.30",
            "schedule_modules": ["shop.tasks"],
            "ALT_CLUSTERS": {"long": {"timeout": 600, "retry": 900}},
        },
        {"redis": {"cluster": True, "startup_nodes": ["10.0.0.1", ("10.0.0.2", 6380)]}},
    ],
)
def test_nothing_is_said_about_settings_without_a_mistake(options):
    assert found(options) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://secret@server", "can not be read"),
        ("redis://:secret/1@server", "can not be read"),
        ({"hots": "secret"}, "'hots'"),
        ("sentinel://secret@server", "expected {'sentinels': "),
        ({"sentinels": [("server", 26379)], "password": "secret"}, "got no service_name"),
        ({"cluster": True, "startup_nodes": ["secret:port"]}, "got node 1 without a host"),
        ({"cluster": True, "host": "secret", "db": 2}, "got another database than 0"),
        ({"cluster": True, "hots": "secret"}, "'hots'"),
    ],
)
def test_what_names_no_redis_is_an_error(value, expected):
    (message,) = examine({"redis": value})

    assert message.id == "django_q.E007"
    assert message.msg.startswith("Q_CLUSTER['redis']")
    assert expected in message.msg
    assert "secret" not in message.msg


@pytest.mark.parametrize("options", [[], "redis", 7, [("workers", 1)]])
def test_q_cluster_must_be_a_dictionary(options):
    assert ids(options) == ["E001"]


@pytest.mark.parametrize(
    ("option", "meant"),
    [("worker", "workers"), ("time_out", "timeout"), ("save_limits", "save_limit"),
     ("nam", "name"), ("compressed_", "compress")],
)  # fmt: skip
def test_an_unknown_option_gets_a_hint(option, meant):
    (message,) = examine({option: 1})

    assert (message.id, message.hint) == ("django_q.W001", f"Did you mean '{meant}'?")
    assert repr(option) in message.msg


def test_an_option_that_resembles_nothing_is_still_named():
    (message,) = examine({"zzz": 1})

    assert message.msg == "Unknown option Q_CLUSTER['zzz']."


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("workers", "4", "of type int; got '4'"),
        ("workers", True, "of type int; got True"),
        ("workers", 2.5, "of type int; got 2.5"),
        ("timeout", "60", "of type float or None; got '60'"),
        ("retry", None, "of type float; got None"),
        ("sync", "yes", "of type bool; got 'yes'"),
        ("redis", ["secret"], "of type dict or str; got a list"),
        ("orm", True, "of type str or None; got True"),
        ("error_reporter", "sentry", "of type dict; got a str"),
        ("ALT_CLUSTERS", ["long"], "of type dict; got a list"),
        ("name", 3, "of type str; got 3"),
        ("priority", 2.5, "of type int; got 2.5"),
        ("priority", True, "of type int; got True"),
        ("expires", "60", "of type float or None; got '60'"),
        ("track", "yes", "of type bool; got 'yes'"),
        ("idempotency_for", None, "of type float; got None"),
        ("on_duplicate", 3, "of type str; got 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_an_error(option, value, expected):
    assert found({option: value}) == [("E002", f"Q_CLUSTER['{option}'] must be {expected}.")]


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("workers", 0, "1 or more; got 0"),
        ("retry", 0, "above 0; got 0"),
        ("retry", float("nan"), "above 0; got nan"),
        ("timeout", -1, "above 0; got -1"),
        ("guard_cycle", 61, "above 0, and 60 at most; got 61"),
        ("save_limit", -2, "-1 or more; got -2"),
        ("priority", 101, "-100 or more, and 100 at most; got 101"),
        ("expires", 0, "above 0, and 3162240000 at most; got 0"),
        ("expires", float("inf"), "above 0, and 3162240000 at most; got inf"),
        ("idempotency_for", 0, "above 0, and 3162240000 at most; got 0"),
    ],
)
def test_a_number_out_of_range_is_an_error(option, value, expected):
    assert found({option: value}) == [("E003", f"Q_CLUSTER['{option}'] must be {expected}.")]


def test_amazon_waits_for_twenty_seconds_at_most():
    assert ids({"sqs": {"receive_message_wait_time_seconds": 30}}) == ["E003"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("save_limit_per", "task"), ("serializer", "yaml"), ("catch_up", "some"),
     ("start_method", "thread"), ("log_level", "LOUD"), ("on_duplicate", "ignore")],
)  # fmt: skip
def test_a_value_beside_the_few_that_there_are_is_an_error(option, value):
    ((number, text),) = found({option: value})

    assert number == "E004"
    assert f"got '{value}'" in text


@pytest.mark.parametrize(
    ("option", "value"),
    [("orm", "defualt"), ("cache", "redis"), ("django_redis", "redis"), ("time_zone", "Mars/Base"),
     ("broker_class", "shop.brokers.Broker"), ("broker_class", "django_q.brokers.Nothing")],
)  # fmt: skip
def test_what_is_named_must_be_there(option, value):
    ((number, text),) = found({option: value})

    assert number == "E005"
    assert repr(value) in text


def test_a_database_that_is_not_there_gets_a_hint():
    (message,) = examine({"orm": "defualt"})

    assert message.hint == "Did you mean 'default'?"


@pytest.mark.parametrize("option", ["iron_mq", "mongo", "mongo_db", "disque_nodes"])
def test_a_broker_that_was_left_out_is_an_error_that_says_what_to_use(option):
    (message,) = examine({option: {}})

    assert message.id == "django_q.E006"
    assert "'redis', 'orm' or 'sqs'" in message.hint


@pytest.mark.parametrize("url", ["redis://server/abc", {"url": "rediss://server/1/2"}])
def test_a_database_that_is_no_number_is_warned_of(url):
    assert ids({"redis": url}) == ["W012"]


@pytest.mark.parametrize("url", ["redis://server", "redis://server/", "redis://server/3"])
def test_a_database_that_is_a_number_or_left_out_is_none_to_be_warned_of(url):
    assert ids({"redis": url}) == []


def test_a_cache_that_is_none_of_django_redis_is_an_error():
    ((number, text),) = found({"django_redis": "default"})

    assert number == "E005"
    assert "must name a cache of django_redis" in text


def test_a_name_that_is_like_none_is_answered_with_those_there_are():
    (message,) = examine({"orm": "x"})

    assert "'default'" in message.hint


def test_settings_without_q_cluster_or_without_a_key_are_said(settings):
    del settings.Q_CLUSTER
    settings.SECRET_KEY = ""

    assert [message.id for message in check_q_cluster()] == ["django_q.I001", "django_q.E008"]


@pytest.mark.parametrize("release", ["v2", "3f2c1"])
def test_a_release_that_can_not_be_compared_is_an_error(release):
    (message,) = examine({"release": release})

    assert message.id == "django_q.E004"
    assert "Q_CLUSTER['release'] must be a number, or numbers with dots" in message.msg
