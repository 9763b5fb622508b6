"""The format of finished packages in the cache, whose values anybody may have written.

The signed data of a result has a mark, so that no other signed data is taken for a result.
Clusters of the predecessors, and of the first releases, write no mark: their results are
recognised by their keys, which are read before any object in them is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any

from django.utils.dateparse import parse_datetime

from django_q.conf import Conf
from django_q.exceptions import PackageError
from django_q.models import pickle_preview
from django_q.signing import RESULT_MARK, SERIALIZERS, BadSignature, SignedPackage, is_result
from django_q.wire.package import TaskPackage

#: Keys that a package has only when its task has ended.
OUTCOME_KEYS = ("result", "success", "stopped")


def write(package: Mapping[str, Any]) -> str:
    """Sign a finished package, with the mark of a result."""
    return SignedPackage.dumps(package, purpose=RESULT_MARK)


def read(value: Any, task_id: str) -> TaskPackage | None:
    """Read the finished package of a task; None where the value is none, or of another task."""
    if not isinstance(value, (str, bytes)):
        return None
    try:
        package = SignedPackage.loads(value, None if is_result(value) else read_unmarked)
    except (BadSignature, PackageError):
        return None
    if not isinstance(package, dict):
        return None
    if isinstance(package.get("stopped"), str):  # the serializer is JSON
        package["stopped"] = parse_datetime(package["stopped"])
    return package if is_finished(package, task_id) else None  # type: ignore[return-value]


def read_unmarked(data: bytes) -> Any:
    """Read signed data without a mark. Raises ``PackageError`` where it is no result."""
    preview = json.loads(data) if Conf.SERIALIZER == "json" else pickle_preview.read(data)
    if not isinstance(preview, dict) or any(key not in preview for key in OUTCOME_KEYS):
        raise PackageError("It is no result of a task.")
    return SERIALIZERS[Conf.SERIALIZER].loads(data)


def is_finished(package: Mapping[str, Any], task_id: str) -> bool:
    """Return True if a package is of this task, and has every value that a ``Task`` needs."""
    names = [package.get(key) for key in ("cluster", "hook")]
    return (
        package.get("id") == task_id
        and all(key in package for key in (*OUTCOME_KEYS, "args", "kwargs"))
        and isinstance(package["success"], bool)
        and all(isinstance(package.get(key), datetime) for key in ("started", "stopped"))
        and isinstance(package.get("name"), str)
        and is_callable_or_name(package.get("func"))
        and isinstance(package.get("group"), (str, int, NoneType))
        and all(name is None or is_callable_or_name(name) for name in names)
    )


def is_callable_or_name(value: Any) -> bool:
    """Return True if a value is a callable, or a text that may be the name of one."""
    return isinstance(value, str) or callable(value)
