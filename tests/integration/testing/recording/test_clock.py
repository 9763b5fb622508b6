"""The clock of a test: what it moves, and that it goes back with the block."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django.utils.timezone import now as imported_now

from django_q.models import Schedule
from django_q.servers.database_clock import database_now
from django_q.testing import enqueued, travel

SECOND = timedelta(seconds=1)


@pytest.mark.django_db
def test_travel_moves_what_django_and_this_package_take_for_now():
    before = timezone.now()

    with enqueued():
        travel(hours=3)
        told = [timezone.now(), imported_now(), database_now("default"), Schedule().next_run]
        epoch = time.time()

    assert all(abs(each - before - timedelta(hours=3)) < 60 * SECOND for each in told)
    assert abs(epoch - before.timestamp() - 3 * 3600) < 60
    assert abs(timezone.now() - before) < 60 * SECOND
    assert abs(time.time() - before.timestamp()) < 60


def test_a_span_may_be_given_in_each_form():
    with enqueued():
        before = timezone.now()
        travel(60)
        travel(timedelta(minutes=1))
        travel(minutes=1, seconds=30)

        assert timedelta(seconds=210) <= timezone.now() - before < timedelta(seconds=270)


def test_the_clock_is_never_set_back():
    with enqueued(), pytest.raises(ValueError, match="never set back"):
        travel(hours=-1)


def test_values_of_django_are_times_as_before():
    with enqueued():
        assert type(timezone.now()) is datetime
        assert type(timezone.datetime(2030, 1, 2)) is datetime
        assert isinstance(timezone.template_localtime(timezone.now()), datetime)
        assert timezone.localtime().utcoffset() is not None


def test_a_block_inside_of_another_begins_at_its_time():
    with enqueued():
        travel(days=1)
        outer = timezone.now()
        with enqueued():
            assert abs(timezone.now() - outer) < 60 * SECOND
            travel(days=1)
        assert abs(timezone.now() - outer) < 60 * SECOND


class FrozenTime(type):
    """As the class has that freezegun puts in the place of ``datetime``."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


class FrozenDatetime(datetime, metaclass=FrozenTime):
    """A time that stands still."""

    @classmethod
    def now(cls, tz=None):
        return datetime(2031, 1, 1, tzinfo=tz)


@pytest.mark.parametrize("is_outside", [True, False])
def test_a_clock_that_others_have_stopped_is_followed(monkeypatch, is_outside):
    import datetime as module

    if is_outside:
        monkeypatch.setattr(module, "datetime", FrozenDatetime)
    with enqueued():
        monkeypatch.setattr(module, "datetime", FrozenDatetime)
        travel(days=1)

        assert timezone.now() == datetime(2031, 1, 2, tzinfo=module.timezone.utc)
        monkeypatch.undo()
