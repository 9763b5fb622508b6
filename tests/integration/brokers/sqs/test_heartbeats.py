"""Heartbeats of the broker on Amazon SQS."""

from __future__ import annotations

import pytest

from django_q.conf import Conf


@pytest.mark.django_db
def test_heartbeats_are_kept_in_the_database(broker):
    broker.set_stat(f"{Conf.Q_STAT}:1", "beat", 10)
    broker.set_stat(f"{Conf.Q_STAT}:2", "past", -1)

    assert broker.get_stat(f"{Conf.Q_STAT}:1") == "beat"
    assert broker.get_stats(f"{Conf.Q_STAT}:*") == ["beat"]
