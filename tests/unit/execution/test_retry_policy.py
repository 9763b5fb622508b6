"""Whether a failed task is run again, and when."""

from __future__ import annotations

import random
import subprocess
from datetime import datetime, timedelta, timezone
from email.errors import MessageError
from typing import Any

import pytest

from django_q.exceptions import (
    Expired,
    FunctionRefused,
    PackageError,
    Retry,
    TaskCancelled,
    TimeoutException,
    WorkerDied,
)
from django_q.execution.retry_policy import (
    MAX_UNLIMITED_RETRIES,
    has_policy,
    note_retry,
    seconds_until_retry,
)
from django_q.wire.options import normalize_options


class Closed(ConnectionError):
    """An error of the project."""


def package(ended: int = 0, **options: Any) -> dict[str, Any]:
    """Make a package whose attempts have ended so many times before."""
    own = normalize_options(options)
    return {"name": "any", "attempt": ended + 1, "ended_count": ended, "ends": [], **own}


def seconds(error: BaseException | None = None, ended: int = 0, **options: Any) -> float | None:
    return seconds_until_retry(package(ended, **options), error or ValueError())


@pytest.mark.parametrize("ended", range(5))
def test_a_task_is_run_again_as_often_as_it_says(ended):
    assert (seconds(ended=ended, retries=3) is not None) is (ended < 3)


@pytest.mark.parametrize("ended", range(4))
def test_the_project_says_it_for_tasks_that_do_not(conf, ended):
    conf(retries=2)

    assert (seconds(ended=ended) is not None) is (ended < 2)
    assert seconds(ended=ended, retries=0) is None


def test_the_first_delay_is_ten_seconds_and_each_is_twice_the_one_before():
    delays = [seconds(ended=ended, retries=99, retry_jitter=0) for ended in (0, 1, 2, 3, 20)]

    assert delays == [10, 20, 40, 80, 3600]


def test_a_delay_that_is_longer_than_the_projects_greatest_is_kept():
    assert seconds(retries=1, retry_delay=7200, retry_jitter=0) == 7200
    assert seconds(retries=1, retry_max_delay=5, retry_jitter=0) == 5


def test_the_project_sets_how_delays_grow(conf):
    conf(retry_delay=3, retry_backoff=3, retry_max_delay=20, retry_jitter=0)

    assert [seconds(ended=ended, retries=9) for ended in range(4)] == [3, 9, 20, 20]


@pytest.mark.parametrize("seed", range(300))
def test_a_delay_is_within_its_bounds_whatever_the_options_are(seed):
    chance = random.Random(seed)
    delay = chance.choice([0, 0.01, 0.3, 1, 10, 86400, 10**9])
    backoff = chance.choice([1, 1.5, True, 10, 1000])
    most = chance.choice([None, delay + 0.5, delay + 3600])
    jitter = chance.choice([0, 0.1, 0.5, True])
    ended = chance.choice([0, 1, 5, 50, 5000, 10**9])
    options = {"retry_delay": delay, "retry_backoff": backoff, "retry_jitter": jitter}
    if most is not None:
        options["retry_max_delay"] = most

    found = seconds(ended=ended, retries=2 * 10**9, **options)

    full = min(
        delay * (2 if backoff is True else backoff) ** min(ended, 60), most or max(delay, 3600)
    )
    assert found is not None
    assert full * (1 - jitter) - 0.1 <= found <= full
    assert found > 0 or full * (1 - jitter) == 0


def test_tasks_that_failed_together_share_some_delays():
    delays = {seconds(retries=1) for _ in range(1000)}

    assert all(8 <= delay <= 10 for delay in delays)
    assert 10 <= len(delays) <= 21


@pytest.mark.parametrize("error", [TaskCancelled(), Expired(), PackageError(), FunctionRefused()])
def test_what_another_attempt_would_not_change_is_final(error):
    assert seconds(error, retries=3) is None


@pytest.mark.parametrize(
    "error", [ValueError(), TimeoutException(), WorkerDied(), SystemExit(), KeyboardInterrupt()]
)
def test_any_other_end_is_tried_again(error):
    assert seconds(error, retries=3) is not None


@pytest.mark.parametrize(
    ("names", "error", "is_named"),
    [
        ("ValueError", ValueError(), True),
        ("builtins.ValueError", ValueError(), True),
        (ValueError, UnicodeError(), True),
        (["KeyError", OSError], Closed(), True),
        (Closed, ConnectionError(), False),
        (Closed, Closed(), True),
        ((KeyError, "IndexError"), ValueError(), False),
        ("django_q.exceptions.WorkerDied", WorkerDied(), True),
        ("email.errors.MessageError", MessageError(), True),
        ("subprocess.SubprocessError", subprocess.TimeoutExpired("x", 1), True),
        ("no.such.Error", ValueError(), False),
        ("os.error", OSError(), True),  # another path of the same class
        ([], ValueError(), False),
    ],
)
def test_errors_are_named_by_class_or_path_and_by_those_they_derive_from(names, error, is_named):
    assert (seconds(error, retries=3, retry_on=names) is not None) is is_named
    assert (seconds(error, retries=3, no_retry_on=names) is None) is is_named


def test_no_retry_on_makes_exceptions_of_what_retry_on_names():
    options = {"retries": 3, "retry_on": OSError, "no_retry_on": [Closed]}

    assert seconds(ConnectionError(), **options) is not None
    assert seconds(Closed(), **options) is None


def test_a_name_is_looked_for_without_importing_anything(monkeypatch):
    imported = []
    monkeypatch.setattr("builtins.__import__", lambda name, *rest: imported.append(name))

    found = seconds(ValueError(), retries=3, retry_on="shop.errors.Closed")

    monkeypatch.undo()
    assert (found, imported) == (None, [])


@pytest.mark.parametrize(
    "after", [30, "30", 30.0, timedelta(seconds=30)], ids=lambda value: type(value).__name__
)
def test_a_task_says_when_it_is_run_again(after):
    assert seconds(Retry(after=after), retries=3) == 30


def test_it_may_name_a_time():
    moment = datetime.now(timezone.utc) + timedelta(hours=1)

    assert 3590 < seconds(Retry(after=moment)) <= 3600
    assert seconds(Retry(after=moment - timedelta(days=2))) == 0


def test_a_retry_without_a_time_waits_as_any_failure_does():
    assert seconds(Retry(), retry_delay=3, retry_jitter=0) == 3
    assert seconds(Retry(), ended=2, retry_delay=3, retry_jitter=0) == 12


class Exiting(str):
    """A text that ends the process when it is read."""

    def __str__(self) -> str:
        raise SystemExit("as asked")


@pytest.mark.parametrize(
    "after",
    [-1, True, "soon", object(), datetime(2031, 1, 1), float("nan"), Exiting("soon")],
    ids=lambda after: type(after).__name__,
)
def test_a_time_that_is_none_ends_the_task_and_says_why(after, settings):
    settings.USE_TZ = True
    own = package(retries=3)

    text = note_retry(own, Retry(after=after))

    assert own["retry_in"] is None
    assert text.startswith("Retry(after=...) must be a number of seconds from 0 on")
    assert text.endswith("The task is not run again. ")


def test_ten_are_allowed_where_nothing_says_how_many():
    allowed = [seconds(Retry(after=1), ended=ended) is not None for ended in range(12)]

    assert allowed == [True] * MAX_UNLIMITED_RETRIES + [False] * 2


def test_the_options_limit_it_as_any_failure():
    assert seconds(Retry(after=1), retries=0) is None
    assert seconds(Retry(after=1), ended=2, retries=2) is None
    assert seconds(Retry(after=1), retries=2, no_retry_on=Retry) is None
    assert seconds(Retry(after=1), retries=2, retry_on=KeyError) == 1


def test_the_number_of_deliveries_stays_limited_by_max_attempts():
    assert seconds(ended=1, retries=9, max_attempts=3) is not None
    assert seconds(ended=2, retries=9, max_attempts=3) is None


def test_a_delivery_that_was_lost_with_its_cluster_costs_no_retry():
    own = package(ended=1, retries=2)
    own["attempt"] = 40

    assert seconds_until_retry(own, ValueError()) is not None


def test_a_task_without_these_options_is_left_to_max_attempts():
    own = package(max_attempts=3)

    assert note_retry(own, ValueError()) == ""
    assert "retry_in" not in own


def test_no_retry_on_holds_for_max_attempts_as_well():
    own = package(max_attempts=3, no_retry_on="ValueError")

    assert not has_policy(own, KeyError())
    note_retry(own, ValueError())
    assert own["retry_in"] is None


@pytest.mark.parametrize("name", ["retries", "retry_delay", "retry_on", "max_attempts", "ends"])
@pytest.mark.parametrize(
    "odd", [object(), ["x"], {"a": 1}, "text", -3], ids=lambda odd: type(odd).__name__
)
def test_what_a_receiver_has_made_of_the_options_stops_nothing(conf, name, odd):
    conf(retries=1)
    own = package(retries=3, retry_jitter=0)
    own[name] = odd

    note_retry(own, ValueError())

    assert own["retry_in"] in (None, 0, 10)
