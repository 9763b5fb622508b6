"""The last hour in small charts, for the overview."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from django_q.dashboard.charts.texts import short_time
from django_q.dashboard.failures.bars import bars
from django_q.rollups.reading import PERIODS, read_figures, summed
from django_q.rollups.sketch import Sketch

#: Steps of a minute that make a bar.
MINUTES_OF_A_BAR = 2
#: The quantile of times that is shown.
SHOWN_QUANTILE = 0.95


def last_hour(now: float) -> list[dict[str, Any]]:
    """Draw the hour before ``now``, in seconds since the epoch; empty where nothing has ended."""
    steps = read_figures(PERIODS["hour"], now).steps
    groups = [
        summed(steps[start : start + MINUTES_OF_A_BAR])
        for start in range(0, len(steps), MINUTES_OF_A_BAR)
    ]
    total = summed(groups)
    if not total.runs:
        return []
    return [
        spark(_("Ended"), str(total.runs), [each.runs for each in groups]),
        spark(_("Failed runs"), str(total.failed), [each.failed for each in groups], "failed"),
        time_spark(_("Waiting time, p95"), total.wait, [each.wait for each in groups]),
        time_spark(_("Run time, p95"), total.run, [each.run for each in groups]),
    ]


def spark(title: str, value: str, numbers: list[int], kind: str = "runs") -> dict[str, Any]:
    """Make a figure with its bars."""
    label = _("%(title)s in the last hour: %(value)s") % {"title": title, "value": value}
    return {"title": title, "value": value, "image": bars(numbers, label), "kind": kind}


def time_spark(title: str, total: Sketch, sketches: list[Sketch]) -> dict[str, Any]:
    """Make the figure of a quantile, its bars in milliseconds."""
    times = [each.quantile(SHOWN_QUANTILE) or 0 for each in sketches]
    value = short_time(total.quantile(SHOWN_QUANTILE))
    return spark(title, value, [round(1000 * seconds) for seconds in times])
