"""The values of a finished task, each pickled on its own, on their way from a worker."""

from __future__ import annotations

import pickle
from typing import Any

from django_q.conf import Conf
from django_q.exceptions import contain_error
from django_q.results.rows import PICKLED_COLUMNS, PickledValue, as_json_value, json_value
from django_q.text.error_text import safe_repr
from django_q.wire.callables import recorded_name
from django_q.wire.package import TaskPackage

#: Values that most tasks have, pickled. In a batch of results each of them travels once.
PICKLED_EMPTY = {
    type(value): PickledValue(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    for value in (None, (), {})
}


def with_pickled_values(result: TaskPackage) -> TaskPackage:
    """Pickle the values of a package on their own, so that the monitor need not read them.

    What can not be pickled, such as arguments that the task changed, is sent as its ``repr``.
    """
    result = {**result}  # a receiver may have kept the package
    result["func"] = recorded_name(result["func"])
    encoded = as_json_value if "backend" in result else pickled
    for key in PICKLED_COLUMNS:
        result[key] = encoded(result[key])
    for key in ("hook", "chain"):
        value = result.get(key)
        if value is not None and not isinstance(value, str):
            result[key] = pickled(value)
    return result


def pickled(value: Any) -> PickledValue:
    """Pickle a value, or its ``repr``; as JSON if the serializer is ``json``."""
    if isinstance(value, PickledValue):
        return value
    if Conf.SERIALIZER == "json":
        return json_value(value)
    kind = type(value)
    if kind in PICKLED_EMPTY and not value:
        return PICKLED_EMPTY[kind]
    try:
        return PickledValue(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    except BaseException as error:
        contain_error(error)
        return PickledValue(pickle.dumps(safe_repr(value), pickle.HIGHEST_PROTOCOL))
