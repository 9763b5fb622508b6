"""Heartbeats of brokers that keep none themselves."""

from __future__ import annotations

import pytest

from django_q.brokers import adapt_broker
from django_q.conf import Conf


@pytest.mark.django_db
def test_heartbeats_of_an_old_broker_are_kept_in_the_database(make_broker):
    broker = make_broker("custom")
    broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 10)

    assert adapt_broker(broker).get_stat(f"{Conf.Q_STAT}:1") == "beat"
    assert adapt_broker(broker).get_stats(f"{Conf.Q_STAT}:*") == ["beat"]
