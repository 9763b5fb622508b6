"""The pages as users see them who have one permission alone."""

from __future__ import annotations

import pytest

from tests.heartbeats import CLUSTER_ID, make_stat
from tests.integration.admin.rows import make_failure, make_schedule, make_task
from tests.integration.dashboard.visits import ALONE, IN_ADMIN, log_in, page_url

pytestmark = pytest.mark.django_db(transaction=True)

QUEUES = {"queues", "queue", "clusters", "cluster"}
SCHEDULES = {"schedules", "schedule"}
#: The pages that each permission opens. Those to give orders open none by themselves.
OPENED = {
    "view_ormq": {"overview", "tasks", *QUEUES},
    "view_success": {"overview", "tasks", "success"},
    "view_failure": {"overview", "tasks", "failures", "failure"},
    "view_schedule": {"overview", *SCHEDULES},
    "change_schedule": {"overview", *SCHEDULES},
    "run_functions": {"overview", "functions"},
    "see_values": set(),
    "cancel_tasks": set(),
    "pause_queue": set(),
    "limit_queue": set(),
    "stop_clusters": set(),
}
#: Whose page has which buttons.
BUTTONS = {"change_schedule": {"run_now", "pause", "backfill"}}


@pytest.mark.parametrize("place", [IN_ADMIN, ALONE])
@pytest.mark.parametrize("codename", OPENED)
def test_a_permission_alone_opens_its_pages_and_no_other(client, make_broker, codename, place):
    make_stat().save(make_broker("memory"))
    schedule, success, failure = make_schedule(), make_task(), make_failure()
    pages = {
        **{name: [name] for name in ("overview", "tasks", "failures", "functions")},
        **{name: [name] for name in ("queues", "clusters", "schedules")},
        "queue": ["queue", "test"],
        "cluster": ["cluster", CLUSTER_ID],
        "schedule": ["schedule", schedule.pk],
        "success": ["task", success.pk],
        "failure": ["task", failure.pk],
    }
    log_in(client, codename)

    answers = {name: client.get(page_url(*parts, place=place)) for name, parts in pages.items()}

    opened = {name for name, answer in answers.items() if answer.status_code == 200}
    assert {answer.status_code for answer in answers.values()} <= {200, 403}
    assert opened == OPENED[codename]
    for name in opened - {"functions"}:
        assert buttons_of(answers[name]) <= BUTTONS.get(codename, set()), name


def buttons_of(answer) -> set[str]:
    """List the orders that a page has buttons for."""
    parts = answer.content.decode().split('name="action" value="')[1:]
    return {part.partition('"')[0] for part in parts}
