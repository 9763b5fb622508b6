"""Write metrics as text: OpenMetrics 1.0, or the older format of Prometheus.

https://prometheus.io/docs/specs/om/open_metrics_spec/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from django_q.metrics.exposition.families import COUNTER, INFO, MEASURE, Family

#: What a reader that wants OpenMetrics accepts.
OPENMETRICS_TYPE = "application/openmetrics-text"
CONTENT_TYPE = f"{OPENMETRICS_TYPE}; version=1.0.0; charset=utf-8"
OLDER_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
#: The older format knows no escaped quotation mark in a help text.
OLDER_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})
#: The most characters of the value of a label.
MAX_LABEL_LENGTH = 200


class Exposition(NamedTuple):
    """Metrics as they are sent."""

    content_type: str
    body: bytes


def exposition(families: Iterable[Family], accept: str = "") -> Exposition:
    """Write metrics in the format that a reader accepts.

    OpenMetrics unless its ``Accept`` header asks for plain text alone.
    """
    is_older = "text/plain" in accept and OPENMETRICS_TYPE not in accept
    lines = older_lines(families) if is_older else openmetrics_lines(families)
    text = "".join(f"{line}\n" for line in lines)
    return Exposition(OLDER_CONTENT_TYPE if is_older else CONTENT_TYPE, text.encode())


def openmetrics_lines(families: Iterable[Family]) -> Iterator[str]:
    """Write families as OpenMetrics, which ends with a line that says so."""
    for family in families:
        yield f"# TYPE {family.name} {family.kind}"
        if family.unit:
            yield f"# UNIT {family.name} {family.unit}"
        yield f"# HELP {family.name} {family.help.translate(ESCAPES)}"
        yield from sample_lines(family)
    yield "# EOF"


def older_lines(families: Iterable[Family]) -> Iterator[str]:
    """Write families in the older format, in which they have the names of their samples."""
    for family in families:
        yield f"# HELP {family.sample_name} {family.help.translate(OLDER_HELP_ESCAPES)}"
        yield f"# TYPE {family.sample_name} {COUNTER if family.kind == COUNTER else MEASURE}"
        yield from sample_lines(family)


def sample_lines(family: Family) -> Iterator[str]:
    """Write the samples of a family, which are the same in both formats."""
    for labels, value in family.samples:
        number = "1" if family.kind == INFO else number_text(value)
        yield f"{family.sample_name}{label_text(labels)} {number}"


def label_text(labels: Mapping[str, str]) -> str:
    """Write labels; empty without any."""
    pairs = (f'{name}="{label_value(value)}"' for name, value in labels.items())
    return f"{{{','.join(pairs)}}}" if labels else ""


def label_value(value: str) -> str:
    """Write the value of a label: escaped, not too long, and such that UTF-8 can carry it."""
    return value[:MAX_LABEL_LENGTH].encode(errors="replace").decode().translate(ESCAPES)


def number_text(value: float) -> str:
    """Write a number, a whole one without a point."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))
