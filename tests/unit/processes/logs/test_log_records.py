"""Log records on their way to another process."""

from __future__ import annotations

import logging
import pickle
import sys
import threading

import pytest

from django_q.processes.logs.log_records import packed, unpacked


def record(message: object, *args: object, exc_info: object = None, **extra: object):
    """Make a record as a logger does."""
    return logging.getLogger("shop").makeRecord(
        "shop", logging.ERROR, __file__, 7, message, args, exc_info, "func", extra
    )


def sent(made: logging.LogRecord) -> logging.LogRecord:
    """Send a record to another process and back."""
    return unpacked(pickle.loads(pickle.dumps(packed(made))))


class Unreadable:
    """Can be pickled and not read again."""

    def __reduce__(self) -> tuple:
        return int, ("no number",)

    def __repr__(self) -> str:
        return "<unreadable>"


class TwoArguments(Exception):
    """Can not be read again: pickle gives it one argument."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def fail(kind: type[Exception], *args: object) -> tuple:
    """Raise and give what a logger gets."""
    try:
        try:
            raise LookupError("at first")
        except LookupError as error:
            raise kind(*args) from error
    except Exception:
        return sys.exc_info()


def test_a_message_keeps_its_plain_arguments():
    made = sent(record("%s of %d", "one", 2))

    assert (made.msg, made.args, made.getMessage()) == ("%s of %d", ("one", 2), "one of 2")


@pytest.mark.parametrize("value", [threading.Lock(), Unreadable(), {"a": 1}.keys(), object])
def test_a_message_with_other_arguments_arrives_as_text(value):
    made = record("about %r", value)

    assert sent(made).getMessage() == made.getMessage()


def test_a_message_that_does_not_fit_its_arguments_arrives():
    assert "too few" in sent(record("too few %s %s", object())).getMessage()


def test_what_a_record_carries_beside_arrives():
    made = sent(record("x", order={"id": 7}, lock=threading.Lock(), bad=Unreadable()))

    assert made.order == {"id": 7}
    assert made.lock.startswith("<unlocked")
    assert made.bad == "<unreadable>"
    assert made.process == record("x").process


@pytest.mark.parametrize(("kind", "args"), [(ValueError, ("b",)), (TwoArguments, ("b", "c"))])
def test_an_exception_arrives_with_its_tracebacks_and_its_cause(kind, args):
    made = record("failed", exc_info=fail(kind, *args))

    there = sent(made)

    assert there.exc_info[0].__name__ == kind.__name__
    text = logging.Formatter().formatException(there.exc_info)
    assert 'raise LookupError("at first")' in text
    assert "The above exception was the direct cause" in text
    assert text.count(f'File "{__file__}", line') == 2
    assert ", in fail" in text


def test_a_record_outside_of_an_except_block_has_no_exception():
    assert sent(record("x", exc_info=(None, None, None))).exc_info is None
