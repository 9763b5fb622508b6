"""What every broker promises of heartbeats, asked of each one."""

from __future__ import annotations

import pytest

from django_q.conf import Conf
from tests.integration.brokers.contract.kinds import SHORT, of_leasing_and_cluster, str_of


@of_leasing_and_cluster
def test_heartbeats_are_kept_for_their_time(broker, wait_until):
    key, other = f"{Conf.Q_STAT}:1", f"{Conf.Q_STAT}:2"
    broker.set_stat(key, "first", 30)
    broker.set_stat(key, "again", 30)
    broker.set_stat(other, "long", 30)

    assert str_of(broker.get_stat(key)) == "again"
    assert sorted(map(str_of, broker.get_stats(f"{Conf.Q_STAT}:*"))) == ["again", "long"]
    broker.set_stat(other, "short", SHORT)
    wait_until(lambda: broker.get_stat(other) is None)
    assert list(map(str_of, broker.get_stats(f"{Conf.Q_STAT}:*"))) == ["again"]
    broker.set_stat(other, "back", 30)
    assert len(broker.get_stats(f"{Conf.Q_STAT}:*")) == 2
    assert broker.get_stats("other:*") == []
    assert broker.get_stat("unknown") is None


@of_leasing_and_cluster
@pytest.mark.parametrize(
    "name", ["test[ab]", "test*", "te?t", "test[!a]", "test[", "te%t_", "test\\"]
)
def test_heartbeats_of_a_name_with_signs_of_patterns_are_its_own(broker, conf, name):
    conf(name=name)
    own = f"{Conf.Q_STAT}:1"
    broker.set_stat(own, "own", 30)
    for other in ("testa", "tester", "test", "te1t_x"):
        conf(name=other)
        broker.set_stat(f"{Conf.Q_STAT}:1", "another's", 30)
    conf(name=name)

    assert list(map(str_of, broker.get_stats(f"{Conf.Q_STAT}:*"))) == ["own"]
    assert str_of(broker.get_stat(own)) == "own"
