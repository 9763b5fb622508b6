"""The findings as text for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from django_q import __version__
from django_q.conf import Conf
from django_q.doctor.diagnosis import Diagnosis, Examined
from django_q.doctor.findings.finding import ERROR, LEVELS, NOTE, WARNING, Finding, counted
from django_q.text.printable import printable

#: Columns of a line at most, and at least.
MAX_LINE_WIDTH, MIN_LINE_WIDTH = 100, 40
#: Columns of the names of subjects.
NAME_WIDTH = 14
CURE_LABEL = "Cure: "
#: How a level is written, and the style of it for a terminal.
LEVEL_WORDS = {ERROR: "ERROR", WARNING: "WARNING", NOTE: "INFO"}


def title_line() -> str:
    """Write what is examined."""
    return f"django_q {__version__}: '{Conf.PREFIX}', queue '{Conf.CLUSTER_NAME}'"


def subject_line(examined: Examined) -> str:
    """Write how a subject is, in a line."""
    return f"  {examined.name:{NAME_WIDTH}}{subject_state(examined)}"


def subject_state(examined: Examined) -> str:
    """Write how a subject is, in some words."""
    if examined.skipped_for:
        return f"not examined: see {examined.skipped_for}"
    counts = ((level, sum(f.level == level for f in examined.findings)) for level in LEVELS[:2])
    return ", ".join(counted(number, level) for level, number in counts if number) or "ok"


def finding_lines(finding: Finding, width: int) -> Iterator[str]:
    """Write a finding: its id, what was found and what cures it."""
    yield f"{LEVEL_WORDS[finding.level]} {finding.id}"
    yield from wrapped(finding.found, "  ", "  ", width)
    if finding.cure:
        yield from wrapped(finding.cure, f"  {CURE_LABEL}", "  " + " " * len(CURE_LABEL), width)


def wrapped(text: str, first: str, further: str, width: int) -> list[str]:
    """Wrap a text; no control character of it reaches the terminal."""
    width = min(max(width, MIN_LINE_WIDTH), MAX_LINE_WIDTH)
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def summary_line(diagnosis: Diagnosis) -> str:
    """Write how many errors and warnings there are."""
    errors, warnings = diagnosis.count(ERROR), diagnosis.count(WARNING)
    if not errors and not warnings:
        return "Nothing is wrong."
    return f"{counted(errors, 'error')}, {counted(warnings, 'warning')}."
