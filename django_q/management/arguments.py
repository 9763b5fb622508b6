"""Arguments, errors and exit codes of commands that are for scripts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from django_q.exceptions import DjangoQError
from django_q.text.error_text import error_summary

#: Exit codes as grep has them: nothing was found, and something is wrong.
NOTHING_FOUND_CODE, ERROR_CODE = 1, 2


def positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    """Make a reader of numbers above 0."""

    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not isfinite(number) or number <= 0:
            raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
        return number

    return read


@contextmanager
def errors_of_command() -> Iterator[None]:
    """Raise the errors of a block as those of a command, with ``ERROR_CODE``."""
    try:
        yield
    except (DjangoQError, DatabaseError) as error:
        text = str(error) if isinstance(error, DjangoQError) else error_summary(error)
        raise CommandError(text, returncode=ERROR_CODE) from error
