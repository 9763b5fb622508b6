"""Fixtures of the tests of the broker in a database."""

from __future__ import annotations

import pytest
from django.db import connections

from django_q.brokers import get_broker
from django_q.models import Heartbeat, OrmQ, QueueOrder
from tests.integration.brokers.orm.databases import statements


@pytest.fixture
def broker(request, conf, make_broker):
    """The ORM broker on each database, or on the one that a test asks for."""
    conf(retry=30)
    return make_broker(request.param)


@pytest.fixture
def plain_sqlite(conf, tmp_path, django_db_blocker):
    """A function that makes a SQLite file, with Django's defaults but for the options given."""
    with django_db_blocker.unblock():

        def make(**options):
            settings = {
                "default": {},
                "plain": {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": str(tmp_path / "plain.sqlite3"),
                    "OPTIONS": options,
                },
            }
            connections.settings["plain"] = connections.configure_settings(settings)["plain"]
            conf(orm="plain", retry=30)
            with connections["plain"].schema_editor() as editor:
                editor.create_model(OrmQ)
                editor.create_model(Heartbeat)
                editor.create_model(QueueOrder)
            return get_broker()

        yield make
        connections["plain"].close()
        del connections["plain"]
        del connections.settings["plain"]


@pytest.fixture
def prepared(broker):
    """The broker on PostgreSQL, whose connection has its INSERT prepared."""
    for _ in range(2):
        broker.enqueue("first")
    assert len(statements(broker)) == 2
    broker.delete_queue()
    return broker
