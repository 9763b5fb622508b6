"""Sums of what the runs have left in ``DJANGO_Q_FAULT_FIGURES``: a table for the documentation.

python -m tests.faults.figures figures.jsonl
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.faults.invariants import Verdict

BROKERS = {
    "redis": "Redis",
    "sentinel": "Redis Sentinel",
    "sqlite": "SQLite",
    "postgres": "PostgreSQL",
    "mysql": "MariaDB",
}


def sums(lines: Iterable[str]) -> dict[str, dict[str, list[dict]]]:
    """Sort the runs by fault and broker."""
    found: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        run = json.loads(line)
        fault = run["fault"].partition(":")[0]  # tasks that misbehave are one row
        found[fault][run["broker"]].append(run)
    return found


def cell(runs: list[dict]) -> str:
    """Write what became of the tasks of some runs: lost / repeated of all."""
    if not runs:
        return ""
    tasks = sum(run["tasks"] for run in runs)
    lost = sum(len(run["lost"]) for run in runs)
    repeated = sum(run["repeated"] for run in runs)
    return f"**{lost}** / {repeated} of {tasks:,}"


def rows(lines: Iterable[str], texts: dict[str, str]) -> Iterator[list[str]]:
    """Write a row for each fault."""
    found = sums(lines)
    brokers = [kind for kind in BROKERS if any(kind in runs for runs in found.values())]
    yield ["What breaks", *(BROKERS[kind] for kind in brokers)]
    for fault, text in texts.items():
        if runs := found.get(fault):
            yield [text, *(cell(runs.get(kind, [])) for kind in brokers)]


def texts() -> dict[str, str]:
    """Say in a sentence what each fault breaks."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from tests.faults import (  # noqa: F401 - they register their faults
        failover,
        foreign,
        mixtures,
        outages,
        partitions,
        refusals,
    )
    from tests.faults.faults import FAULTS

    found = {name: fault.inject.__doc__ for name, fault in FAULTS.items()}
    return {**found, "task": "Run a task that misbehaves among the others, see below."}


def summary(lines: Iterable[str]) -> str:
    """Write what became of all tasks, in a sentence."""
    runs = [json.loads(line) for line in lines]
    lost = sum(len(run["lost"]) for run in runs)
    tasks, failed = sum(run["tasks"] for run in runs), sum(len(run["failed"]) for run in runs)
    longest = max((run["seconds"] for run in runs), default=0)
    text = f"In {len(runs):,} runs with {tasks:,} tasks **{lost} were lost**"
    text += f", and {failed} were saved as failures that are none."
    return f"{text} Once all was whole again, all were saved within {longest:.0f} seconds."


def table(lines: list[str]) -> str:
    """Write the table as reStructuredText, and above it what it comes to."""
    found = list(rows(lines, texts()))
    widths = " ".join(["30", *["14"] * (len(found[0]) - 1)])
    options = ["   :header-rows: 1", "   :class: names", f"   :widths: {widths}"]
    parts = [summary(lines), "", ".. list-table::", *options, ""]
    for row in found:
        parts += [f"   {'* -' if index == 0 else '  -'} {text}" for index, text in enumerate(row)]
    return "\n".join(part.rstrip() for part in parts)


def figures_file() -> Path | None:
    """Name the file to which each run's figures are added, where one is wanted."""
    path = os.environ.get("DJANGO_Q_FAULT_FIGURES")
    return Path(path) if path else None


def note_figures(fault: str, kind: str, seed: int, verdict: Verdict) -> None:
    """Add a run's figures to the file, one line of JSON."""
    if path := figures_file():
        row = {"fault": fault, "broker": kind, "seed": seed, **vars(verdict)}
        with open(path, "a") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ["DJANGO_Q_FAULT_FIGURES"]
    with open(path) as file:
        print(table(file.readlines()))
