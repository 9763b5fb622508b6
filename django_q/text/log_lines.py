"""Make foreign text in log lines printable: names, errors, results, tracebacks.

In one place, before any handler gets the line: see ``printable``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from django_q.exceptions import contain_error
from django_q.text.error_text import safe_repr, safe_str
from django_q.text.printable import (
    CONTINUATION_INDENT,
    MAX_NAME_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    PrintableText,
    printable,
    printable_paragraph,
)


class PrintableLogFilter(logging.Filter):
    """A filter of the logger that makes the arguments and the traceback of a line printable."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where that is needed, and let it pass."""
        args = record.args
        if isinstance(args, Mapping):
            record.args = {key: printable_argument(value) for key, value in args.items()}
        elif args:
            record.args = tuple(map(printable_argument, args))
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            # Formatters use this text if it is set.
            record.exc_text = CONTINUATION_INDENT + printable_paragraph(
                format_traceback(record.exc_info[1])
            )
        return True


def printable_argument(value: Any) -> Any:
    """Return an argument as the line shows it: cut, escaped, or wrapped until it is formatted."""
    if type(value) is str:
        return (
            value if len(value) <= MAX_NAME_CHARACTERS and value.isprintable() else printable(value)
        )
    if value is None or isinstance(value, (int, float, PrintableText)):
        return value
    return LazyArgument(value)


class LazyArgument:
    """A value whose ``str`` and ``repr`` are foreign code, called when the line is formatted."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __str__(self) -> str:
        return printable(safe_str(self.value), MAX_TEXT_CHARACTERS)

    def __repr__(self) -> str:
        return printable(safe_repr(self.value), MAX_TEXT_CHARACTERS)


def format_traceback(error: BaseException) -> str:
    """Format a traceback; where the error's class raises meanwhile, return only its name."""
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except BaseException as broken:
        contain_error(broken)
        return f"{type(error).__name__}, whose text can not be had: {type(broken).__name__}"
