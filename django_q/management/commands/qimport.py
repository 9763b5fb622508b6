"""The ``qimport`` command."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_q.importing import celery_beat, huey_tasks, rq_cron, rq_scheduler
from django_q.importing.found import Finder, FoundSchedule, NotImportable
from django_q.management.operator_command import OperatorCommand

SOURCES: dict[str, Finder] = {
    "celery-beat": celery_beat.find,
    "rq-cron": rq_cron.find,
    "rq-scheduler": rq_scheduler.find,
    "huey": huey_tasks.find,
}


class Command(OperatorCommand):
    """Makes schedules of those that another task queue has."""

    help = "Imports the schedules of another task queue. Those that are there already stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", choices=SOURCES, help="Where they are.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would be imported."
        )
        parser.add_argument(
            "--redis",
            default="redis://127.0.0.1:6379/0",
            metavar="URL",
            help="The server of RQ, or of RQ Scheduler.",
        )

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None  # there may be many

    def handle(self, *args: Any, **options: Any) -> None:
        find, source = SOURCES[options["source"]], options["source"]
        if source in ("rq-cron", "rq-scheduler"):
            find = partial(find, options["redis"])
        try:
            found = list(find())
        except (ImportError, RuntimeError) as error:
            raise CommandError(f"The schedules of {source} can not be read: {error}") from error
        for each in found:
            self.report(each, options["dry_run"])
        self.write_line(f"{len(found)} schedules were found.")

    def report(self, each: FoundSchedule | tuple[str, NotImportable], is_rehearsal: bool) -> None:
        """Store a schedule, and say what became of it."""
        if not isinstance(each, FoundSchedule):
            self.write_error("{}: left out: {}".format(*each))
            return
        try:
            became = each.store(is_rehearsal)
        except NotImportable as error:
            self.write_error(f"{each.name}: left out: {error}")
            return
        self.write_line(f"{each.name}: {became}")
        for note in each.notes:
            self.write_line(f"  {note}")
