"""The benchmarks run, at a tiny size. What they measure is no matter of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.chart import Bar, Panel, draw
from tests.workspace import WORKSPACE

ROOT = Path(__file__).parent.parent

TINY = (
    "--repetitions=1 --tasks=60 --latency-tasks=3 --idle-seconds=0.2 --sizes=1000 --megabytes=0.01 "
    "--queued=60 --saved=0,60 --window=60 --settle=0.1 --delayed=60 --tracked=30 --rounds=2 "
    "--writers=2 --window-seconds=0.1 --pairs=1"
).split()

#: What each command tells in every configuration.
COLUMNS = {
    "drain": {"tasks/s", "run/s", "CPU us/task"},
    "enqueue": {"async_task/s", "async_batch/s"},
    "latency": {"p50 ms", "p95 ms", "p99 ms", "slowest ms"},
    "idle": {"CPU s"},
    "memory": {"RSS MiB", "processes"},
    "size": {"enqueue MB/s", "drain MB/s", "pipe MB/s"},
    "growth": {"tasks/s", "run/s", "CPU us/task"},
    "waiting": {"result p50 ms", "aresult p50 ms"},
    "options": {"enqueue/s", "batch/s", "enqueue us", "tasks/s", "CPU us/task", "server us"},
    "progress": {"task, seconds", "added by progress, %", "us a call"},
    "standing": {"enqueue/s", "enqueue us", "tasks/s", "CPU us/task", "server us"},
}


def run(module: str, *arguments: str) -> str:
    """Run a command of the benchmarks, with servers of its own; what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != WORKSPACE}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def measured(tmp_path: Path, module: str, *arguments: str) -> dict[str, Any]:
    """Run a command at a tiny size; what it wrote as JSON."""
    file = tmp_path / "outcome.json"
    run(module, *TINY, *arguments, "--json", str(file))
    return json.loads(file.read_text())


@pytest.mark.benchmarks
@pytest.mark.parametrize("name", COLUMNS)
def test_a_measure_tells_its_numbers_for_each_configuration(tmp_path, name):
    configurations = {"redis-none", "redis-sqlite"} if name == "growth" else {"redis-sqlite"}

    outcome = measured(tmp_path, f"benchmarks.{name}", f"--only={','.join(configurations)}")

    rows = outcome["medians"][name]
    assert {row["case"].split(",")[0] for row in rows} == configurations
    assert all(row["medians"].keys() >= COLUMNS[name] for row in rows)
    assert outcome["errors"] == []


@pytest.mark.benchmarks
@pytest.mark.parametrize("configuration", ["sqlite-sqlite", "postgres-postgres"])
def test_the_database_can_be_the_broker(tmp_path, configuration):
    outcome = measured(tmp_path, "benchmarks.drain", f"--only={configuration}")

    assert [row["case"] for row in outcome["medians"]["drain"]] == [configuration]


@pytest.mark.benchmarks
def test_tasks_with_options_are_compared_with_plain_ones(tmp_path):
    outcome = measured(tmp_path, "benchmarks.options", "--only=postgres-none")

    plain, *others = outcome["medians"]["options"]
    assert plain["case"] == "postgres-none, plain"
    assert plain["baseline_ratios"] == {}
    assert [row["case"].partition(", ")[2] for row in others] == [
        *("priority", "run_after", "unique", "track")
    ]
    assert all(row["baseline_ratios"]["tasks/s"] > 0 for row in others)


@pytest.mark.benchmarks
def test_commits_with_waiters_are_compared_with_those_without(tmp_path):
    outcome = measured(tmp_path, "benchmarks.committing", "--rounds=1")

    tasks, rows = outcome["medians"]["committing"]
    assert (tasks["case"], rows["case"]) == ("postgres-postgres, tasks", "postgres-postgres, rows")
    for call in ("result", "aresult"):
        for column in ("commits/s", "p50 ms", "p95 ms"):
            assert rows["medians"][f"{call} : alone, {column}"] > 0
    assert outcome["errors"] == []


@pytest.mark.benchmarks
def test_two_clusters_drain_a_queue_on_servers_of_each_kind(tmp_path):
    outcome = measured(tmp_path, "benchmarks.redis_servers", "--workers=1")

    one, *others = outcome["medians"]["redis_servers"]
    assert one["case"] == "redis-none, one cluster"
    assert len(others) == 4
    assert all(row["baseline_ratios"]["tasks/s"] > 0 for row in others)
    assert outcome["errors"] == []


@pytest.mark.benchmarks
@pytest.mark.parametrize(
    ("compared", "name"), [("--self", "same code"), (f"--against={ROOT}", f"checkout {ROOT.name}")]
)
def test_a_comparison_gives_the_ratio_beside_both_sides(tmp_path, compared, name):
    outcome = measured(tmp_path, "benchmarks.enqueue", "--only=redis-none", compared)

    rows = outcome["medians"]["enqueue"]
    assert [row["side"] for row in rows] == ["project", name, f"project / {name}"]
    assert rows[2]["medians"].keys() == COLUMNS["enqueue"]


@pytest.mark.benchmarks
def test_the_tables_and_the_chart_are_written_for_the_documentation(tmp_path):
    file = tmp_path / "figures.inc"

    printed = run("benchmarks.enqueue", *TINY, "--only=redis-none", "--rst", str(file))

    assert "redis-none" in printed
    assert ":file: figures.svg" in file.read_text()
    assert "     - async_batch/s" in file.read_text()
    ElementTree.parse(file.with_suffix(".svg"))


@pytest.mark.benchmarks
def test_the_pages_of_the_admin_are_timed():
    assert "search, none found" in run("benchmarks.admin_pages", "400")


@pytest.mark.benchmarks
def test_the_pages_of_the_dashboard_are_timed():
    assert "failures by kind" in run("benchmarks.dashboard_pages", "400")


@pytest.mark.benchmarks
def test_tables_are_migrated_while_somebody_writes():
    assert "the slowest write" in run("benchmarks.migrating", "400")


@pytest.mark.benchmarks
def test_tests_of_the_testing_kit_are_timed():
    assert "20 tests" in run("benchmarks.testing_kit", "20")


def test_the_chart_is_well_formed_and_names_other_sides():
    bars = [Bar("redis-none", "project", 2.0), Bar("redis-none", "<other>", 0.0)]

    drawing = ElementTree.fromstring(draw([Panel("Drain, tasks/s", bars)]))

    texts = [element.text for element in drawing.iter("text")]
    assert texts == ["Drain, tasks/s", "redis-none", "2", "0 <other>"]
