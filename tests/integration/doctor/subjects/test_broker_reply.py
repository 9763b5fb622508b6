"""Whether the broker answers."""

from __future__ import annotations

import pytest

from django_q.doctor.subjects import broker_reply
from django_q.doctor.subjects.broker_reply import examine
from tests.integration.doctor.found import found

pytestmark = pytest.mark.once


def test_the_latency_of_a_broker_is_told(root, monkeypatch):
    told = found(examine)

    assert told.keys() == {"broker-reachable"}
    assert told["broker-reachable"].found.startswith("Valkey ")
    monkeypatch.setattr(broker_reply, "SLOW_REPLY_SECONDS", 0)
    assert found(examine).keys() == {"broker-slow"}


def test_a_broker_that_is_away_is_found_without_its_password(conf):
    conf(redis="redis://user:hunter2@127.0.0.1:1/0")

    (finding,) = found(examine).values()

    assert (finding.id, finding.level) == ("broker-unreachable", "error")
    assert "hunter2" not in finding.found + finding.cure


def test_a_login_that_is_refused_is_found(own_server, root, conf):
    conf(redis=own_server.url.replace("//", "//nobody:wrong@"))

    assert found(examine)["broker-refuses"].level == "error"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broker", ["orm"], indirect=True)
def test_a_database_as_the_broker_answers(broker):
    assert found(examine).keys() == {"broker-reachable"}


def test_a_broker_that_is_not_used_is_said_to_be(root, conf):
    conf(sync=True)

    assert "broker-unused" in found(examine)
