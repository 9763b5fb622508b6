"""The tasks and schedules that the library enqueues."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath

from django.conf import settings

from django_q.models import Schedule
from django_q.tasks import async_chain, async_iter, async_task, schedule
from library.tasks import pictures, sources, texts

#: Pixels across a thumbnail.
THUMBNAIL_WIDTH = 320


@dataclass
class ExpectedOutcomes:
    """What was asked for, and how it should end."""

    #: Tasks that should succeed, by id.
    succeeding: set[str] = field(default_factory=set)
    #: Tasks that should fail, by id.
    failing: set[str] = field(default_factory=set)
    #: How many tasks should succeed, by their group.
    groups: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.succeeding) + len(self.failing) + sum(self.groups.values())


def enqueue_all() -> ExpectedOutcomes:
    """Enqueue one of each kind."""
    expected = ExpectedOutcomes()
    expected.succeeding.update(count_all_words())
    expected.succeeding.add(async_iter("library.tasks.count_code", sources()))
    expected.succeeding.add(make_thumbnails())
    expected.groups[draw_sources()] = 2
    expected.groups[schedule_fingerprint()] = 1
    expected.failing.update(enqueue_failing_tasks())
    return expected


def count_all_words() -> list[str]:
    """Have each text counted by a task of its own, whose hook puts the result on record."""
    hook = "library.hooks.file_report"
    return [
        async_task("library.tasks.count_words", path, hook=hook, group="words") for path in texts()
    ]


def make_thumbnails() -> str:
    """Have the documentation's pictures made small, as parts of one task."""
    calls = [(path, f"small-{PurePath(path).name}", THUMBNAIL_WIDTH) for path in pictures()]
    return async_iter("library.tasks.make_thumbnail", calls)


def draw_sources() -> str:
    """Draw a chart and, when that is done, a thumbnail of it."""
    chart = (settings.DATA / "chart.png").relative_to(settings.PROJECT)
    return async_chain(
        [
            ("library.tasks.draw_chart", ("django_q", chart.name)),
            (
                "library.tasks.make_thumbnail",
                (chart.as_posix(), "small-chart.png", THUMBNAIL_WIDTH),
            ),
        ]
    )


def schedule_fingerprint() -> str:
    """Have the sources hashed now and then each hour."""
    name = "fingerprint of the sources"
    func = "library.tasks.fingerprint"
    schedule(func, "django_q", name=name, schedule_type=Schedule.HOURLY)
    return name


def enqueue_failing_tasks() -> list[str]:
    """Ask for what has to fail, to see how that looks."""
    return [
        async_task("library.tasks.count_words", "no-such-text.rst"),
        async_task("library.tasks.look_for_an_odd_perfect_number", timeout=1),
    ]
