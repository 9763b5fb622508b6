"""The base of the commands by which people and scripts look at queues, and give orders."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand

from django_q.exceptions import BrokerUnavailable
from django_q.execution.time_limit import CallTimeout
from django_q.management.arguments import errors_of_command
from django_q.servers.connections import interruptible_psycopg2
from django_q.text.printable import MAX_TEXT_CHARACTERS, printable

#: Seconds in which a command that answers once must have ended: a server that hangs raises nothing.
COMMAND_SECONDS = 60.0
#: Exit codes as shells have them of programs that SIGPIPE, or Ctrl-C, has ended.
READER_GONE_CODE, INTERRUPTED_CODE = 141, 130


class OperatorCommand(BaseCommand):
    """Tells the errors of servers in a line, and ends without a word where its reader goes away."""

    #: The exit code after an error; another one where 1 says that nothing was found.
    error_code = 1

    def write_line(self, text: str) -> None:
        """Write a line; foreign text in it forges no other, and is nothing to the terminal."""
        self.stdout.write(printable(text, MAX_TEXT_CHARACTERS))

    def write_error(self, text: str) -> None:
        """Write what went wrong, as ``write_line`` does, where errors go."""
        self.stderr.write(printable(text, MAX_TEXT_CHARACTERS))

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        """Return how long it may take; None for one that goes on until somebody ends it."""
        return COMMAND_SECONDS

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command."""
        with (
            self.quiet_ends(),
            errors_of_command(self.error_code),
            time_limit(self.seconds_for(options)),
        ):
            try:
                return super().execute(*args, **options)
            finally:
                self.stdout.flush()  # not when Python ends: nobody would get its error there

    @contextmanager
    def quiet_ends(self) -> Iterator[None]:
        """Exit where Ctrl-C ends a block, or nobody reads its output any more, as ``head`` does.

        A caller in Python gets the error itself.
        """
        try:
            yield
        except (KeyboardInterrupt, BrokenPipeError) as error:
            if not self._called_from_command_line:
                raise
            if isinstance(error, KeyboardInterrupt):
                sys.exit(INTERRUPTED_CODE)
            # Python writes at its end what it could not write before.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(READER_GONE_CODE)


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Limit the time of a block, in the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    with (
        interruptible_psycopg2(),
        CallTimeout(seconds if is_main else None, BrokerUnavailable),
    ):
        yield
