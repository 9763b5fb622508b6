"""What others have a part in of our lines in the log: names, errors, results, tracebacks.

Made printable in one place, before any handler gets the line: see ``printable``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from django_q.exceptions import endure, safe_repr, safe_str
from django_q.text.printable import INDENT, LIMIT, LONG, Shown, paragraph, printable


class LineFilter(logging.Filter):
    """Makes the arguments and the traceback of a line printable; a filter of the logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let each record pass, changed where it must be."""
        args = record.args
        if isinstance(args, Mapping):
            record.args = {key: shown(value) for key, value in args.items()}
        elif args:
            record.args = tuple(map(shown, args))
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            # Formatters take this text, and do not make another.
            record.exc_text = INDENT + paragraph(trace_of(record.exc_info[1]))
        return True


def shown(value: Any) -> Any:
    """Give what a line shows of an argument."""
    if type(value) is str:
        return value if len(value) <= LIMIT and value.isprintable() else printable(value)
    if value is None or isinstance(value, (int, float, Shown)):
        return value
    return Argument(value)


class Argument:
    """Stands for a value whose ``str`` and ``repr`` are foreign code; asked if it is shown."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return printable(safe_str(self.value), LONG)

    def __repr__(self) -> str:
        return printable(safe_repr(self.value), LONG)


def trace_of(error: BaseException) -> str:
    """Write a traceback; the name of the error alone where its class does not let us."""
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except BaseException as broken:
        endure(broken)
        return f"{type(error).__name__}, whose text can not be had: {type(broken).__name__}"
