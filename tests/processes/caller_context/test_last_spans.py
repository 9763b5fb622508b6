"""Spans of OpenTelemetry that a worker has collected when it ends."""

from __future__ import annotations

import pytest
from opentelemetry import trace

from django_q.tasks import async_task, fetch
from tests.tasks import multiply
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

TRACE = 0xABC


def test_a_worker_that_ends_sends_the_spans_that_it_has_collected(
    broker, running_cluster, conf, tmp_path
):
    conf(context=["opentelemetry"])
    file = tmp_path / "spans"
    cluster = running_cluster(workers=1, context=["opentelemetry"])
    async_task("tests.traced_tasks.set_up", str(file))
    place = trace.SpanContext(TRACE, 0xDEF, False, trace.TraceFlags(trace.TraceFlags.SAMPLED))
    with trace.use_span(trace.NonRecordingSpan(place)):
        task_id = async_task(multiply, 2, 3)
    wait_until(lambda: fetch(task_id))
    written_before = file.exists()

    cluster.end()

    assert not written_before
    assert file.read_text() == f"process test {TRACE:032x}\n"
