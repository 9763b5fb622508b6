"""What every broker promises of notices: short texts about a queue, which clusters read."""

from __future__ import annotations

import time

import pytest

from django_q.brokers import get_broker
from django_q.brokers.contract.orders import Notices
from django_q.exceptions import TooManyNotices
from tests.integration.brokers.contract.kinds import SHORT, of_serving, put
from tests.integration.brokers.contract.steering import ODD_TEXT


def texts(broker):
    """Read the texts of all notices, by key."""
    return {key: text for key, (_posted_at, text) in broker.notices().values.items()}


@of_serving
def test_a_queue_has_no_notices_at_first(broker):
    assert broker.notices() == Notices(0, {})
    assert broker.notices_version() == 0
    assert broker.withdraw_notices(["a"]) == 0
    broker.dequeue(wait=0)
    assert broker.seen_notices_version == 0


@of_serving
def test_a_notice_is_read_by_all_who_ask(broker, peer):
    before = time.time()

    broker.post_notice("task:1", "one")
    broker.post_notice("group:g", "two")

    values = peer.notices().values
    assert {key: text for key, (_, text) in values.items()} == {"task:1": "one", "group:g": "two"}
    assert broker.notices() == peer.notices()
    assert all(before - 60 < at < time.time() + 60 for at, _text in values.values())
    assert all(isinstance(at, float) for at, _text in values.values())


@of_serving
def test_a_second_notice_of_a_key_replaces_the_first_with_a_new_time(broker):
    broker.post_notice("queue", "one")
    first = broker.notices()

    broker.post_notice("queue", "two")

    second = broker.notices()
    assert texts(broker) == {"queue": "two"}
    assert second.values["queue"][0] > first.values["queue"][0]
    assert second.version > first.version


@of_serving
def test_the_same_notice_posted_again_has_a_new_time(broker):
    broker.post_notice("queue", "one")
    first = broker.notices()

    broker.post_notice("queue", "one")

    assert broker.notices().values["queue"][0] > first.values["queue"][0]
    assert broker.notices_version() > first.version


@of_serving
def test_withdrawn_notices_are_gone(broker, peer):
    for key in "abc":
        broker.post_notice(key, key)

    assert peer.withdraw_notices(["a", "c", "unknown"]) == 2

    assert texts(broker) == {"b": "b"}
    assert broker.withdraw_notices(["a"]) == 0
    assert broker.withdraw_notices([]) == 0


@of_serving
def test_the_version_grows_with_each_change_and_no_other(broker, peer):
    versions = [broker.notices_version()]
    for change in (
        lambda: broker.post_notice("a", "one"),
        lambda: peer.post_notice("a", "two"),
        lambda: peer.post_notice("b", "one"),
        lambda: broker.withdraw_notices(["a"]),
        lambda: broker.withdraw_notices(["b"]),
        lambda: broker.post_notice("a", "one"),
    ):
        change()
        versions.append(peer.notices_version())
        assert broker.notices().version == versions[-1]

    assert versions == sorted(set(versions))
    broker.withdraw_notices(["unknown"])
    broker.enqueue("a")
    put(broker, "b")
    broker.acknowledge_many([each.ack_id for each in broker.dequeue(9, wait=0)])
    broker.pause(), broker.resume()
    assert broker.notices_version() == versions[-1]


@of_serving
@pytest.mark.parametrize("hold", ["nothing waits", "something waits", "paused", "at its limit"])
def test_who_takes_after_a_notice_was_posted_has_seen_that(broker, peer, hold):
    if hold != "nothing waits":
        broker.enqueue("a")
        put(broker, "b")
    if hold == "paused":
        broker.pause()
    if hold == "at its limit":
        broker.set_limit(0)
    for number in range(2):
        peer.post_notice(f"task:{number}", "text")
        broker.dequeue(wait=0)
        assert broker.seen_notices_version == peer.notices_version() > 0


@of_serving
def test_who_waits_has_seen_what_was_posted_before_the_task_that_it_takes(broker, peer, in_thread):
    taken = in_thread(
        lambda: (broker.dequeue(wait=30), broker.seen_notices_version, broker.close())[:2]
    )
    time.sleep(0.2)  # until the other blocks

    peer.post_notice("queue", "text")
    peer.enqueue("a")

    deliveries, version = taken()
    assert len(deliveries) == 1
    assert version == peer.notices_version()


@of_serving
def test_a_notice_is_kept_for_its_time(broker, wait_until):
    broker.post_notice("long", "a", 1000)
    broker.post_notice("short", "b", SHORT)

    wait_until(lambda: texts(broker) == {"long": "a"})

    assert broker.withdraw_notices(["short", "long"]) == 1


@of_serving
def test_more_notices_than_a_queue_may_have_are_refused_and_none_is_lost(broker):
    broker.max_notices = 3
    for key in "abc":
        broker.post_notice(key, key)

    with pytest.raises(TooManyNotices, match="3 notices"):
        broker.post_notice("d", "d")

    assert texts(broker) == {"a": "a", "b": "b", "c": "c"}
    broker.post_notice("a", "replaced")
    assert texts(broker)["a"] == "replaced"


@of_serving
def test_a_notice_that_is_withdrawn_or_over_makes_room_for_another(broker, wait_until):
    broker.max_notices = 2
    broker.post_notice("a", "a"), broker.post_notice("b", "b", SHORT)
    broker.withdraw_notices(["a"])
    broker.post_notice("c", "c")
    wait_until(lambda: texts(broker) == {"c": "c"})

    broker.post_notice("d", "d")

    assert texts(broker) == {"c": "c", "d": "d"}


@of_serving
def test_keys_and_texts_may_have_any_characters(broker):
    notices = {f"group:{ODD_TEXT}": ODD_TEXT[::-1], "group:": "x" * 4000, "Group:A": "a"}
    notices["group:a"] = notices["group:á"] = notices["group:a "] = "another"
    notices["group:" + "g" * 500] = "long"

    for key, text in notices.items():
        broker.post_notice(key, text)

    assert texts(broker) == notices
    assert broker.withdraw_notices(notices) == len(notices)
    assert texts(broker) == {}


@of_serving
@pytest.mark.parametrize("empty", ["delete_queue", "purge_queue"])
def test_notices_stay_when_the_queue_is_emptied(broker, empty):
    broker.enqueue("a")
    broker.post_notice("queue", "text")
    before = broker.notices()

    getattr(broker, empty)()

    assert broker.notices() == before


@of_serving
def test_notices_are_of_one_queue(broker):
    other = get_broker("other")

    broker.post_notice("queue", "text")

    assert other.notices().values == {}
    assert other.withdraw_notices(["queue"]) == 0
    other.dequeue(wait=0)
    assert other.seen_notices_version == other.notices_version()
    assert texts(broker) == {"queue": "text"}
    other.close()


@of_serving
def test_the_version_goes_on_after_all_notices_are_gone(broker, peer):
    broker.post_notice("a", "one")
    broker.withdraw_notices(["a"])
    before = broker.notices_version()
    broker.close()

    peer.post_notice("a", "one")

    assert peer.notices_version() > before > 0
