"""What the library has its cluster do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath

from django.conf import settings

from django_q.models import Schedule
from django_q.tasks import async_chain, async_iter, async_task, schedule
from library.tasks import pictures, sources, texts

#: Pixels across a thumbnail.
THUMBNAIL = 320


@dataclass
class Errands:
    """What was asked for, and how it should end."""

    #: Tasks that should succeed, by id.
    good: set[str] = field(default_factory=set)
    #: Tasks that should fail, by id.
    bad: set[str] = field(default_factory=set)
    #: How many tasks should succeed, by their group.
    groups: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.good) + len(self.bad) + sum(self.groups.values())


def run_all() -> Errands:
    """Enqueue one of each kind."""
    errands = Errands()
    errands.good.update(count_all_words())
    errands.good.add(async_iter("library.tasks.count_code", sources()))
    errands.good.add(make_thumbnails())
    errands.groups[draw_sources()] = 2
    errands.groups[schedule_fingerprint()] = 1
    errands.bad.update(ask_too_much())
    return errands


def count_all_words() -> list[str]:
    """Have each text counted by a task of its own, whose hook puts the result on record."""
    hook = "library.hooks.file_report"
    return [
        async_task("library.tasks.count_words", path, hook=hook, group="words") for path in texts()
    ]


def make_thumbnails() -> str:
    """Have the documentation's pictures made small, as parts of one task."""
    calls = [(path, f"small-{PurePath(path).name}", THUMBNAIL) for path in pictures()]
    return async_iter("library.tasks.make_thumbnail", calls)


def draw_sources() -> str:
    """Draw a chart and, when that is done, a thumbnail of it."""
    chart = (settings.DATA / "chart.png").relative_to(settings.PROJECT)
    return async_chain(
        [
            ("library.tasks.draw_chart", ("django_q", chart.name)),
            ("library.tasks.make_thumbnail", (chart.as_posix(), "small-chart.png", THUMBNAIL)),
        ]
    )


def schedule_fingerprint() -> str:
    """Have the sources hashed now and then each hour."""
    name = "fingerprint of the sources"
    func = "library.tasks.fingerprint"
    schedule(func, "django_q", name=name, schedule_type=Schedule.HOURLY)
    return name


def ask_too_much() -> list[str]:
    """Ask for what has to fail, to see how that looks."""
    return [
        async_task("library.tasks.count_words", "no-such-text.rst"),
        async_task("library.tasks.look_for_an_odd_perfect_number", timeout=1),
    ]
