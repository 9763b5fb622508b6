"""Options of Q_CLUSTER that do not go together, said before a cluster starts."""

from __future__ import annotations

import pytest

from django_q.checks import combinations
from tests.integration.checks.found_messages import found, ids

LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


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
    ((number, text),) = found({"timeout": 3600})

    assert number == "W002"
    assert "and is, as it is not set, 60." in text


def test_a_redis_server_beside_a_database_for_the_queue_has_no_effect():
    ((number, text),) = found({"broker_class": "django_q.brokers.Broker", "redis": {"port": 1}})

    assert number == "W006"
    assert "'redis'" in text


def test_failures_that_are_tried_again_without_end_are_warned_of():
    assert ids({"ack_failures": False}) == ["W003"]
    assert ids({"ack_failures": False, "retries": 3}) == []


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
        "Q_CLUSTER['orm'] has no effect: 'broker_class' is set as well and takes precedence."
    ]


def test_a_limit_per_group_without_a_limit_has_no_effect():
    assert ids({"save_limit": 0, "save_limit_per": "group"}) == ["W006"]


def test_an_option_whose_package_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(combinations.optional_packages, "psutil", None)

    assert found({"cpu_affinity": 1}) == [
        ("W007", "Q_CLUSTER['cpu_affinity'] needs the package psutil, which is not installed.")
    ]


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


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"soft_timeout": 50, "timeout": 50, "retry": 60},
            "Q_CLUSTER['soft_timeout'] has no effect: 'timeout' (50) ends a task before 50 "
            "seconds.",
        ),
        (
            {"retry_delay": 60, "retry_max_delay": 30},
            "Q_CLUSTER['retry_max_delay'] has no effect: 'retry_delay' is 60.",
        ),
        (
            {"retries": 3, "sqs": {"aws_region": "eu-west-1"}},
            "Q_CLUSTER['retries'] has no effect: Amazon SQS does not keep how often a task has "
            "failed.",
        ),
    ],
)
def test_limits_of_attempts_that_have_no_effect_are_named(options, text):
    assert found(options) == [("W006", text)]


def test_a_first_delay_that_is_longer_than_the_default_of_the_greatest_is_no_mistake():
    assert ids({"retries": 3, "retry_delay": 7200, "soft_timeout": 30, "timeout": 50}) == []
