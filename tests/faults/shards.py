"""Which seeds run, and which part of them this process takes."""

from __future__ import annotations

import os
from typing import Any

#: How many seeds, as "20", or which, as "7-9"; without it a short selection runs.
SEEDS = "DJANGO_Q_FAULT_SEEDS"
#: Which part of the runs: "2/4" is the second of four.
SHARD = "DJANGO_Q_FAULT_SHARD"


def seeds() -> range:
    """List the seeds that were asked for."""
    first, _, last = os.environ.get(SEEDS, "1").rpartition("-")
    return range(int(first or 1), int(last) + 1)


def part(items: list[Any]) -> list[Any]:
    """Take this process' part of the tests: neighbours, which take as long, go to others."""
    index, _, count = os.environ.get(SHARD, "1/1").partition("/")
    names = sorted(item.nodeid for item in items)
    mine = set(names[int(index) - 1 :: int(count)])
    return [item for item in items if item.nodeid in mine]
