"""Record what the task of a worker logs and prints, into a ring that outlives the worker.

What records it never raises anything of its own, and does not wait. A thread of the task writes to
the same ring, and so does a forked child, until the next task of the worker has logged something.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from django_q.conf import Conf, logger
from django_q.exceptions import SoftTimeout, TaskInterruption
from django_q.execution.run_details import worker_name
from django_q.processes.logs.log_records import text_of
from django_q.task_logs.entry import LogEntry
from django_q.task_logs.hidden_names import hide_values, secret_values
from django_q.task_logs.ring import LogRing
from django_q.wire.package import TaskPackage


class LogRecorder:
    """Records what the task logs and prints that runs."""

    def __init__(self, ring: LogRing) -> None:
        self.ring = ring
        self.package: TaskPackage | None = None  # of the task that runs
        self.since = 0.0  # when that began, monotonic
        self.begun_since = -1.0  # which task the log was begun for by this process
        self.secrets: list[str] = []  # values of its arguments that nobody is to see
        self.stdout, self.stderr = sys.stdout, sys.stderr  # as each task is to find them
        self.begin_lock = threading.RLock()  # held while the log of a task begins
        self.inside = InsideHandlers()

    def install(self) -> None:
        """Record from now on what any logger of this process passes on, and what is printed."""
        logging.Logger.callHandlers = self.recording(logging.Logger.callHandlers)  # type: ignore[method-assign]
        if send := vars(logger).get("handle"):  # it passes its records on in another way
            own = self.recording(lambda _, record: send(record))
            logger.handle = lambda record: own(logger, record)  # type: ignore[method-assign]
        sys.stdout = self.stdout = RecordedStream(sys.stdout, self)  # type: ignore[assignment]
        sys.stderr = self.stderr = RecordedStream(sys.stderr, self)  # type: ignore[assignment]

    def begin(self, package: TaskPackage, since: float) -> None:
        """Note which task runs from now on, and when it began."""
        self.package, self.since = package, since

    def end(self) -> LogEntry | None:
        """Note that the task has ended. Returns its log; None where it has none."""
        self.package = None
        if sys.stdout is not self.stdout or sys.stderr is not self.stderr:
            sys.stdout, sys.stderr = self.stdout, self.stderr  # the next is to print as ever
        if not self.ring.is_of(self.since):  # the usual case
            return None
        try:
            entry = self.ring.read(self.since)
        except OSError:  # the task has closed all descriptors
            return None
        if entry:
            entry.queue, entry.worker = Conf.CLUSTER_NAME, worker_name()
            if self.begun_since == self.since:
                hide_pieces(entry, self.secrets)
        return entry

    def recording(self, hand_on: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """Make a method of loggers that records what it passes on to handlers.

        What a handler prints meanwhile is the record itself, and is not recorded again.
        """

        def call(self_: logging.Logger, record: logging.LogRecord) -> None:
            if self.package is None or self.inside.is_inside:
                hand_on(self_, record)
                return
            self.inside.is_inside = True
            try:
                self.write(record_text, record)
                hand_on(self_, record)
            finally:
                self.inside.is_inside = False

        return call

    def write_printed(self, text: Any) -> None:
        """Record what was printed."""
        if self.package is not None and type(text) is str and not self.inside.is_inside:
            self.write(str, text)

    def write(self, make_text: Callable[[Any], str], source: Any) -> None:
        """Record the text of something, with dots in the place of secrets."""
        try:
            if self.begun_since != self.since:
                self.begin_log()
            if self.package is not None and self.ring.is_of(self.since):
                text = hide_values(make_text(source), self.secrets)
                self.ring.write(text.encode(errors="backslashreplace"))
        except (TaskInterruption, SoftTimeout):  # raised by a Unix signal: it is for the task
            raise
        except BaseException:  # a log that can not be kept is no reason to disturb a task
            return

    def begin_log(self) -> None:
        """Begin the log of the task that runs, unless another thread has just done so.

        A forked child may have begun it: then this process knows its own secrets only from here on.
        """
        with self.begin_lock:
            package, since = self.package, self.since
            if package is None or self.begun_since == since or self.ring.is_of_later(since):
                return  # the last, in a child that an earlier task has forked
            self.secrets = secret_values(package)
            if not self.ring.is_of(since):
                begun = time.time() - (time.monotonic() - since)
                self.ring.begin(since, begun, package["id"], package.get("attempt", 1))
            self.begun_since = since


class InsideHandlers(threading.local):
    """Whether this thread is passing a record on to handlers."""

    is_inside = False


class RecordedStream:
    """A standard stream of the process, of which is recorded what is printed.

    A task may close it, also by ``with sys.stdout``: it stays open for the tasks that follow.
    """

    def __init__(self, stream: Any, recorder: LogRecorder) -> None:
        self.stream, self.recorder = stream, recorder

    def write(self, text: str) -> int:
        """Write and record a text."""
        self.recorder.write_printed(text)
        return self.stream.write(text) if self.is_writable else len(text)

    def writelines(self, lines: Any) -> None:
        """Write and record several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered."""
        if self.is_writable:
            self.stream.flush()

    def close(self) -> None:
        """Write what is buffered, and stay open."""
        self.flush()

    @property
    def is_writable(self) -> bool:
        """Whether there is a stream, which nobody has closed behind this one."""
        return self.stream is not None and not getattr(self.stream, "closed", False)

    def __enter__(self) -> RecordedStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def hide_pieces(entry: LogEntry, secrets: Iterable[str]) -> None:
    """Put dots in the place of secrets that were written in pieces."""
    hidden = hide_values(entry.text, secrets)
    if hidden != entry.text:
        entry.length += len(hidden.encode()) - len(entry.text.encode())
        entry.text = hidden


def record_text(record: logging.LogRecord) -> str:
    """Write a record as lines, in local time, without changing it for its handlers."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
    head = f"{moment},{int(record.msecs):03d} {record.levelname} {record.name}"
    lines = [f"{head}: {text_of(record)}\n"]
    if record.exc_info and record.exc_info[1] is not None:
        lines += traceback.format_exception(*record.exc_info)
    if record.stack_info:
        lines.append(f"{record.stack_info}\n")
    return "".join(lines)


def make_recorder(ring: LogRing | None) -> LogRecorder | None:
    """Make the recorder of a worker; None where no logs are kept."""
    return None if ring is None else LogRecorder(ring)
