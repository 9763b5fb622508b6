"""Notices of a queue in a database: many of them, of many queues, and those that are over."""

from __future__ import annotations

from django.db import transaction

from django_q.brokers import get_broker
from django_q.models import Notice
from tests.integration.brokers.orm.databases import on_each
from tests.waiting import wait_until

#: Seconds after which a notice is over soon.
SHORT = 0.05


@on_each
def test_keys_that_differ_in_their_letters_case_alone_are_two(broker):
    broker.post_notice("group:A", "upper")
    broker.post_notice("group:a", "lower")

    texts = {key: text for key, (_, text) in broker.notices().values.items()}
    assert texts == {"group:A": "upper", "group:a": "lower"}


@on_each
def test_a_thousand_notices_are_withdrawn_at_once(broker):
    keys = [f"task:{number}" for number in range(1000)]
    with transaction.atomic(broker.alias):
        for key in keys:
            broker.post_notice(key, "text")

    assert broker.withdraw_notices([*keys, "another"]) == 1000

    assert broker.notices().values == {}


@on_each
def test_notices_that_are_over_are_deleted_with_the_keys_that_are(broker):
    other = get_broker("another queue")
    broker.post_notice("old", "text", SHORT)
    broker.post_notice("new", "text")
    other.post_notice("old", "text", SHORT)
    wait_until(lambda: not other.notices().values)

    assert broker.clear_expired_keys() == 1

    queues = Notice.objects.using(broker.alias).values_list("queue", "key")
    assert set(queues) == {(broker.list_key, "new"), ("another queue", "old")}
    other.close()


@on_each
def test_a_queue_without_notices_any_more_is_taken_from_as_one_that_had_none(broker):
    broker.post_notice("old", "text", SHORT)
    broker.dequeue(wait=0)
    wait_until(lambda: not broker.notices().values)

    broker.clear_expired_keys()
    broker.dequeue(wait=0)

    assert not broker.table.seen.has_notices
    assert broker.seen_notices_version == broker.notices_version()
