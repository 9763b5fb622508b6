"""What the checks say about the outbox, and about what travels with tasks."""

from __future__ import annotations

import pytest
from django.db import connection

from django_q.checks import check_outbox_table
from tests.integration.checks.found_messages import found, ids


def test_an_outbox_in_an_unknown_database_is_an_error():
    ((number, text),) = found({"outbox": "defalt", "redis": {"port": 1}})

    assert number == "E005"
    assert "Q_CLUSTER['outbox']: there is no database 'defalt'" in text


def test_an_outbox_beside_the_queue_has_no_effect():
    messages = found({"outbox": "default", "orm": "default"})

    assert ("W006", "Q_CLUSTER['outbox'] has no effect: the queue itself is in that database.") in (
        messages
    )
    assert ids({"outbox": "default", "redis": {"port": 1}}) == []


@pytest.mark.django_db(transaction=True)
def test_a_missing_table_is_a_warning_where_the_database_is_checked(conf):
    conf(outbox="default")
    assert check_outbox_table(databases=["default"]) == []
    rename = "ALTER TABLE {} RENAME TO {}"
    connection.cursor().execute(rename.format("django_q_outboxtask", "later"))
    try:
        (message,) = check_outbox_table(databases=["default"])
        assert check_outbox_table(databases=None) == []
        assert check_outbox_table(databases=["other"]) == []
    finally:
        connection.cursor().execute(rename.format("later", "django_q_outboxtask"))

    assert message.id == "django_q.W014"
    assert "has no table django_q_outboxtask" in message.msg


@pytest.mark.django_db
def test_without_an_outbox_no_database_is_asked(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert check_outbox_table(databases=["default"]) == []


def test_what_travels_must_be_there():
    assert ids({"context": ["language", "timezone", "tests.caller_contexts.TENANT"]}) == []
    assert ids({"context": ["tests.tasks.echo", "tests.nowhere.x"]}) == ["W013", "W013"]
    assert ids({"context": ["lang", 5, "a path"]}) == ["E004", "E004", "E004"]
    assert ids({"context": "language"}) == ["E002"]
