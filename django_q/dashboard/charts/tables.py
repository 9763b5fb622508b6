"""Rows of the tables of figures, written at once: a template takes ten times as long for each."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_q.dashboard.charts.figures import FigureRow

TABLE_ROW = (
    '<tr><th scope="row">{}</th><td data-title="{}" class="dash-number">{}</td>'
    '<td data-title="{}" class="dash-number{}">{}</td>'
    '<td data-title="{}" class="dash-number">{}</td>'
    '<td data-title="{}" class="dash-number">{}</td></tr>'
)


def table_rows(rows: Iterable[tuple[FigureRow, str]]) -> SafeString:
    """Write rows, each with the address that its name is a link to, or an empty text."""
    ended, failed = _("Ended"), _("Failed runs")
    wait, run = _("Waiting time"), _("Run time")
    cells = (
        (
            format_html('<a href="{}">{}</a>', address, row.shown_name) if address
            else row.shown_name,
            *(ended, localize(row.runs)),
            *(failed, " dash-error" if row.failed else "", localize(row.failed)),
            *(wait, row.wait_text, run, row.run_text),
        )
        for row, address in rows
    )  # fmt: skip
    return format_html_join("\n", TABLE_ROW, cells)
