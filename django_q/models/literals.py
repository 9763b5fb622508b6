"""Arguments written as text: the ``args`` and ``kwargs`` of a schedule. Nothing is evaluated."""

from __future__ import annotations

import ast
import keyword
from typing import Any


def parse_args(text: str | None) -> tuple:
    """Read positional arguments: ``1, 'two'``, or a single value.

    Raises ValueError when the text is anything but literals.
    """
    if not (text or "").strip():
        return ()
    value = literal(text, "args")
    return value if isinstance(value, tuple) else (value,)


def parse_kwargs(text: str | None) -> dict[str, Any]:
    """Read keyword arguments: ``{'a': 1}``, or ``a=1, b='two'``.

    Raises ValueError when the text is anything but literals.
    """
    if not (text or "").strip():
        return {}
    if text.lstrip().startswith("{"):
        value = literal(text, "kwargs")
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        raise ValueError(f"kwargs must be a dictionary whose keys are strings, got {text!r}.")
    return keywords(text)


def keywords(text: str) -> dict[str, Any]:
    """Read ``a=1, b='two'``, as it stands between the parentheses of a call."""
    try:
        call = ast.parse(f"f({text.strip()})", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise refused(text, "kwargs", "a=1, b='two'") from error
    named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    if not named or call.args or not all(k.arg for k in call.keywords):
        raise refused(text, "kwargs", "a=1, b='two'")
    return {k.arg: literal(k.value, "kwargs", text) for k in call.keywords}


def literal(source: str | ast.expr, what: str, text: str | None = None) -> Any:
    """Read one Python literal, or raise ValueError that shows the text it came from."""
    try:
        return ast.literal_eval(source.strip() if isinstance(source, str) else source)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise refused(text or source, what, "1, 'two', [3, 4.5], None") from error


def refused(text: Any, what: str, example: str) -> ValueError:
    """Say what was expected."""
    return ValueError(f"{what} must be Python literals such as {example}; got {text!r}.")


def is_name(text: Any) -> bool:
    """Tell whether the text can name an argument of a function."""
    return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)
