"""The context of a caller in the package of a task: a text in JSON, as a plain option has.

A value that is neither text, number, truth value nor None is serialized by itself, so that one that
a worker can not read costs the task nothing else.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from django_q.caller_context.tracing import execute_in_span, is_traced
from django_q.caller_context.variables import NOT_SET, read_value, set_value
from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.signing import SERIALIZERS
from django_q.text.error_text import safe_repr
from django_q.wire.package import TaskPackage

#: Types whose values stand in the text as they are.
JSON_VALUE_TYPES = frozenset({str, int, float, bool, type(None)})


def add_caller_context(packages: Iterable[TaskPackage]) -> None:
    """Add what ``Q_CLUSTER['context']`` names to packages, as it is now; nothing where none is."""
    if text := caller_context():
        for package in packages:
            package["context"] = text


def caller_context() -> str:
    """Write the values that travel; an empty text without any. What can not is logged once."""
    values: dict[str, Any] = {}
    for name in Conf.CONTEXT:
        try:
            value = read_value(name)
            if value is not NOT_SET:
                values[name] = value if type(value) in JSON_VALUE_TYPES else [serialized(value)]
        except BaseException as error:  # whatever a value raises when it is serialized
            contain_error(error)
            log_left_out(name, "does not travel with tasks", safe_repr(error))
    return json.dumps(values, separators=(",", ":")) if values else ""


def execute_in_caller_context(
    execute: Callable[..., BaseException | None], package: TaskPackage, *args: Any
) -> BaseException | None:
    """Execute a task with what it has of its caller, and in a span where tasks are traced.

    To be called in a context of the task's own. Returns what ``execute`` returns.
    """
    if "context" in package:
        enter_caller_context(package["context"])
    if is_traced():
        return execute_in_span(execute, package, *args)
    return execute(package, *args)


def enter_caller_context(text: Any) -> None:
    """Set the values of a package in the current context, which is to be one of the task's own.

    Only those that ``Q_CLUSTER['context']`` names here: a package can not name others.
    """
    try:
        values = json.loads(text)
        names = [name for name in Conf.CONTEXT if name in values]
    except BaseException as error:
        contain_error(error)
        log_left_out("context", "of a task can not be read", safe_repr(error))
        return
    for name in names:
        try:
            value = values[name]
            set_value(name, deserialized(*value) if isinstance(value, list) else value)
        except BaseException as error:  # whatever its module, or the pickle of a value, raises
            contain_error(error)
            log_left_out(name, "is not set for a task", safe_repr(error))


def serialized(value: Any) -> str:
    """Serialize a value as the arguments of tasks are."""
    return b64encode(SERIALIZERS[Conf.SERIALIZER].dumps(value)).decode()


def deserialized(text: str) -> Any:
    """Read what ``serialized`` has written."""
    return SERIALIZERS[Conf.SERIALIZER].loads(b64decode(text))


@lru_cache(maxsize=256)
def log_left_out(name: str, what: str, reason: str) -> None:
    """Log, once for each name and reason, that a value is left out."""
    logger.warning("Q_CLUSTER['context']: '%s' %s: %s", name, what, reason)
