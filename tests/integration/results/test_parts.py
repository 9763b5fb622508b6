"""Results of items are kept as parts until the iterable is complete."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connections, router
from django.utils import timezone

from django_q.completion.completion import complete
from django_q.models import Part, Task
from django_q.models.columns.stored_values import JSON_MARK
from django_q.results import parts
from django_q.tasks import async_iter, queue_size, result_cached
from tests.integration.completion.executed_items import execute_waiting, fail_on_submit
from tests.integration.results.finished_packages import finished
from tests.tasks import hook, hooked
from tests.unpickling import FolderMaker

pytestmark = pytest.mark.django_db(transaction=True)


def test_parts_of_iterables_are_stored_as_json(conf):
    conf(serializer="json")

    parts.add([finished(group="g", iter_position=0, result=[1])])

    part = Part.objects.get()
    assert (bytes(part.args), bytes(part.result)) == (
        f"{JSON_MARK}[2,3]".encode(),
        f"{JSON_MARK}[1]".encode(),
    )
    assert parts.read(part.result) == [1]


def test_a_part_that_is_a_pickle_is_not_opened_where_the_serializer_is_json(conf, tmp_path):
    parts.add([finished(group="g", iter_position=0, result=FolderMaker(tmp_path / "unpickled"))])
    conf(serializer="json")

    assert "stored as a pickle" in parts.read(Part.objects.get().result)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("limit", [-1, 1])
def test_parts_are_not_lost_to_save_limit(broker, run_all, conf, limit):
    hooked.clear()
    conf(save_limit=limit)
    async_iter("math.floor", [0, 1, 2, 3], hook=hook)

    run_all(broker)

    assert hooked[0].result == [0, 1, 2, 3]
    assert Task.objects.count() == (limit == 1)


def test_parts_do_not_expire_with_the_cache(broker, run_once):
    iterable = async_iter("math.floor", [1.5, 2.5], cached=30)
    run_once(broker)
    cache.clear()

    while queue_size():
        run_once(broker)

    assert result_cached(iterable) == [1, 2]


def test_parts_that_nothing_was_added_to_for_long_are_swept(broker, run_all):
    async_iter("math.floor", [1.5, 2.5])
    old, lost = execute_waiting(broker)
    complete([old], broker, fail_on_submit)
    broker.acknowledge(lost["ack_id"])
    Part.objects.update(stopped=timezone.now() - parts.MAX_PART_AGE - timedelta(days=1))

    async_iter("math.floor", [1.5])
    run_all(broker)

    assert Part.objects.count() == 0


def part_of(iterable, claim=None):
    parts.add([finished(group=iterable, iter_position=0)])
    parts.rows().filter(iterable=iterable).update(claim=claim)


@pytest.mark.parametrize(
    ("claim", "runs", "is_redelivered", "is_claimed"),
    [
        (None, [("a", 1)], False, True),
        ("a:1:{now}", [("a", 1)], False, True),  # the same run, repeated
        ("a:1:{now}", [("b", 1)], False, False),
        ("a:1:{now}", [("b", 2)], True, False),  # whoever has it may well be alive
        ("a:1:{now}", [("b", 1), ("a", 2)], True, True),  # whoever had it has lost its lease
        ("a:2:{now}", [("a", 1)], False, False),
        ("a:1:{old}", [("b", 1)], False, False),
        ("a:1:{old}", [("b", 2)], True, True),
        ("a:1", [("b", 2)], True, True),  # of an earlier release
        ("a:1", [("b", 1)], False, False),
        ("what nobody writes", [("b", 2)], True, True),
    ],
)
def test_a_claim_is_taken_over_from_a_run_that_is_over(claim, runs, is_redelivered, is_claimed):
    now = int(time.time())
    times = {"now": now, "old": now - parts.COLLATION_CLAIM_SECONDS - 1}
    part_of("i", claim and claim.format(**times))

    assert parts.claim("i", runs, is_redelivered) is is_claimed
    assert parts.claim("i", runs, is_redelivered) is is_claimed


def test_of_two_that_claim_between_look_and_claim_one_has_it():
    part_of("i")
    others = []

    def claim_between(execute, sql, *arguments):
        if sql.startswith("UPDATE") and not others:
            others.append(None)
            others[0] = parts.claim("i", [("other", 1)])
        return execute(sql, *arguments)

    with connections[router.db_for_write(Part)].execute_wrapper(claim_between):
        own = parts.claim("i", [("own", 1)])

    assert (own, others) == (False, [True])
    assert parts.rows().get().claim.startswith("other:")


def test_the_longest_claim_fits_its_column():
    part_of("i")

    assert parts.claim("i", [("f" * 32, 2**31 - 1)])
    assert len(parts.rows().get().claim) <= parts.Part._meta.get_field("claim").max_length
