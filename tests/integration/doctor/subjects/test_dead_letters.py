"""Dead letters with their causes."""

from __future__ import annotations

import pytest
from django.test import override_settings

from django_q.conf import Conf
from django_q.doctor.subjects.dead_letters import examine
from django_q.tasks import async_task
from tests.integration.doctor.found import found

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("broker", ["redis", "orm"], indirect=True)
def test_dead_letters_are_found_with_their_causes(broker):
    assert found(examine) == {}
    with override_settings(SECRET_KEY="that of another project"):
        async_task("tests.tasks.multiply", 2, 3)
        async_task("tests.tasks.multiply", 2, 3)
    async_task("tests.tasks.multiply", 2, 3)
    while taken := broker.dequeue(9, wait=0):
        for delivery in taken:
            broker.move_to_dead_letters(delivery.ack_id, delivery.payload)

    finding = found(examine)["dead-letters"]

    assert finding.found.startswith(f"The queue '{Conf.CLUSTER_NAME}' has 3 dead letters")
    assert "2 signed with another key" in finding.found
    assert "1 with arguments that a worker could not unpickle" in finding.found
    assert "tests.tasks.multiply" in finding.found
    assert finding.cure.startswith("Give all processes the same SECRET_KEY")
