"""Of the figures of a period: the charts, and the rows of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from django_q.dashboard.charts.drawing import Frame, bars_of, chart, draw_frame, lines_of
from django_q.dashboard.charts.scales import CountScale, TimeScale
from django_q.dashboard.charts.texts import axis_text, short_time, step_texts
from django_q.dashboard.display import wrapping_path
from django_q.rollups.reading import Figures, summed
from django_q.rollups.row_format import OTHER_FUNCTIONS
from django_q.rollups.run_counts import RunCounts
from django_q.rollups.sketch import Sketch

#: The quantiles that are shown, and the classes of their lines.
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
QUANTILE_KINDS = [kind for _share, kind in QUANTILES]
#: Of no times.
NO_QUANTILES = (None,) * len(QUANTILES)

#: Seconds, by quantile; None for each where there are no times.
Quantiles = Sequence["float | None"]


class FigureRow(NamedTuple):
    """A row of a table."""

    #: Of a queue, a function, or a step of time.
    name: str
    shown_name: Any
    runs: int
    failed: int
    #: Seconds by quantile, and how they are written.
    wait: Quantiles
    run: Quantiles
    wait_text: str
    run_text: str


def figure_row(name: str, shown_name: Any, counts: RunCounts) -> FigureRow:
    """Make a row of what was counted."""
    wait, run = quantiles(counts.wait), quantiles(counts.run)
    texts = (" / ".join(map(short_time, times)) for times in (wait, run))
    return FigureRow(name, shown_name, counts.runs, counts.failed, wait, run, *texts)


def quantiles(sketch: Sketch) -> Quantiles:
    """Return the quantiles that are shown; None for each without any times."""
    return sketch.quantiles([share for share, _kind in QUANTILES]) or NO_QUANTILES


def step_rows(figures: Figures) -> list[FigureRow | None]:
    """Make a row of each step, or None where nothing has ended."""
    names = step_texts(map(figures.time_of, range(len(figures.steps))), figures.step)
    return [
        figure_row("", name, counts) if counts.runs else None
        for name, counts in zip(names, figures.steps, strict=True)
    ]


def rows_by(figures: Figures, part: int) -> list[FigureRow]:
    """List the queues, for ``part`` 0, or the functions, for 1: those with the most runs first."""
    found: dict[str, list[RunCounts]] = {}
    for key, counts in figures.by_function.items():
        found.setdefault(key[part], []).append(counts)
    rows = [figure_row(name, shown_name(name), summed(each)) for name, each in found.items()]
    return sorted(rows, key=lambda row: (-row.runs, row.name))


def shown_name(name: str) -> Any:
    """Show the name of a queue or of a function."""
    return _("Other functions") if name == OTHER_FUNCTIONS else wrapping_path(name)


def frame_of(
    figures: Figures, rows: Iterable[FigureRow | None], marks: Iterable[tuple[int, str]]
) -> Frame:
    """Make what the charts of a page share; ``rows`` are those of the steps."""
    return draw_frame(
        [axis_text(figures.time_of(index), figures.step) for index in range(len(figures.steps))],
        [hint(row) if row else "" for row in rows],
        [((at - figures.start) / figures.seconds, text) for at, text in marks],
    )


def hint(row: FigureRow) -> str:
    """Tell the figures of a step."""
    kinds = " / ".join(QUANTILE_KINDS)
    lines = (
        row.shown_name,
        _("%(number)d ended, %(failed)d failed") % {"number": row.runs, "failed": row.failed},
        f"{_('Waiting time')} {kinds}: {row.wait_text}",
        f"{_('Run time')} {kinds}: {row.run_text}",
    )
    return "\n".join(lines)


def count_chart(frame: Frame, kind: str, numbers: Sequence[int], title: Any) -> dict[str, Any]:
    """Draw the chart of numbers by step."""
    scale = CountScale(numbers)
    label = _("%(title)s: %(number)d, at most %(most)d in a step") % {
        **{"title": title, "number": sum(numbers)},
        "most": max(numbers, default=0),
    }
    plot = bars_of(kind, [scale.share(number) for number in numbers])
    return {"title": title, "image": chart(frame, scale.grid(), plot, label)}


def time_chart(
    frame: Frame, steps: Sequence[Quantiles], total: Quantiles, title: Any
) -> dict[str, Any]:
    """Draw the chart of the quantiles of times by step; ``total`` are those of all steps."""
    lines = list(zip(QUANTILE_KINDS, zip(*steps, strict=True), strict=True))
    scale = TimeScale(time for times in steps for time in times if time is not None)
    texts = zip(QUANTILE_KINDS, map(short_time, total), strict=True)
    label = f"{title}: {', '.join(' '.join(pair) for pair in texts)}"
    shares = [(kind, [t and scale.share(t) for t in times]) for kind, times in lines]
    image = chart(frame, scale.grid(), lines_of(shares), label)
    return {"title": title, "image": image, "lines": QUANTILE_KINDS}
