"""Orders for one task: which of them a page offers."""

from __future__ import annotations

import pytest

from django_q.dashboard.tasks.task_orders import TASK_PAGE_ORDERS, offered

ALL_ORDERS = {*TASK_PAGE_ORDERS}


@pytest.mark.parametrize(
    ("is_unfinished", "success", "can", "verbs"),
    [
        (True, False, ALL_ORDERS, {"cancel": "cancel", "show_stack": "show_stack"}),
        (True, False, ALL_ORDERS - {"cancel"}, {"show_stack": "show_stack"}),
        (False, True, ALL_ORDERS, {"resubmit": "resubmit_success", "delete": "delete_success"}),
        (False, False, ALL_ORDERS, {"resubmit": "resubmit_failure", "delete": "delete_failure"}),
        (False, False, {"delete_success"}, {}),
    ],
)
def test_orders_are_offered_by_the_state_of_the_task(is_unfinished, success, can, verbs):
    assert offered(is_unfinished, success, can) == verbs


def test_each_order_has_a_permission_of_its_own():
    permissions = [permission for permission, _give in TASK_PAGE_ORDERS.values()]

    assert len(set(permissions)) == len(permissions)
