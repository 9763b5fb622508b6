"""What an event of Sentry says of a task that has failed. Sentry's SDK is not imported for it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from django_q.caller_context.tracing import current_ids
from django_q.conf import Conf
from django_q.foreign_code.secret_arguments import (
    HIDDEN_VALUE,
    secret_arguments_of,
    with_hidden_arguments,
)
from django_q.task_logs.hidden_names import (
    hidden_keys,
    hide_values,
    is_hidden,
    parameter_names,
    secret_values,
)
from django_q.text.function_names import dotted_name
from django_q.text.representation import represent

#: Characters of the arguments at most.
MAX_ARGUMENTS = 2000
#: Parts of an event in which hidden values may stand.
TEXT_PARTS = ("exception", "threads", "logentry", "message", "extra", "breadcrumbs")


def sentry_scope(package: Mapping[str, Any]) -> AbstractContextManager:
    """Have the events that are sent in a block tell of a task; nothing where Sentry is not used."""
    sdk = sys.modules.get("sentry_sdk")
    return nullcontext() if sdk is None else TaskScope(sdk, package)


class TaskScope:
    """A scope of Sentry whose events tell of a task."""

    def __init__(self, sdk: Any, package: Mapping[str, Any]) -> None:
        self.scope, self.package = sdk.new_scope(), package

    def __enter__(self) -> None:
        self.scope.__enter__().add_event_processor(partial(describe_task, self.package))

    def __exit__(self, *error: Any) -> None:
        self.scope.__exit__(*error)


def describe_task(package: Mapping[str, Any], event: Any, hint: Any) -> Any:
    """Add to an event what failed, and in which trace; put dots in the place of what is hidden."""
    function = dotted_name(package["func"])
    hide_in_event(package, event)
    event["transaction"] = function
    event.setdefault("tags", {}).update({"task": package["name"], "task_function": function})
    contexts = event.setdefault("contexts", {})
    contexts["task"] = {
        "id": package["id"],
        "name": package["name"],
        "function": function,
        "queue": package.get("cluster") or Conf.CLUSTER_NAME,
        "attempt": package.get("attempt", 1),
        "arguments": shown_arguments(package),
    }
    if ids := current_ids():
        contexts["trace"] = {"trace_id": ids[0], "span_id": ids[1], "op": "queue.process"}
    return event


def shown_arguments(package: Mapping[str, Any]) -> str:
    """Write the arguments of a call, with dots in the place of what is hidden."""
    func, keys = package["func"], hidden_keys(secret_arguments_of(package["func"]))
    args, kwargs = with_hidden_arguments(func, package["args"], package["kwargs"])
    names = parameter_names(func)
    names += [""] * (len(args) - len(names))
    named = [*zip(names, args, strict=False)]
    shown = tuple(HIDDEN_VALUE if is_hidden(name, keys) else value for name, value in named)
    for name in kwargs:
        if is_hidden(name, keys):
            kwargs[name] = HIDDEN_VALUE
    text = represent((shown, kwargs), MAX_ARGUMENTS)
    return hide_values(text, secret_values(package))


def hide_in_event(package: Mapping[str, Any], event: dict[str, Any]) -> None:
    """Put dots in the place of hidden values in the texts of an event, and in its variables."""
    keys = hidden_keys(secret_arguments_of(package["func"]))
    values = secret_values(package)
    for part in TEXT_PARTS:
        if part in event:
            event[part] = with_dots(event[part], keys, values)


def with_dots(value: Any, keys: frozenset[str], values: list[str]) -> Any:
    """Copy what an event holds, with dots in the place of hidden values."""
    if isinstance(value, str):
        return hide_values(value, values)
    if isinstance(value, dict):
        return {
            key: str(HIDDEN_VALUE) if is_hidden(key, keys) else with_dots(each, keys, values)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [with_dots(each, keys, values) for each in value]
    return value
