"""A row that somebody may ask for stays for its time, outside ``save_limit``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.signals import pre_delete
from django.utils import timezone

from django_q.models import Task
from django_q.results import pruning, saving
from django_q.results.pruning import delete_outlived
from tests.integration.results.finished_packages import FEW_AND_MANY, finished

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _limit(conf: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    conf(save_limit=2)
    monkeypatch.setattr(pruning, "SLOW_SEARCH_SECONDS", 1000)  # whatever else runs here
    yield
    pruning.PruningFailures.reset()
    pruning.SlowSearches.is_slow, pruning.SlowSearches.next_at = False, 0.0


def save(count: int, **values: Any) -> list[str]:
    """Save so many tasks that have ended; their ids."""
    packages = [finished(**values) for _ in range(count)]
    saving.save(packages)
    return [package["id"] for package in packages]


def ids() -> set[str]:
    """Return the ids of all rows."""
    return set(Task.objects.values_list("id", flat=True))


@FEW_AND_MANY
def test_a_row_says_until_when_it_is_kept(count):
    now = timezone.now()

    (first, *_) = save(count, keep_for=60, stopped=now)

    assert Task.objects.get(id=first).keep_until == now + timedelta(seconds=60)


def test_kept_rows_stay_and_count_for_nothing():
    plain = save(2)
    kept = [each for _ in range(5) for each in save(1, keep_for=60)]

    latest = save(2)

    assert ids() == {*kept, *latest}
    assert not ids() & set(plain)


@pytest.mark.parametrize("column", ["group", "name", "func"])
def test_kept_rows_stay_where_each_group_has_its_limit(conf, column):
    conf(save_limit_per=column)
    kept = save(3, keep_for=60)

    latest = [save(1)[0] for _ in range(4)][-2:]

    assert ids() == {*kept, *latest}


def test_kept_successes_are_deleted_when_their_time_is_over():
    past = timezone.now() - timedelta(seconds=61)
    over, kept, plain = save(3, keep_for=60, stopped=past), save(1, keep_for=600), save(1)

    counts = [delete_outlived(2), delete_outlived(2), delete_outlived(2)]

    assert counts == [2, 1, 0]
    assert ids() == {*kept, *plain}
    assert not ids() & set(over)


def test_kept_failures_are_failures_as_any_other_afterwards():
    past = timezone.now() - timedelta(seconds=61)
    failed = save(2, keep_for=60, stopped=past, success=False, result="ValueError()")

    counts = [delete_outlived(10), delete_outlived(10)]

    assert counts == [2, 0]
    assert ids() == set(failed)
    assert not Task.objects.filter(keep_until__isnull=False).exists()


@pytest.mark.parametrize(("limit", "remaining"), [(0, 3), (-1, 0)])
def test_kept_rows_stay_for_ever_where_all_rows_do(conf, limit, remaining):
    past = timezone.now() - timedelta(seconds=61)
    save(3, keep_for=60, stopped=past, save=True)
    conf(save_limit=limit)

    delete_outlived(10)

    assert len(ids()) == remaining


def test_receivers_of_the_deletion_are_told():
    told = []

    def receive(instance: Any, **kwargs: Any) -> None:
        told.append(instance.pk)

    pre_delete.connect(receive, sender=Task)
    over = save(150, keep_for=1, stopped=timezone.now() - timedelta(seconds=2))

    assert delete_outlived(1000) == 150

    assert sorted(told) == sorted(over)
    assert ids() == set()


def test_rows_are_looked_for_less_often_where_kept_ones_make_that_slow(monkeypatch):
    monkeypatch.setattr(pruning, "SLOW_SEARCH_SECONDS", 0)
    monkeypatch.setattr(pruning, "MAX_SEARCH_SHARE", 1e-9)
    plain = save(2)
    save(1)
    without_kept = (len(ids()), pruning.SlowSearches.is_slow)
    save(1, keep_for=60)

    save(1)  # finds out that it is slow
    save(3)

    assert without_kept == (2, False)
    assert pruning.SlowSearches.is_slow
    assert pruning.SlowSearches.next_at > 0
    assert len(ids()) == 6
    pruning.SlowSearches.next_at = 0.0
    save(1)
    assert len(ids()) == 3
    assert not ids() & set(plain)


def test_rows_are_looked_for_at_once_again_where_there_are_more(monkeypatch):
    monkeypatch.setattr(pruning, "SLOW_SEARCH_SECONDS", 0)
    monkeypatch.setattr(pruning, "MAX_PRUNED_ROWS", 1)
    save(1, keep_for=60)
    pruning.SlowSearches.is_slow = True

    pruning.SlowSearches.record(1.0, is_complete=False, alias="default")

    assert pruning.SlowSearches.next_at == 0
