"""Events of Sentry for tasks that fail: made by its SDK, and kept in a list instead of sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from django_q.execution import execution
from django_q.foreign_code.error_reporting import ErrorReporter
from django_q.tasks import async_task, task

pytestmark = pytest.mark.django_db(transaction=True)

DOTS = "\N{BULLET}" * 6
EVENTS: list[dict] = []


class ListTransport(Transport):
    """Keeps events in a list."""

    def capture_envelope(self, envelope: Any) -> None:
        """Keep an event."""
        if event := envelope.get_event():
            EVENTS.append(event)


class Reporter:
    """Reports as the plug-in for Sentry does: in a scope of its own, below that of its caller."""

    def report(self) -> None:
        """Report what is being handled."""
        with sentry_sdk.new_scope():
            sentry_sdk.capture_exception()


@pytest.fixture(autouse=True)
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict]]:
    """Use Sentry; gives its events."""
    monkeypatch.setattr(execution, "error_reporter", ErrorReporter([Reporter()]))
    sentry_sdk.init(
        dsn="https://key@example.org/1",
        transport=ListTransport,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    EVENTS.clear()
    yield EVENTS
    sentry_sdk.get_global_scope().set_client(None)


@task(secret=("pin",))
def charge(customer: int, pin: str, **options: Any) -> None:
    """Fail with a secret in the text."""
    raise ValueError(f"the pin {pin} of {customer} is wrong")


def run(broker: Any, run_all: Any) -> str:
    """Have a task fail."""
    given = {"card_number": "4111-1111", "nested": {"token": "abcdefgh"}, "copies": 2}
    task_id = async_task(charge, 17, "98765", **given, task_name="spring", broker=broker)
    run_all(broker)
    return task_id


def test_an_event_has_name_function_and_arguments_of_its_task(broker, run_all, conf, events):
    conf(hide=["card_number"])

    task_id = run(broker, run_all)

    (event,) = events
    assert event["contexts"]["task"] == {
        "id": task_id,
        "name": "spring",
        "function": f"{__name__}.charge",
        "queue": "test",
        "attempt": 1,
        "arguments": f"((17, {DOTS}), {{'card_number': {DOTS}, 'nested': {{'token': '{DOTS}'}}, "
        "'copies': 2})",
    }
    assert event["transaction"] == f"{__name__}.charge"
    assert event["tags"]["task"] == "spring"
    assert event["exception"]["values"][0]["value"] == f"the pin {DOTS} of 17 is wrong"


def test_no_hidden_value_is_anywhere_in_an_event(broker, run_all, conf, events):
    conf(hide=["card_number"])

    run(broker, run_all)

    text = json.dumps(events, default=repr)
    assert [value for value in ("98765", "4111-1111", "abcdefgh") if value in text] == []
    frames = events[0]["exception"]["values"][0]["stacktrace"]["frames"]
    assert frames[-1]["vars"]["pin"] == DOTS
    assert frames[-1]["vars"]["customer"] == "17"


def test_an_event_is_in_the_trace_of_its_task(broker, run_all, conf, events):
    conf(context=["opentelemetry"])

    from opentelemetry import context, trace

    place = trace.SpanContext(0xABC, 0xDEF, is_remote=True)
    span = trace.set_span_in_context(trace.NonRecordingSpan(place))
    token = context.attach(span)
    run(broker, run_all)
    context.detach(token)

    assert events[0]["contexts"]["trace"]["trace_id"] == f"{0xABC:032x}"


def test_what_comes_after_a_task_does_not_tell_of_it(broker, run_all, events):
    run(broker, run_all)
    sentry_sdk.capture_message("something else")

    assert "task" not in events[-1]["contexts"]


def test_an_event_tells_of_arguments_that_no_parameter_has_a_name_for(broker, run_all, events):
    async_task("tests.tasks.missing", 1, 2, broker=broker)
    run_all(broker)

    assert events[0]["contexts"]["task"]["arguments"] == "((1, 2), {})"
