"""How a broker is chosen by the settings."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_q.brokers import Broker, get_broker
from django_q.brokers.aws_sqs import Sqs
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from tests.old_broker import OldBroker


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Redis),
        ({"orm": "default"}, ORM),
        ({"orm": "default", "sqs": {}}, Sqs),
        ({"orm": "default", "broker_class": "tests.old_broker.OldBroker"}, OldBroker),
    ],
)
def test_the_settings_choose_a_broker(conf, options, expected):
    conf(**options)

    broker = get_broker("shop")

    assert type(broker) is expected
    assert broker.list_key in ("shop", "django_q:shop:q")


@pytest.mark.parametrize("option", ["iron_mq", "mongo", "disque_nodes"])
def test_a_service_that_has_no_broker_here_is_named(settings, option):
    settings.Q_CLUSTER = {option: {}}

    with pytest.raises(ImproperlyConfigured, match=f"{option}.*Set 'redis', 'orm' or 'sqs'"):
        get_broker()


def test_a_queue_is_named_after_the_cluster(conf):
    conf(cluster_name="shop", broker_class="tests.old_broker.OldBroker")

    assert get_broker().list_key == "shop"


def test_results_are_cached_where_the_settings_say(conf):
    assert Broker().cache is Broker.get_cache()
    assert Broker().connection == 0
