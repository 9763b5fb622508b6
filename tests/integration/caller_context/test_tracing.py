"""Traces of OpenTelemetry: from a caller to its tasks, with the real SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from django_q.caller_context import tracing
from django_q.caller_context.travel import log_left_out
from django_q.checks.listed_names import check_context
from django_q.signing import SignedPackage
from django_q.tasks import async_batch, async_chain, async_task, fetch
from tests.tasks import multiply, raise_error

pytestmark = pytest.mark.django_db(transaction=True)

#: The SDK's provider can be set once in a process.
EXPORTER = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))


@pytest.fixture(autouse=True)
def spans(conf: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list]]:
    """Trace tasks; gives the spans that have ended."""
    conf(context=["opentelemetry"])
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: PROVIDER)
    EXPORTER.clear()
    log_left_out.cache_clear()
    yield lambda: list(EXPORTER.get_finished_spans())
    EXPORTER.clear()


def of_kind(spans: list, kind: SpanKind) -> list:
    """Choose the spans of a kind."""
    return [span for span in spans if span.kind is kind]


def trace_ids(spans: list) -> set[int]:
    """Return the ids of the traces of spans."""
    return {span.context.trace_id for span in spans}


def fail_first() -> None:
    """Fail in a first attempt."""
    from django_q.tasks import current_task

    if current_task.attempt == 1:
        raise ValueError("the first attempt")


def note_hook(task: Any) -> None:
    """Make a span in a hook."""
    with trace.get_tracer("tests").start_as_current_span(f"hook of {task.name}"):
        pass


def make_inner_span() -> None:
    """Make a span in a task."""
    with trace.get_tracer("tests").start_as_current_span("inner"):
        pass


def test_a_task_runs_in_the_trace_of_its_caller(broker, run_all, spans):
    with trace.get_tracer("tests").start_as_current_span("request"):
        task_id = async_task(make_inner_span, task_name="one", broker=broker)
    run_all(broker)

    sent, request, inner, run = spans()
    assert [span.name for span in (sent, request, inner, run)] == [
        *("send test", "request", "inner", "process test")
    ]
    assert len(trace_ids(spans())) == 1
    assert sent.parent.span_id == request.context.span_id
    assert run.parent.span_id == sent.context.span_id
    assert inner.parent.span_id == run.context.span_id
    assert (sent.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    shared = {
        "messaging.system": "django_q",
        "messaging.destination.name": "test",
        "messaging.message.id": task_id,
        "code.function.name": f"{__name__}.make_inner_span",
        "django_q.task_name": "one",
    }
    assert dict(sent.attributes) == shared | {
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
    }
    assert dict(run.attributes) == shared | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "django_q.attempt": 1,
    }
    assert run.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("func", [raise_error, "tests.tasks.missing"])
def test_a_failure_is_the_status_of_its_span(broker, run_all, spans, func):
    task_id = async_task(func, broker=broker)
    run_all(broker)

    (run,) = of_kind(spans(), SpanKind.CONSUMER)
    exception = fetch(task_id).exception
    assert run.status.status_code is StatusCode.ERROR
    assert run.attributes["error.type"] == exception
    assert run.status.description.startswith(exception.rpartition(".")[2])
    (event,) = run.events
    assert event.attributes["exception.type"].endswith(exception.rpartition(".")[2])


def test_each_attempt_has_a_span_of_its_own_in_one_trace(broker, run_all, spans):
    async_task(fail_first, q_options={"retries": 1, "retry_delay": 0}, broker=broker)
    run_all(broker)

    runs = of_kind(spans(), SpanKind.CONSUMER)
    assert [span.attributes["django_q.attempt"] for span in runs] == [1, 2]
    assert [span.status.status_code for span in runs] == [StatusCode.ERROR, StatusCode.UNSET]
    assert len(trace_ids(spans())) == 1


def test_links_and_hooks_go_on_in_the_trace(broker, run_all, spans):
    async_chain([(multiply, (2, 3)), (multiply, (4, 5))], hook=note_hook, broker=broker)
    run_all(broker)

    assert len(of_kind(spans(), SpanKind.CONSUMER)) == 2
    assert [span for span in spans() if span.name.startswith("hook of")]
    assert len(trace_ids(spans())) == 1


def test_a_batch_is_one_send(broker, run_all, spans):
    ids = async_batch([(multiply, (2, 3)), (multiply, (4, 5))], broker=broker)
    run_all(broker)

    (sent,) = of_kind(spans(), SpanKind.PRODUCER)
    runs = of_kind(spans(), SpanKind.CONSUMER)
    assert sent.attributes["messaging.batch.message_count"] == 2
    assert {span.attributes["messaging.message.id"] for span in runs} == set(ids)
    assert {span.parent.span_id for span in runs} == {sent.context.span_id}


def test_tasks_that_run_inline_are_in_the_trace(spans):
    async_task(multiply, 2, 3, sync=True)

    run, sent = spans()
    assert run.parent.span_id == sent.context.span_id


def test_traces_end_with_their_tasks(broker, run_all, spans):
    async_task(multiply, 2, 3, broker=broker)
    async_task(multiply, 2, 3, broker=broker)
    run_all(broker)

    assert len(trace_ids(spans())) == 2
    assert tracing.current_ids() is None


def test_only_the_fields_of_the_trace_are_in_the_package(broker):
    async_task(multiply, 2, 3, broker=broker)

    (task,) = broker.list_tasks()
    (text,) = json.loads(SignedPackage.loads(task.payload)["context"]).values()
    assert [*json.loads(text)] == ["traceparent"]


def test_without_being_asked_for_nothing_is_imported_or_in_the_package(
    broker, run_all, spans, conf
):
    conf(context=[])
    tracing.api.cache_clear()
    with trace.get_tracer("tests").start_as_current_span("request"):
        async_task(multiply, 2, 3, broker=broker)
    (task,) = broker.list_tasks()
    run_all(broker)

    assert "context" not in SignedPackage.loads(task.payload)
    assert [span.name for span in spans()] == ["request"]
    assert tracing.api.cache_info().currsize == 0


def test_a_provider_that_raises_costs_a_task_nothing(broker, run_all, monkeypatch):
    task_id = async_task(multiply, 2, 3, broker=broker)
    monkeypatch.setattr(tracing, "tracer", lambda: 1 / 0)
    run_all(broker)

    assert fetch(task_id).result == 6


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the API not be there."""
    monkeypatch.setattr(tracing, "api", lambda module: None)


@pytest.mark.usefixtures("not_installed")
def test_tasks_run_where_the_api_is_not_installed(broker, run_all, caplog):
    task_id = async_task(multiply, 2, 3, broker=broker)
    run_all(broker)

    assert fetch(task_id).result == 6
    assert "pip install 'django-q[opentelemetry]'" in caplog.text


def test_the_check_says_what_to_install(monkeypatch):
    assert list(check_context("Q_CLUSTER['context']", ["opentelemetry"])) == []
    monkeypatch.setattr("django_q.checks.listed_names.find_spec", lambda name: None)

    (message,) = check_context("Q_CLUSTER['context']", ["opentelemetry"])

    assert (message.id, message.hint) == ("django_q.W007", "pip install 'django-q[opentelemetry]'")
