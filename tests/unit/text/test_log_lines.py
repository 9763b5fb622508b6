"""Log lines hold printable text alone."""

from __future__ import annotations

import logging

import pytest

from django_q.conf import logger
from django_q.text.printable import CONTINUATION_INDENT
from tests.foreign import Unspeakable


@pytest.mark.parametrize("level", ["info", "error"])
def test_the_log_shows_no_argument_as_it_is(caplog, level):
    caplog.set_level(logging.INFO)

    getattr(logger, level)("a %s and %r of %s", "n\nforged", ValueError("x\ny"), Unspeakable())

    assert caplog.messages == [
        "a n\\nforged and ValueError('x\\ny') of <tests.foreign.Unspeakable>"
    ]


def test_the_log_takes_numbers_and_tables_of_arguments(caplog):
    logger.error("%d, %.1f and %s", 3, 1.25, None)
    logger.error("%(name)s", {"name": "a\nb"})

    assert caplog.messages == ["3, 1.2 and None", "a\\nb"]


@pytest.mark.parametrize("error", [ValueError("text\n12:00 [Q] INFO forged"), Unspeakable()])
def test_a_traceback_in_the_log_forges_no_line(caplog, error):
    try:
        raise error
    except ValueError:
        logger.exception("it failed")

    first, *others = caplog.text.rstrip().split("\n")
    assert "it failed" in first
    assert "Traceback" in others[0]
    assert all(line.startswith(CONTINUATION_INDENT) for line in others)
