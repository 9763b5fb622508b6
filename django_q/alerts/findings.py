"""Look for what the rules of ``Q_CLUSTER["alerts"]`` describe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from django_q.alerts.failure_rate import failure_findings
from django_q.alerts.finding import Finding
from django_q.alerts.rules import (
    DEPTH,
    FAILURE_RATE,
    NO_WORKER,
    SCHEDULE_MISSED,
    WAITING_TIME,
    AlertRules,
)
from django_q.alerts.time_limit import alert_time_limit
from django_q.brokers.base import Broker
from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.models import Schedule
from django_q.status import Stat
from django_q.text.error_text import error_summary
from django_q.unfinished.queues import QueueState, queue_states

#: Seconds that the broker may take to answer, and the database.
LOOK_SECONDS = 10.0
#: Schedules that are looked at, those that were due first.
MAX_MISSED_SCHEDULES = 100
#: The rules that ask the broker.
QUEUE_RULES = (WAITING_TIME, DEPTH, NO_WORKER)


class Findings:
    """What was found, and which rules could be evaluated."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        #: Of the others nobody knows whether what they found before is over.
        self.evaluated: set[str] = set()
        self.failed: list[str] = []  # rules that could not be evaluated

    def note_failure(self, names: Sequence[str], error: BaseException) -> None:
        """Note that rules could not be evaluated, and why."""
        contain_error(error)
        self.failed += names
        text = "alerts can not be evaluated (%s): %s"
        logger.warning(text, ", ".join(names), error_summary(error))


def look(rules: AlertRules, broker: Broker, now: datetime) -> Findings:
    """Evaluate each rule that is set. Never raises for a store that is away."""
    findings = Findings()
    queue_rules = [name for name in QUEUE_RULES if name in rules.names]
    if queue_rules:
        try:
            with alert_time_limit(LOOK_SECONDS):
                findings.found += queue_findings(rules, broker)
            findings.evaluated |= set(queue_rules)
        except Exception as error:  # each driver has its own classes of errors
            findings.note_failure(queue_rules, error)
            if NO_WORKER in queue_rules:
                text = f"The broker does not answer: {error_summary(error)}"
                findings.found.append(Finding(NO_WORKER, "", text))
    for name, find in ((FAILURE_RATE, find_failures), (SCHEDULE_MISSED, find_missed)):
        if name in rules.names:
            try:
                with alert_time_limit(LOOK_SECONDS):
                    findings.found += find(rules, now)
                findings.evaluated.add(name)
            except Exception as error:
                findings.note_failure([name], error)
    return findings


def queue_findings(rules: AlertRules, broker: Broker) -> list[Finding]:
    """Evaluate the rules of queues: for that of the broker, and all others that have tasks."""
    stats = Stat.get_all(broker)
    states = queue_states(broker, stats)
    found = [each for state in states for each in state_findings(rules, state)]
    if NO_WORKER in rules.names:
        found += worker_findings(states, stats)
    return found


def state_findings(rules: AlertRules, state: QueueState) -> Iterator[Finding]:
    """Find whether a queue of this project has too many tasks, or has one that waits too long."""
    if state.is_served is None:  # of another project
        return
    oldest, limit = state.counts.oldest, rules.limit(WAITING_TIME, state.name)
    if limit is not None and oldest is not None and oldest > limit:
        text = (
            f"A task waits in the queue '{state.name}' for {oldest:.0f} seconds, above {limit:g}."
        )
        yield Finding(WAITING_TIME, state.name, text, round(oldest, 1))
    waiting, limit = state.counts.waiting, rules.limit(DEPTH, state.name)
    if limit is not None and waiting > limit:
        text = f"{waiting} tasks wait in the queue '{state.name}', above {limit:g}."
        yield Finding(DEPTH, state.name, text, waiting)


def worker_findings(states: Sequence[QueueState], stats: Sequence[Stat]) -> Iterator[Finding]:
    """Find whether no cluster is alive, and which queues have tasks that no cluster takes."""
    if all(stat.status == Conf.STOPPED for stat in stats):
        yield Finding(NO_WORKER, "", "No cluster is alive.")
    for state in states:
        if state.is_served is False and any(state.counts[:3]):
            text = f"The queue '{state.name}' has tasks, and no cluster serves it."
            yield Finding(NO_WORKER, state.name, text)


def find_failures(rules: AlertRules, now: datetime) -> list[Finding]:
    """Evaluate the rule of failures."""
    return list(failure_findings(rules.table(FAILURE_RATE), now))


def find_missed(rules: AlertRules, now: datetime) -> list[Finding]:
    """Find schedules whose due time has passed, and those that were paused by an error."""
    seconds = rules.options[SCHEDULE_MISSED]
    overdue = Q(paused=False, next_run__lt=now - timedelta(seconds=seconds)) & ~Q(repeats=0)
    refused = Q(paused=True, pause_reason=None, error__gt="")
    rows = Schedule.objects.filter(overdue | refused).order_by("next_run")
    columns = rows.values_list("pk", "name", "func", "next_run", "paused")
    return [missed_finding(*row, now) for row in columns[:MAX_MISSED_SCHEDULES]]


def missed_finding(
    pk: int, name: str, func: str, due: datetime | None, paused: bool, now: datetime
) -> Finding:
    """Say what is wrong with a schedule."""
    label = f"The schedule {name or f'#{pk}'} [{func}]"
    if paused or due is None:
        return Finding(SCHEDULE_MISSED, str(pk), f"{label} was paused because of an error.")
    late = (now - due).total_seconds()
    text = f"{label} was due {late:.0f} seconds ago, and has not run."
    return Finding(SCHEDULE_MISSED, str(pk), text, round(late, 1))
