"""The page of charts: what ended within an hour, a day, a week or a month, and how long it took."""

from __future__ import annotations

import time
from typing import Any

from django.http import HttpRequest
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from django_q.conf import Conf
from django_q.dashboard.access import VIEW_TASKS
from django_q.dashboard.charts.figures import (
    NO_QUANTILES,
    FigureRow,
    count_chart,
    frame_of,
    quantiles,
    rows_by,
    step_rows,
    time_chart,
)
from django_q.dashboard.charts.tables import table_rows
from django_q.dashboard.charts.texts import local_time, short_time
from django_q.dashboard.display import near_time
from django_q.dashboard.page import Page
from django_q.rollups.reading import PERIODS, Figures, read_figures, read_marks, summed
from django_q.rollups.row_format import printed
from django_q.rollups.run_counts import MAX_COUNTED_NAME

#: The periods, as the page names them.
PERIOD_TITLES = {
    "hour": pgettext_lazy("period", "Hour"),
    "day": pgettext_lazy("period", "Day"),
    "week": pgettext_lazy("period", "Week"),
    "month": pgettext_lazy("period", "Month"),
}
#: Marks of deploys that are drawn at most, the latest.
MAX_DRAWN_MARKS = 30


class ChartsPage(Page):
    """Throughput, failures, waiting and run time, by queue and by function."""

    template_name = "django_q/dashboard/charts.html"
    title = gettext_lazy("Charts")
    section = "charts"
    permissions = VIEW_TASKS

    def content(self, request: HttpRequest, **parts: Any) -> dict[str, Any]:
        """Read and draw the period, the queue and the function that are asked for."""
        chosen = chosen_values(request)
        figures = read_figures(
            PERIODS[chosen["period"]], time.time(), chosen["queue"], chosen["func"]
        )
        queues, functions = rows_by(figures, 0), rows_by(figures, 1)
        return {
            "chosen": chosen,
            "periods": period_links(chosen),
            "queues": [row.name for row in queues],
            "functions": [row.name for row in functions],
            "queue_rows": linked_rows(queues, chosen, "queue"),
            "function_rows": linked_rows(functions, chosen, "func"),
            "titles": titles(),
            "unit": _("in %(time)s") % {"time": short_time(figures.step).replace(".0 ", " ")},
            "is_off": not Conf.ROLLUPS,
            **drawn(figures),
        }


def titles() -> dict[str, str]:
    """Name the tables and their first columns."""
    return {
        "queues": _("By queue"),
        "queue": _("Queue"),
        "functions": _("By function"),
        "function": _("Function"),
        "numbers": _("The numbers of the charts"),
        "step": _("From"),
    }


def chosen_values(request: HttpRequest) -> dict[str, str]:
    """Read what is asked for; what is no period is an hour."""
    period = request.GET.get("period", "")
    names = {key: printed(request.GET.get(key, "")[:MAX_COUNTED_NAME]) for key in ("queue", "func")}
    return {"period": period if period in PERIODS else "hour", **names}


def period_links(chosen: dict[str, str]) -> list[dict[str, Any]]:
    """List the periods, with their addresses."""
    return [
        {
            "title": title,
            "address": address(chosen, period=name),
            "is_chosen": name == chosen["period"],
        }
        for name, title in PERIOD_TITLES.items()
    ]


def linked_rows(rows: list[FigureRow], chosen: dict[str, str], key: str) -> SafeString:
    """Write the rows of a table with the addresses of the charts of their queues or functions."""
    return table_rows((row, address(chosen, **{key: row.name})) for row in rows)


def address(chosen: dict[str, str], **changes: str) -> str:
    """Make the address of the page with other choices."""
    return "?" + urlencode({key: value for key, value in {**chosen, **changes}.items() if value})


def drawn(figures: Figures) -> dict[str, Any]:
    """Draw the charts, and list what they show."""
    marks = read_marks(figures.start)[-MAX_DRAWN_MARKS:]
    rows, total = step_rows(figures), summed(figures.steps)
    frame = frame_of(figures, rows, marks)
    steps = figures.steps
    wait, run = ([getattr(row, name, NO_QUANTILES) for row in rows] for name in ("wait", "run"))
    return {
        "charts": [
            count_chart(frame, "runs", [each.runs for each in steps], _("Ended")),
            count_chart(frame, "failed", [each.failed for each in steps], _("Failed runs")),
            time_chart(frame, wait, quantiles(total.wait), _("Waiting time")),
            time_chart(frame, run, quantiles(total.run), _("Run time")),
        ],
        "step_rows": table_rows((row, "") for row in reversed(rows) if row),
        "marks": [(near_time(local_time(at)), text) for at, text in marks],
    }
