"""A settings file that was written for django-q2 loads unchanged, and means the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from django_q.conf import cpu_count
from tests import servers
from tests.switch.shops import Console, Shop

pytestmark = [pytest.mark.switch, pytest.mark.timeout(300)]

#: Every documented option that is no matter of the broker, each with a value that is no default.
#: Attributes of Conf are named as the options are, but for two.
TUNED = {
    "name": "a-shop",
    "cluster_name": "counter",
    "poll": 0.5,
    "log_level": "DEBUG",
    "save_limit": 100,
    "save_limit_per": "group",
    "guard_cycle": 1,
    "scheduler": False,
    "workers": 2,
    "daemonize_workers": False,
    "queue_limit": 50,
    "compress": True,
    "recycle": 40,
    "max_rss": 1_000_000,
    "timeout": 30,
    "ack_failures": True,
    "retry": 45,
    "max_attempts": 2,
    "bulk": 3,
    "label": "The shop's queue",
    "cpu_affinity": 1,
    "cache": "default",
    "cached": 90,
    "catch_up": False,
    "time_zone": "Europe/London",
    "error_reporter": {},
}
RENAMED = {"name": "PREFIX", "compress": "COMPRESSED"}
BROKERS = {
    "redis by URL": {"redis": "redis://127.0.0.1:6379/3"},
    "redis by arguments": {"redis": {"host": "127.0.0.1", "port": 6379, "db": 3, "password": "x"}},
    "orm": {"orm": "default"},
    "broker_class": {"broker_class": "shop.shelf.Shelf"},
    "sqs": {
        "sqs": {
            "aws_region": "eu-west-1",
            "aws_access_key_id": "x",
            "aws_secret_access_key": "x",
            "receive_message_wait_time_seconds": 20,
        }
    },
}
#: Defaults that are others here; the documentation of the upgrade names them.
DIFFERENT = {"ACK_FAILURES": True, "QUEUE_LIMIT": 0, "CATCH_UP": "latest", "WORKERS": cpu_count()}
#: What is no option, or has no broker here.
LEFT_OUT = {"SIGNAL_NAMES", "IRON_MQ", "MONGO", "MONGO_DB"}


def attribute(option: str) -> str:
    """Name the attribute of Conf that an option sets."""
    return RENAMED.get(option, option.upper())


def check(console: Console) -> None:
    """Run the system checks: warnings are allowed."""
    console.ask("django.core.management.call_command", "check", fail_level="ERROR")


@pytest.fixture
def both(django_q2: Path, request: pytest.FixtureRequest) -> Any:
    """Read the same settings under both packages: ``both(**options)`` gives what Conf says."""

    def read(cluster: str = "", **options: Any) -> tuple[dict, dict]:
        shop = Shop()
        request.addfinalizer(shop.close)
        shop.options = options
        theirs, ours = shop.console(django_q2, cluster), shop.console(name=cluster)
        check(ours)
        return theirs.ask("shop.calls.options"), ours.ask("shop.calls.options")

    return read


@pytest.mark.parametrize("broker", BROKERS.values(), ids=BROKERS)
def test_settings_mean_the_same(both, broker):
    options = {**TUNED, **broker}

    theirs, ours = both(**options)

    expected = {attribute(option): value for option, value in options.items()}
    assert {name: theirs[name] for name in expected} == expected
    assert {name: ours[name] for name in expected} == expected
    assert ours["Q_STAT"] == theirs["Q_STAT"]


def test_defaults_are_the_same_but_for_those_that_are_documented(both):
    theirs, ours = both()

    expected = {name: theirs[name] for name in theirs.keys() - LEFT_OUT}
    assert {name: ours[name] for name in expected} == {**expected, **DIFFERENT}


@pytest.mark.parametrize("option", ["sync", "testing"])
def test_a_switch_means_the_same(both, option):
    theirs, ours = both(**{option: True})

    assert theirs[attribute(option)] is ours[attribute(option)] is True


def test_settings_of_named_clusters_mean_the_same(both):
    clusters = {"express": {"workers": 1, "timeout": 5, "retry": 10, "name": "not this"}}
    options = {"name": "a-shop", "workers": 2, "orm": "default", "ALT_CLUSTERS": clusters}

    theirs, ours = both(cluster="express", **options)

    names = ("PREFIX", "CLUSTER_NAME", "WORKERS", "TIMEOUT", "RETRY", "Q_STAT")
    assert {name: ours[name] for name in names} == {name: theirs[name] for name in names}
    assert (ours["CLUSTER_NAME"], ours["WORKERS"], ours["TIMEOUT"]) == ("express", 1, 5)


@pytest.mark.parametrize("broker", ["redis", "orm"])
def test_a_cluster_runs_with_every_option_set(broker):
    chosen = {"redis": servers.redis_url()} if broker == "redis" else {"orm": "default"}
    shop = Shop()
    shop.options = {**TUNED, **chosen, "name": shop.directory.name}
    try:
        console = shop.console()
        console.ask("shop.calls.migrate")
        shop.cluster()

        task_id = console.ask("async_task", "shop.tasks.add", 1, 2, group="sums")

        assert console.ask("result", task_id, wait=60_000) == 3
        assert console.ask("result_group", "sums", count=1, wait=60_000) == [3]
        assert "The shop&#x27;s queue" in console.ask("shop.calls.page", "schedule_changelist")
    finally:
        shop.close()


@pytest.mark.parametrize("option", ["mongo", "iron_mq"])
def test_a_service_that_has_no_broker_here_is_named(option):
    shop = Shop(**{option: {"host": "127.0.0.1"}})
    try:
        with pytest.raises(AssertionError, match=rf"{option}.*there is no broker"):
            check(shop.console())
    finally:
        shop.close()
