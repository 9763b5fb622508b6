"""Finished packages as they are kept in the cache, where anybody may have put anything.

A result says in what is signed that it is one, so that nothing else that was signed passes for it.
Clusters of the predecessors, and of the first releases, do not say so: theirs are told by their
shape, which is looked at before anything in them is made.
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

#: What a package has only once it has ended.
OUTCOME_KEYS = ("result", "success", "stopped")


def write(package: Mapping[str, Any]) -> str:
    """Sign a finished package as such."""
    return SignedPackage.dumps(package, purpose=RESULT_MARK)


def read(value: Any, task_id: str) -> TaskPackage | None:
    """Read the finished package of a task; None for what is none, or that of another task."""
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
    """Read what does not say that it is a result. Raises ``PackageError`` where it is none."""
    looks = json.loads(data) if Conf.SERIALIZER == "json" else pickle_preview.read(data)
    if not isinstance(looks, dict) or any(key not in looks for key in OUTCOME_KEYS):
        raise PackageError("It is no result of a task.")
    return SERIALIZERS[Conf.SERIALIZER].loads(data)


def is_finished(package: Mapping[str, Any], task_id: str) -> bool:
    """Whether a package is that of a task, and has what a ``Task`` is made of."""
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
    """Whether a value names something that can be called, or can be called itself."""
    return isinstance(value, str) or callable(value)
