"""Arguments, errors and exit codes of commands that are for scripts."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from django_q.exceptions import DjangoQError
from django_q.servers.advice import with_advice
from django_q.servers.connections import redis_errors
from django_q.text.error_text import error_summary
from django_q.text.printable import MAX_TEXT_CHARACTERS, printable

#: Exit codes as grep has them: nothing was found, and something is wrong.
NOTHING_FOUND_CODE, ERROR_CODE = 1, 2
MAX_TCP_PORT = 65535


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


def tcp_port(text: str) -> int:
    """Read the number of a TCP port."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
    if not 0 < number <= MAX_TCP_PORT:
        expected = f"expected a TCP port from 1 to {MAX_TCP_PORT}"
        raise argparse.ArgumentTypeError(f"{expected}, got {text!r}")
    return number


@contextmanager
def errors_of_command(exit_code: int = ERROR_CODE) -> Iterator[None]:
    """Raise the errors of a block, and those of servers, as those of a command."""
    try:
        yield
    except (DjangoQError, DatabaseError, *redis_errors()) as error:
        text = str(error) if isinstance(error, DjangoQError) else error_summary(error)
        raise CommandError(
            printable(with_advice(text, error), MAX_TEXT_CHARACTERS), returncode=exit_code
        ) from error
