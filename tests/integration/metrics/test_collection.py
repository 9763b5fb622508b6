"""All metrics together, and what is left of them where a server does not answer."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from django_q.brokers import get_broker
from django_q.metrics.collection import collect
from tests.ports import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("broker", ["redis", "orm", "custom"], indirect=True)
def test_every_broker_has_metrics(broker, values):
    found = collect()

    assert values(found, "broker_up") == values(found, "database_up") == {"": True}
    assert values(found, "queue_tasks")["test,waiting"] == 0
    names = [family.name for family in found]
    assert len(names) == len(set(names))


def test_without_its_broker_the_rest_is_there(conf, values):
    conf(redis=f"redis://127.0.0.1:{free_port()}")

    found = collect(get_broker())

    assert values(found, "broker_up") == {"": False}
    assert values(found, "schedules_overdue") == {"": 0}


def test_without_the_database_the_rest_is_there(broker, values):
    def refuse(*args):
        raise OperationalError("the database is away")

    with connection.execute_wrapper(refuse):
        found = collect()

    assert values(found, "database_up") == {"": False}
    assert values(found, "queue_tasks")["test,waiting"] == 0
