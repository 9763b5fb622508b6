"""A channel of Redis tells who waits for results."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.result_channel import ChannelFailed
from django_q.brokers.redis.connections.result_channel import RedisResultChannel
from tests.waiting import wait_until


def test_marks_arrive_where_somebody_is_subscribed(broker):
    channel = RedisResultChannel()
    assert channel.tell(["a", "b"]) is False
    subscription = channel.subscribe()
    assert subscription.read() == set()

    assert channel.tell(["a", "b"]) is True

    read: set[str] = set()
    wait_until(lambda: read.update(subscription.read()) or len(read) == 2)
    assert read == {"a", "b"}
    subscription.close()
    wait_until(lambda: channel.tell(["a"]) is False)


def test_a_project_of_another_name_is_not_told(broker, conf):
    subscription = RedisResultChannel().subscribe()

    conf(name="elsewhere")

    assert RedisResultChannel().tell(["a"]) is False
    subscription.close()


def test_a_server_that_is_away_is_a_failure_of_the_channel(conf):
    conf(redis="redis://127.0.0.1:1/0")

    for call in (RedisResultChannel().subscribe, lambda: RedisResultChannel().tell(["a"])):
        with pytest.raises(ChannelFailed, match="Redis"):
            call()
