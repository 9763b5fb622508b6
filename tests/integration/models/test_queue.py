"""The queue and the heartbeats of the ORM broker as rows."""

from __future__ import annotations

from typing import Any

import pytest

from django_q.models import (
    Heartbeat,
    OrmQ,
)
from django_q.signing import SignedPackage
from tests.integration.models.rows import NOW

pytestmark = pytest.mark.django_db


def make_queued(package: Any, **overrides: Any) -> OrmQ:
    """Queue a package."""
    return OrmQ.objects.create(key="test", payload=SignedPackage.dumps(package), **overrides)


def test_a_queued_task_tells_what_it_is():
    package = {"id": "a" * 32, "name": "n", "func": "f", "args": (1,), "kwargs": {"b": 2}}
    queued = make_queued(package | {"started": NOW, "group": "g", "hook": "h"})

    assert (queued.task_id(), queued.name(), queued.func()) == ("a" * 32, "n", "f")
    assert (queued.args(), queued.kwargs(), queued.group()) == ((1,), {"b": 2}, "g")
    assert queued.q_options() == {"hook": "h", "started": NOW}
    assert str(queued) == f"test #{queued.pk}"


def test_a_queued_task_that_is_not_ours_tells_why():
    queued = OrmQ.objects.create(key="test", payload="junk")

    assert queued.task == {"id": "*BadSignature"}
    assert queued.func() is queued.args() is queued.group() is None


def test_heartbeats_are_rows():
    Heartbeat.objects.create(key="k", value="v", expires=NOW)

    assert str(Heartbeat.objects.get()) == "k"
