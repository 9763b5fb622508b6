"""JSON that any program reads: without NaN, infinity, and halves of characters."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any


def strict_json(value: Any, default: Callable[[Any], Any] = str, indent: int | None = None) -> str:
    """Write plain containers as JSON; ``default`` converts what JSON has no form for."""
    return json.dumps(json_value(value), default=default, indent=indent, allow_nan=False)


def json_value(value: Any) -> Any:
    """Copy plain containers: numbers that JSON does not have are None, texts can be encoded."""
    if isinstance(value, dict):
        return {json_value(key): json_value(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
