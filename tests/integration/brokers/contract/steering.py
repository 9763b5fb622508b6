"""What the tests of states and orders put into queues, and take from them."""

from __future__ import annotations

import pytest

from django_q.brokers.contract.kept_state import KeptState
from tests.integration.brokers.contract.kinds import LEASE, put, str_of
from tests.integration.brokers.contract.passing_time import let_pass

#: Any characters that a name may have.
ODD_TEXT = "a:b|c {d} [e] *? \"f\" 'g' \\ %s \n\t é ☃ 𝄞"
#: Who has cancelled a task: signed texts, which brokers do not read.
MARK, OTHER_MARK = "mark:1", "mark:2"
#: The state of a task that was cancelled and has no other.
MARKED = KeptState(cancelled=MARK)


def put_plain(broker, payload, **_options):
    broker.enqueue(payload)


of_both_sorts = pytest.mark.parametrize("put_one", [put_plain, put])


def release_at_once(broker, receipt):
    assert broker.release([receipt]) == set()


def release_for_later(broker, receipt):
    assert broker.release([receipt], delay=50) == set()
    let_pass(broker, 51)


def release_uncounted(broker, receipt):
    assert broker.release([receipt], count=False) == set()


def lose_lease(broker, _receipt):
    let_pass(broker, LEASE + 1)


def let_lease_go(broker, receipt):
    assert broker.extend([receipt], 0) == set()


#: The ways in which a delivery ends and another one follows.
RETURNS = [release_at_once, release_for_later, release_uncounted, lose_lease, let_lease_go]
of_each_return = pytest.mark.parametrize("come_again", RETURNS)


def hold_by_nothing(_broker):
    pass


def hold_by_pause(broker):
    broker.pause()


def hold_by_pause_of_the_cluster(broker):
    broker.cluster_id = "one"
    broker.pause("one")


def hold_by_limit(broker):
    broker.set_limit(0)


#: The ways in which a queue is held, and none.
HOLDS = [hold_by_pause, hold_by_pause_of_the_cluster, hold_by_limit]
of_each_hold = pytest.mark.parametrize("hold", [hold_by_nothing, *HOLDS])


def take_states(broker, limit=100):
    """Take what may be taken now: the states, by payload."""
    return {str_of(each.payload): each.state for each in broker.dequeue(limit, wait=0)}


def attempts_text(text):
    return KeptState(attempts=text)
