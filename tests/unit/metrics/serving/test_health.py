"""What is told of the processes of a cluster, and when that is a reason to start it again."""

from __future__ import annotations

import pytest

from django_q.metrics.serving.health import DEAD_SECONDS, FUTILE_SECONDS, RESTART_SECONDS, Health
from django_q.processes.shared_state.process_table import FAILED_START_SECONDS, ProcessTable
from django_q.processes.supervision.process_start import MAIN_ROLES

CHILDREN = ("monitor", "worker-1", "worker-2", "pusher")
BEGIN = 1000.0


class Clock:
    """A monotonic clock that a test sets."""

    now = BEGIN

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Have the tables use a clock that stands still."""
    made = Clock()
    for module in ("process_table", "liveness"):
        monkeypatch.setattr(f"django_q.processes.shared_state.{module}.time", made)
    return made


@pytest.fixture
def health(clock):
    """All processes have run for an hour."""
    made = Health(ProcessTable(MAIN_ROLES), ProcessTable(CHILDREN), clock.monotonic)
    for table in (made.main, made.children):
        for pid, entry in enumerate(table.entries, 11):
            entry.note_start(pid)
    pass_seconds(clock, health=made, seconds=3600)
    return made


def pass_seconds(clock, health, seconds):
    """Let time pass in which the main process and the sentinel go round."""
    clock.now += seconds
    health.main.liveness.beat()
    health.children.liveness.beat()


def test_processes_that_run_are_no_problem(health):
    assert health.fatal_problems() == health.problems() == []
    assert health.lines()[0] == "sentinel        11  running for 3600 s"


def test_a_process_that_ended_once_is_shown_and_is_no_problem(health, clock):
    health.children.entry("pusher").note_end(-9, failed_starts=0)
    pass_seconds(clock, health, 3)

    assert health.fatal_problems() == health.problems() == []
    assert (
        health.lines()[-1] == "pusher           -  missing for 3 s, the latest one ended by SIGKILL"
    )


def test_a_successor_counts_when_it_has_not_failed_to_start(health, clock):
    pusher = health.children.entry("pusher")
    pusher.note_end(1, failed_starts=0)
    pass_seconds(clock, health, 1)

    pusher.note_start(99)
    assert "99  starting for 1 s" in health.lines()[-1]
    pass_seconds(clock, health, FAILED_START_SECONDS)

    assert health.lines()[-1] == "pusher          99  running for 5 s"


@pytest.mark.parametrize("exit_code", [1, -9])
@pytest.mark.parametrize("role", ["pusher", "monitor"])
def test_one_that_fails_to_start_makes_a_cluster_not_ready(health, clock, role, exit_code):
    entry = health.children.entry(role)
    for failed_starts in range(3):
        entry.note_end(exit_code, failed_starts)

    pass_seconds(clock, health, 0.5)

    assert [text.split(" has run")[0] for text in health.problems()] == [f"No {role}"]
    assert health.fatal_problems() == []


def test_one_worker_is_enough(health, clock):
    first, second = (health.children.entry(f"worker-{number}") for number in (1, 2))
    first.note_end(1, failed_starts=0)
    pass_seconds(clock, health, RESTART_SECONDS + 1)
    assert health.problems() == []

    second.note_end(-9, failed_starts=0)
    pass_seconds(clock, health, RESTART_SECONDS + 1)

    assert health.problems() == [
        "No worker has run for 11 seconds, the latest one ended by SIGKILL."
    ]


@pytest.mark.parametrize("role", ["pusher", "monitor"])
def test_a_process_that_is_killed_each_time_is_a_reason_to_start_again(health, clock, role):
    health.children.entry(role).note_end(-9, failed_starts=0)
    pass_seconds(clock, health, FUTILE_SECONDS)
    health.children.entry(role).note_end(-9, failed_starts=14)
    assert health.fatal_problems() == []

    pass_seconds(clock, health, 1)

    assert health.fatal_problems() == [
        f"No {role} has run for 301 seconds, 14 failed starts, the latest one ended by SIGKILL."
    ]


def test_an_error_of_its_own_is_never_a_reason_to_start_again(health, clock):
    health.children.entry("pusher").note_end(1, failed_starts=14)
    pass_seconds(clock, health, 10 * FUTILE_SECONDS)

    assert health.fatal_problems() == []
    assert "exit code 1" in health.problems()[0]


def test_a_sentinel_that_does_not_stay_is_a_reason_to_start_again(health, clock):
    sentinel = health.main.entry("sentinel")
    sentinel.note_end(-9, failed_starts=0)
    pass_seconds(clock, health, DEAD_SECONDS)
    sentinel.note_start(99)
    sentinel.note_end(1, failed_starts=1)
    assert health.fatal_problems() == []

    pass_seconds(clock, health, 1)

    assert health.fatal_problems() == [
        "No sentinel has run for 61 seconds, the latest one ended with exit code 1."
    ]


def test_processes_are_missing_since_the_sentinel_that_had_them(health, clock):
    health.children.change_owner()
    pass_seconds(clock, health, RESTART_SECONDS)
    health.children.entry("pusher").note_start(98)
    health.children.change_owner()
    pass_seconds(clock, health, 1)

    assert health.lines()[-1] == "pusher           -  missing for 11 s"


@pytest.mark.parametrize("name", ["main", "children"])
def test_a_supervisor_that_stands_still_is_a_reason_to_start_again(health, clock, name):
    other = health.children if name == "main" else health.main
    clock.now += DEAD_SECONDS + 1
    other.liveness.beat()

    (text,) = health.fatal_problems()

    assert text.endswith("has stood still for 61 seconds.")


def test_what_stops_is_not_missing(health, clock):
    health.children.entry("pusher").note_end(0, failed_starts=0, is_needed=False)
    pass_seconds(clock, health, 10 * FUTILE_SECONDS)

    assert health.fatal_problems() == health.problems() == []
    assert health.lines()[-1] == "pusher           -  stopped"
