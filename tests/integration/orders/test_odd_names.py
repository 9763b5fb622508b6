"""Orders for groups and ids with characters that a database or a server does not take."""

from __future__ import annotations

import math

import pytest

from django_q.execution.cancellation import find_order
from django_q.tasks import UNKNOWN, cancel
from tests.integration.orders.given import notices_of

pytestmark = pytest.mark.django_db(transaction=True)

ODD_NAMES = ("a\x00b", "file-\udc80.txt")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_group_is_cancelled_by_the_name_that_it_was_given(queue, name):
    cancel(group=name)

    orders = {key: (math.inf, text) for key, text in notices_of(queue).items()}
    assert "cancelled" in find_order({"id": "1", "group": name}, orders)
    assert find_order({"id": "2", "group": "file-?.txt"}, orders) is None


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_can_be_no_id_is_an_unknown_task(queue, name):
    assert cancel(name) == UNKNOWN
