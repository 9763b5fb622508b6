"""The ``qdoctor`` command."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from django.core.management.base import CommandParser

from django_q.doctor import text_report
from django_q.doctor.diagnosis import SUBJECT_SECONDS, Diagnosis, Examined, diagnose
from django_q.doctor.findings.finding import ERROR, NOTE, WARNING
from django_q.management.arguments import positive
from django_q.management.operator_command import OperatorCommand
from django_q.text.strict_json import strict_json


class Command(OperatorCommand):
    """Examines settings, servers, clusters, queues and schedules, and says what to do."""

    help = (
        "Finds what is wrong with settings, broker, databases, clusters, queues and schedules, "
        "with a cure for each. Exits with 1 if there is an error, else with 0."
    )
    requires_system_checks = []  # it runs those of this app, and goes on after an error

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print everything as JSON.")
        parser.add_argument(
            "--strict", action="store_true", help="Exit with 1 if there is a warning, too."
        )
        parser.add_argument(
            "--timeout",
            type=positive(float),
            default=SUBJECT_SECONDS,
            metavar="SECONDS",
            help="How long each subject may take; %(default)g.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"]:
            diagnosis = diagnose(seconds=options["timeout"])
            self.stdout.write(strict_json(diagnosis.as_dict(), indent=2))
        else:
            self.stdout.write(text_report.title_line())
            diagnosis = diagnose(seconds=options["timeout"], report=self.write_subject)
            self.write_findings(diagnosis)
        if code := diagnosis.exit_code(options["strict"]):
            sys.exit(code)

    def seconds_for(self, options: dict[str, Any]) -> float | None:
        return None  # each subject has its own time

    def write_subject(self, examined: Examined) -> None:
        """Write the line of a subject at once: the next one may take seconds."""
        self.stdout.write(text_report.subject_line(examined))
        self.stdout.flush()

    def write_findings(self, diagnosis: Diagnosis) -> None:
        """Write all findings, the worst first."""
        styles = {ERROR: self.style.ERROR, WARNING: self.style.WARNING, NOTE: self.style.NOTICE}
        for finding in diagnosis.findings:
            first, *lines = text_report.finding_lines(finding, shutil.get_terminal_size().columns)
            self.stdout.write("\n" + styles[finding.level](first))
            for line in lines:
                self.stdout.write(line)
        self.stdout.write("\n" + text_report.summary_line(diagnosis))
