"""Sums of what the runs have left in ``DJANGO_Q_FAULT_FIGURES``: a table for the documentation.

python -m tests.faults.figures figures.jsonl
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

#: A row: fault, broker, runs, tasks, lost, repeated, of these without a crash, slowest run.
HEADINGS = ("Fault", "Broker", "Runs", "Tasks", "Lost", "Repeated", "Slowest")


def rows(lines: Iterable[str]) -> Iterator[tuple]:
    """Sum up the runs of each fault on each broker."""
    groups: dict[tuple, list[dict]] = defaultdict(list)
    for line in lines:
        run = json.loads(line)
        groups[run["fault"], run["broker"]].append(run)
    for (fault, broker), runs in groups.items():
        yield (
            fault,
            broker,
            len(runs),
            sum(run["tasks"] for run in runs),
            sum(len(run["lost"]) for run in runs),
            sum(run["repeated"] for run in runs),
            f"{max(run['seconds'] for run in runs):.1f} s",
        )


def table(lines: Iterable[str]) -> str:
    """Write the table as reStructuredText."""
    parts = [".. list-table::", "   :header-rows: 1", ""]
    for row in (HEADINGS, *rows(lines)):
        parts += [f"   {'* -' if index == 0 else '  -'} {cell}" for index, cell in enumerate(row)]
    return "\n".join(parts)


if __name__ == "__main__":
    path = sys.argv[1] if len(sys.argv) > 1 else os.environ["DJANGO_Q_FAULT_FIGURES"]
    with open(path) as file:
        print(table(file))
