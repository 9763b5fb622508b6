"""What a broker gets of a call: its payload, and the terms that its options make."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from django_q.brokers.terms import Terms
from django_q.calls.payloads import (
    first_wanted_options,
    need_terms,
    terms_of,
    wanted_terms,
    when_duplicate,
)
from django_q.exceptions import PackageError
from django_q.signing import SignedPackage
from django_q.tasks import async_batch, async_chain, async_iter, async_task
from django_q.wire.option_types import MAX_SECONDS
from django_q.wire.options import normalize_package
from django_q.wire.package import TaskPackage, new_package
from tests.tasks import echo

pytestmark = pytest.mark.django_db(transaction=True)

NEW_YEAR = datetime(2030, 1, 1, tzinfo=timezone.utc)
MEMORY = pytest.mark.parametrize("broker", ["memory"], indirect=True)


def package_with(*args: Any, **options: Any) -> TaskPackage:
    """Make the package of a call of ``echo``."""
    return normalize_package(new_package(echo, args, {}, options, "1" * 32))


def terms_with(**options: Any) -> dict[str, Any]:
    """Tell in what the terms of a call with options differ from those of one without."""
    found, plain = (terms_of(each)._asdict() for each in (package_with(**options), package_with()))
    return {name: value for name, value in found.items() if value != plain[name]}


def test_a_call_without_options_has_terms_that_say_nothing():
    assert terms_of(package_with()) == Terms("1" * 32)


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({"priority": -5}, {"priority": -5}),
        ({"run_after": 60}, {"delay": 60}),
        ({"run_after": timedelta(minutes=1)}, {"delay": 60}),
        ({"run_after": NEW_YEAR}, {"due_at": NEW_YEAR.timestamp()}),
        ({"expires": 60}, {"expires_in": 60}),
        ({"expires": NEW_YEAR}, {"expires_at": NEW_YEAR.timestamp()}),
        ({"track": True}, {}),
    ],
)
def test_options_become_terms(options, terms):
    assert terms_with(**options) == terms


def test_a_unique_key_becomes_a_digest_with_what_belongs_to_it():
    terms = terms_with(unique="a", unique_for=5, on_duplicate="replace")

    assert len(terms.pop("unique")) == 32
    assert terms == {"unique_for": 5, "is_successor": True}
    assert not terms_of(package_with(unique="a", on_duplicate="reject")).is_successor


def test_an_idempotency_key_becomes_a_digest_that_is_kept_for_a_day(conf):
    terms = terms_with(idempotency_key="a")
    assert len(terms.pop("idempotency")) == 32
    assert terms == {"idempotency_for": 86400}

    assert terms_with(idempotency_key="a", idempotency_for=5)["idempotency_for"] == 5
    conf(idempotency_for=60)
    assert terms_with(idempotency_key="a")["idempotency_for"] == 60


def test_keys_of_different_kinds_have_different_digests():
    digests = {
        *(terms_of(package_with(1, unique=unique)).unique for unique in (True, "a", "b")),
        terms_of(package_with(2, unique=True)).unique,
        terms_of(package_with(idempotency_key="a")).idempotency,
    }

    assert len(digests) == 5


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"timeout": 5, "group": "g"}, set()),
        ({"priority": 0, "track": False, "run_after": 0, "unique": False}, set()),
        ({"priority": 1, "track": True}, {"priority", "track"}),
        ({"run_after": 1, "expires": 2}, {"run_after", "expires"}),
        ({"unique": "a", "unique_for": 5, "on_duplicate": "reject"}, {"unique"}),
        ({"idempotency_key": "a", "idempotency_for": 5}, {"idempotency_key"}),
    ],
)
def test_terms_are_needed_for_options_that_change_how_a_task_waits(options, wanted):
    assert wanted_terms(package_with(**options)) == wanted


@pytest.mark.parametrize(
    ("calls", "wanted"),
    [
        ([{}, {"timeout": 5}, {"priority": 0}], set()),
        ([{}, {"retries": 2}, {}], {"retries"}),
        ([{"retries": 2}, {}, {"priority": 1, "retries": 2}], {"priority", "retries"}),
        ([{"track": True}, {"priority": 1}], {"track"}),
    ],
)
def test_the_options_of_a_batch_are_those_of_its_first_call_with_terms(calls, wanted):
    found = first_wanted_options([package_with(**options) for options in calls])

    assert set(found) == wanted
    assert need_terms(found) == bool(wanted - {"retries"})


def test_what_happens_to_a_duplicate_is_said_by_the_call_or_the_project(conf):
    assert when_duplicate(package_with(unique="a")) == "existing"
    conf(on_duplicate="reject")
    assert when_duplicate(package_with(unique="a")) == "reject"
    assert when_duplicate(package_with(unique="a", on_duplicate="replace")) == "replace"
    assert when_duplicate(package_with(idempotency_key="a")) == "existing"

    conf(on_duplicate="ignore")
    with pytest.raises(PackageError, match="'on_duplicate' must be one of 'existing'"):
        when_duplicate(package_with(unique="a"))


@MEMORY
def test_the_defaults_of_the_project_apply_to_every_call(broker, conf):
    conf(priority=5, expires=60, track=True)
    async_task(echo)
    async_batch([echo])
    async_chain([echo])
    async_iter(echo, [1])

    for task in broker.list_tasks():
        assert task.priority == 5
        assert task.expires == pytest.approx(task.since + 60, abs=1)
        package = SignedPackage.loads(task.payload)
        assert task.task_id == package["id"]
        assert (package["priority"], package["expires"], package["track"]) == (5, 60, True)
    assert len(broker.list_tasks()) == 4


@MEMORY
def test_a_call_has_its_own_values_in_place_of_the_defaults(broker, conf):
    conf(priority=5, expires=60, track=True)
    async_task(echo, q_options={"priority": 0, "expires": 5, "track": False})

    (task,) = broker.list_tasks()
    assert task.priority == 0
    assert task.expires == pytest.approx(task.since + 5, abs=1)


@MEMORY
@pytest.mark.parametrize("run_after", [100, NEW_YEAR])
def test_the_default_of_expires_counts_from_when_a_task_is_due(broker, conf, run_after):
    conf(expires=60)
    async_task(echo, q_options={"run_after": run_after})

    (task,) = broker.list_tasks()
    assert task.expires - task.due == pytest.approx(60, abs=1)


@MEMORY
@pytest.mark.parametrize("run_after", [MAX_SECONDS, datetime(9998, 12, 31, tzinfo=timezone.utc)])
def test_a_default_that_is_too_far_away_is_none(broker, conf, run_after):
    conf(expires=10 * 366 * 86400)
    async_task(echo, q_options={"run_after": run_after})

    (task,) = broker.list_tasks()
    assert task.expires is None


@pytest.mark.parametrize("broker", ["custom"], indirect=True)
def test_defaults_do_not_make_a_broker_that_serves_none_refuse_calls(broker, conf):
    conf(priority=5, expires=60, track=True)
    async_task(echo)

    assert broker.queue_size() == 1
