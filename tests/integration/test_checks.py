"""Mistakes in Q_CLUSTER, said before a cluster starts."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_q.checks import check_deployment, check_q_cluster, combinations, examine
from django_q.conf import Settings

LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


def found(options: Any) -> list[tuple[str, str]]:
    """List the ids and texts that are said about a Q_CLUSTER."""
    return [(message.id.removeprefix("django_q."), message.msg) for message in examine(options)]


def ids(options: Any) -> list[str]:
    """List the ids that are said about a Q_CLUSTER."""
    return [number for number, _ in found(options)]


def test_the_checks_are_registered_with_django():
    assert {check_q_cluster} <= set(checks.registry.registry.get_checks())
    assert check_deployment in checks.registry.registry.get_checks(include_deployment_checks=True)


def test_the_settings_of_the_tests_have_no_mistakes():
    assert check_q_cluster() == []


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
            "ALT_CLUSTERS": {"long": {"timeout": 600, "retry": 900}},
        },
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
    ],
)
def test_a_number_out_of_range_is_an_error(option, value, expected):
    assert found({option: value}) == [("E003", f"Q_CLUSTER['{option}'] must be {expected}.")]


def test_amazon_waits_for_twenty_seconds_at_most():
    assert ids({"sqs": {"receive_message_wait_time_seconds": 30}}) == ["E003"]


@pytest.mark.parametrize(
    ("option", "value"),
    [("save_limit_per", "task"), ("serializer", "yaml"), ("catch_up", "some"),
     ("start_method", "thread"), ("log_level", "LOUD")],
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


def test_a_broker_that_was_left_out_beside_another_one_has_no_effect():
    assert ids({"mongo": {}, "broker_class": "django_q.brokers.Broker"}) == ["W006"]


def test_an_option_without_meaning_is_named():
    assert ids({"has_replica": True}) == ["W006"]


@pytest.mark.parametrize("retry", [30, 60])
def test_retry_must_be_greater_than_the_time_limit(retry):
    ((number, text),) = found({"timeout": 60, "retry": retry})

    assert number == "W002"
    assert f"Q_CLUSTER['retry'] must be greater than 'timeout' (60), got {retry}." in text


def test_the_default_of_retry_counts_as_well():
    assert ids({"timeout": 3600}) == ["W002"]


def test_failures_that_are_tried_again_without_end_are_warned_of():
    assert ids({"ack_failures": False}) == ["W003"]


def test_cached_results_in_a_cache_of_one_process_are_warned_of(settings):
    settings.CACHES = LOCMEM

    assert ids({"cached": True}) == ["W004"]


def test_sqlite_as_a_broker_needs_its_options(settings, monkeypatch):
    database = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {}}
    monkeypatch.setitem(settings.DATABASES, "queue", database)

    ((number, text),) = found({"orm": "queue"})

    assert number == "W005"
    assert "timeout and transaction_mode" in text


def test_of_two_brokers_one_has_no_effect():
    options = {"orm": "default", "broker_class": "django_q.brokers.Broker"}

    assert [text for number, text in found(options) if number == "W006"] == [
        "Q_CLUSTER['orm'] has no effect: 'broker_class' is set as well and goes before it."
    ]


def test_a_limit_per_group_without_a_limit_has_no_effect():
    assert ids({"save_limit": 0, "save_limit_per": "group"}) == ["W006"]


def test_an_option_whose_package_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(combinations.optional_packages, "psutil", None)

    assert found({"cpu_affinity": 1}) == [
        ("W007", "Q_CLUSTER['cpu_affinity'] needs the package psutil, which is not installed.")
    ]


@pytest.mark.parametrize(("sync", "expected"), [(True, ["django_q.W008"]), (False, [])])
def test_a_deployment_that_runs_tasks_at_once_is_warned_of(settings, sync, expected):
    settings.Q_CLUSTER = {"sync": sync}

    assert [message.id for message in check_deployment()] == expected


def test_the_settings_of_another_cluster_are_checked():
    options = {"ALT_CLUSTERS": {"long": {"timeot": 3, "workers": "2", "name": "x"}}}

    messages = dict(found(options))

    assert set(messages) == {"W001", "E002", "W006"}
    assert "Q_CLUSTER['ALT_CLUSTERS']['long']['workers']" in messages["E002"]


def test_the_settings_of_another_cluster_must_be_a_dictionary():
    assert ids({"ALT_CLUSTERS": {"long": 3}}) == ["E001"]


def test_the_settings_of_another_cluster_are_checked_beside_those_of_all():
    options = {"retry": 100, "ALT_CLUSTERS": {"long": {"timeout": 3600}}}

    ((number, text),) = found(options)

    assert number == "W002"
    assert text.startswith("Q_CLUSTER['ALT_CLUSTERS']['long']['retry']")


def test_a_mistake_in_the_settings_of_all_is_said_once():
    assert len(found({"worker": 1, "ALT_CLUSTERS": {"long": {}, "short": {}}})) == 1


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
keys = st.sampled_from(
    [*(name.lower() for name in vars(Settings())), "name", "ALT_CLUSTERS", "mongo", "has_replica"]
)


@given(junk | st.dictionaries(keys | st.integers() | st.none() | st.text(max_size=5), junk))
@hypothesis_settings(deadline=None)
def test_whatever_q_cluster_is_the_checks_do_not_raise(options):
    assert all(isinstance(message, CheckMessage) for message in examine(options))


@given(keys, junk)
@hypothesis_settings(deadline=None, max_examples=500)
def test_whatever_an_option_is_the_checks_do_not_raise(key, value):
    for options in ({key: value}, {"ALT_CLUSTERS": {"long": {key: value}}}):
        assert all(message.msg for message in examine(options))


@pytest.mark.parametrize("name", ["shop:eu", "shop\n", "shop\x1b[31m", "\x00"])
@pytest.mark.parametrize(
    "options",
    [
        lambda name: {"name": name},
        lambda name: {"name": "shop", "cluster_name": name},
        lambda name: {"ALT_CLUSTERS": {name: {"workers": 1}}},
    ],
)
def test_a_name_with_a_colon_or_a_control_character_is_warned_of(name, options):
    assert ids(options(name)) == ["W009"]


@pytest.mark.parametrize("name", ["shop", "a[b]c*?", "küche 2", "{shop}"])
def test_other_names_are_fine(name):
    assert ids({"name": name, "cluster_name": name, "ALT_CLUSTERS": {name: {}}}) == []
