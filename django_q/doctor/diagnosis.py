"""Examine all subjects, each within a time limit: what raises, or hangs, is a finding as well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, NamedTuple

from django.db import connections

from django_q import __version__
from django_q.conf import Conf
from django_q.doctor.findings.finding import ERROR, LEVELS, WARNING, Finding, error
from django_q.doctor.subjects import (
    broker_reply,
    clocks,
    clusters,
    databases,
    dead_letters,
    queues,
    redis_server,
    schedules,
    settings_in_force,
    source_files,
)
from django_q.servers.advice import advice_about
from django_q.text.error_text import error_summary

#: Seconds that a subject may take. Longer than a server has for its reply.
SUBJECT_SECONDS = 15.0
#: Findings after which the subjects that need the same server would only say the same again.
BLOCKING_IDS = {
    "broker-unreachable",
    "broker-refuses",
    "database-unreachable",
    "migrations-missing",
    "subject-failed",
    "subject-slow",
}


class Subject(NamedTuple):
    """Something to be examined."""

    name: str
    examine: Callable[[], Iterable[Finding]]
    #: The names of subjects without whose servers there is nothing to see.
    needs: tuple[str, ...] = ()


SUBJECTS = (
    Subject("settings", settings_in_force.examine),
    Subject("databases", databases.examine),
    Subject("broker", broker_reply.examine),
    Subject("redis", redis_server.examine, ("broker",)),
    Subject("clocks", clocks.examine, ("broker", "databases")),
    Subject("clusters", clusters.examine, ("broker",)),
    Subject("code", source_files.examine, ("broker",)),
    Subject("queues", queues.examine, ("broker",)),
    Subject("dead letters", dead_letters.examine, ("broker",)),
    Subject("schedules", schedules.examine, ("broker", "databases")),
)


@dataclass
class Examined:
    """A subject, and what was found."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    #: The subject whose findings keep this one from being examined; empty where it was.
    skipped_for: str = ""

    @property
    def is_blocked(self) -> bool:
        """Whether there is nothing to see behind it."""
        return any(finding.id in BLOCKING_IDS for finding in self.findings)


@dataclass
class Diagnosis:
    """All that was found."""

    examined: list[Examined]

    @property
    def findings(self) -> list[Finding]:
        """All findings, the worst first."""
        found = [finding for each in self.examined for finding in each.findings]
        return sorted(found, key=lambda finding: LEVELS.index(finding.level))

    def count(self, level: str) -> int:
        """Count the findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    def exit_code(self, is_strict: bool = False) -> int:
        """Return 1 if there is an error, or a warning where these count as well; else 0."""
        return int(bool(self.count(ERROR) or (is_strict and self.count(WARNING))))

    def as_dict(self) -> dict[str, Any]:
        """Return it in a form that JSON can carry."""
        return {
            "version": __version__,
            "name": Conf.PREFIX,
            "queue": Conf.CLUSTER_NAME,
            **{f"{level}s": self.count(level) for level in (ERROR, WARNING)},
            "subjects": [
                {
                    "name": each.name,
                    "seconds": round(each.seconds, 3),
                    "skipped_for": each.skipped_for or None,
                    "findings": [vars(finding) for finding in each.findings],
                }
                for each in self.examined
            ],
        }


def diagnose(
    subjects: Sequence[Subject] = SUBJECTS,
    seconds: float = SUBJECT_SECONDS,
    report: Callable[[Examined], object] = lambda examined: None,
) -> Diagnosis:
    """Examine subjects in turn; each for so many seconds at most. Never raises for what it finds.

    ``report`` is called with each as soon as it is examined.
    """
    done: dict[str, Examined] = {}
    for subject in subjects:
        blocked = [
            name
            for name in subject.needs
            if name in done and (done[name].is_blocked or done[name].skipped_for)
        ]
        if blocked:
            examined = Examined(subject.name, skipped_for=blocked[0])
        else:
            examined = examine_within(subject, seconds)
        done[subject.name] = examined
        report(examined)
    return Diagnosis(list(done.values()))


def examine_within(subject: Subject, seconds: float) -> Examined:
    """Examine a subject in a thread, as a server that hangs can not be interrupted elsewhere."""
    future: Future = Future()
    began = time.monotonic()
    # A daemon: the process may end although it hangs.
    Thread(target=fill, args=(future, subject.examine), daemon=True).start()
    examined = Examined(subject.name)
    if not wait([future], seconds).done:
        examined.findings = [too_slow(subject.name, seconds)]
    elif failure := future.exception():
        examined.findings = [failed(subject.name, failure)]
    else:
        examined.findings = future.result()
    examined.seconds = time.monotonic() - began
    return examined


def fill(future: Future, examine: Callable[[], Iterable[Finding]]) -> None:
    """Set the result of a future; the body of the thread."""
    found: list[Finding] = []
    try:
        found += examine()
    except BaseException as failure:  # raised nowhere: it becomes a finding
        future.set_exception(failure)
    else:
        future.set_result(found)
    finally:
        connections.close_all()  # those of this thread


def too_slow(name: str, seconds: float) -> Finding:
    """Make the finding of a subject that takes too long."""
    text = f"The {name} could not be examined within {seconds:g} seconds: a server hangs."
    return error("subject-slow", text, "Look at the load and the log of the server.")


def failed(name: str, failure: BaseException) -> Finding:
    """Make the finding of a subject that raises."""
    text = f"The {name} could not be examined. {error_summary(failure)}"
    cure = advice_about(failure) or "What the error says may be a fault of django_q: report it."
    return error("subject-failed", text, cure)
