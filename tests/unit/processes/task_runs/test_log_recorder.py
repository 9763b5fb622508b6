"""The recorder of a worker: what the task logs and prints that runs."""

from __future__ import annotations

import io
import logging
import os
import sys

import pytest

from django_q.exceptions import TimeoutException
from django_q.processes.task_runs.log_recorder import LogRecorder, make_recorder, record_text
from django_q.task_logs.ring import LogRing

logger = logging.getLogger("tests.recorded")


@pytest.fixture
def install(monkeypatch):
    """Install a recorder until the test ends; in the test, as pytest sets streams before it."""

    def install_one():
        monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        monkeypatch.setitem(vars(logging.getLogger("django-q")), "handle", lambda record: None)
        recorder = LogRecorder(LogRing(4096))
        recorder.install()
        return recorder

    return install_one


def package(**values):
    """Make as much of a package as is looked at."""
    return {"id": "abc", "attempt": 3, "func": "builtins.print", "args": (), "kwargs": {}, **values}


def test_what_is_logged_and_printed_is_recorded_while_a_task_runs(install):
    recorder = install()
    print("before")
    recorder.begin(package(), 5.0)
    logger.warning("one %s", 1)
    logging.getLogger("django-q").warning("two")
    print("three")
    print("four", file=sys.stderr)
    sys.stdout.writelines(["five\n", "six\n"])
    entry = recorder.end()
    print("after")

    lines = [line.partition(" WARNING ")[2] or line for line in entry.text.splitlines()]
    assert lines == ["tests.recorded: one 1", "django-q: two", "three", "four", "five", "six"]
    assert (entry.task_id, entry.attempt) == ("abc", 3)
    assert entry.worker
    assert sys.stdout.getvalue() == "before\nthree\nfive\nsix\nafter\n"


def test_a_task_that_says_nothing_has_no_log(install):
    recorder = install()
    recorder.begin(package(), 5.0)
    print("one")
    assert recorder.end()

    recorder.begin(package(), 6.0)

    assert recorder.end() is None


def test_what_a_handler_prints_of_a_record_is_not_recorded_twice(install):
    recorder = install()
    logger.propagate = False  # so that Python's last resort writes to standard error
    try:
        recorder.begin(package(), 5.0)
        logger.warning("once")
    finally:
        logger.propagate = True

    assert recorder.end().text.count("once") == 1
    assert sys.stderr.getvalue() == "once\n"


def test_secrets_are_dots(install):
    recorder = install()
    recorder.begin(package(kwargs={"token": "s3cr3t"}), 5.0)
    logger.warning("with %r", {"token": "s3cr3t"})
    print("s3cr3t")

    assert "s3cr3t" not in recorder.end().text


def test_a_secret_that_is_printed_in_pieces_is_dots(install):
    recorder = install()
    recorder.begin(package(kwargs={"token": "s3cr3tvalue"}), 5.0)
    for character in "a s3cr3tvalue b":
        sys.stdout.write(character)
    entry = recorder.end()

    assert "s3cr3tvalue" not in entry.text
    assert entry.length == len(entry.text.encode())


def in_forked_child(function):
    """Call a function in a forked child, as a task may."""
    if not (pid := os.fork()):
        try:
            function()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_secrets_are_dots_where_a_forked_child_has_logged_first(install):
    recorder = install()
    recorder.begin(package(kwargs={"token": "s3cr3t"}), 5.0)
    in_forked_child(lambda: print("child"))
    print("s3cr3t")

    text = recorder.end().text
    assert text.startswith("child")
    assert "s3cr3t" not in text


def test_a_child_of_an_earlier_task_takes_the_log_from_nobody(install):
    recorder = install()
    recorder.begin(package(), 6.0)
    print("one")

    def child():
        recorder.since, recorder.begun_since = 5.0, -1.0  # as it was when that was forked
        print("old")

    in_forked_child(child)
    print("two")

    assert recorder.end().text == "one\ntwo\n"


def test_streams_that_a_task_closes_or_replaces_are_whole_for_the_next(install):
    recorder = install()
    recorder.begin(package(), 5.0)
    with sys.stdout as stream:
        stream.write("one")
    sys.stdout.close()
    sys.stdout = sys.stderr = io.StringIO()
    recorder.end()

    recorder.begin(package(), 6.0)
    print("two")

    assert recorder.end().text == "two\n"
    assert sys.stdout.getvalue() == "onetwo\n"


def test_a_stream_that_is_closed_behind_the_recorded_one_raises_nothing(install):
    recorder = install()
    recorder.begin(package(), 5.0)
    sys.stdout.stream.close()
    print("one", flush=True)

    assert recorder.end().text == "one\n"


def test_what_can_not_be_written_disturbs_nobody(install):
    recorder = install()
    recorder.begin(package(id=None), 5.0)
    print("\udc80")
    recorder.ring.counter.close()
    print("nowhere")

    assert recorder.end() is None


def test_a_message_that_does_not_fit_its_arguments_is_written_with_them():
    record = logging.LogRecord("name", logging.INFO, "", 1, "%d", ("no number",), None)

    assert "no number" in record_text(record)


def test_what_is_to_end_the_task_is_raised_in_it(install, monkeypatch):
    recorder = install()

    def interrupt(data: bytes) -> None:
        raise TimeoutException("over")

    recorder.begin(package(), 5.0)
    monkeypatch.setattr(recorder.ring, "write", interrupt)

    with pytest.raises(TimeoutException):
        print("text")


def test_an_error_is_written_with_its_traceback_and_left_to_the_handlers():
    try:
        raise ValueError("broken")
    except ValueError:
        record = logging.LogRecord("name", logging.ERROR, "", 1, "text", None, sys.exc_info())

    assert record_text(record).endswith("ValueError: broken\n")
    assert record.exc_text is None


def test_a_process_without_a_standard_stream_prints_to_the_log_alone(install, monkeypatch):
    recorder = install()
    monkeypatch.setattr(sys.stdout, "stream", None)
    recorder.begin(package(), 5.0)

    print("text", flush=True)

    assert recorder.end().text == "text\n"


def test_no_recorder_is_made_without_a_ring():
    assert make_recorder(None) is None
