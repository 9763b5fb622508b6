"""A long run: mixed load with recycling, a schedule and kills, and what it costs over time.

    python -m tests.faults.soak [seconds] [broker]

Prints memory and descriptors of each kind of process from time to time. Fails where they grow, or
where anything is lost or left.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import django
import psutil

#: Tasks of a round, and seconds over which they are enqueued.
ROUND, SPREAD = 400, 8
#: Seconds between two samples.
SAMPLE = 5
#: How much the highest of the last third may exceed the highest of the second: the first is for
#: warming up. Megabytes and descriptors, beside a tenth. A successor that is forked later inherits
#: some descriptors more.
GROWTH = {"memory": 6.0, "descriptors": 20}


def measure(cluster: Any, samples: dict) -> None:
    """Note what each process uses now, by its role."""
    for process in cluster.processes():
        try:
            words = " ".join(process.cmdline()).split()
            role = words[1].partition("-")[0] if words[:1] == ["qcluster"] else "other"
            samples[role, "memory"].append(process.memory_info().rss / 2**20)
            samples[role, "descriptors"].append(process.num_fds())
        except (psutil.Error, IndexError):
            continue


def grown(samples: dict[tuple[str, str], list[float]]) -> list[str]:
    """Say what grew: the last third of its samples against the second."""
    found = []
    for (role, what), values in samples.items():
        third = len(values) // 3
        if role == "other" or third < 3:
            continue
        before, after = max(values[third : 2 * third]), max(values[2 * third :])
        if after > before * 1.1 + GROWTH[what]:
            found.append(f"{what} of {role}: {before:.1f} to {after:.1f}")
    return found


def report(samples: dict[tuple[str, str], list[float]], enqueued: int, started: float) -> None:
    """Print the latest sample of each role."""
    parts = [f"{role} {what} {values[-1]:.0f}" for (role, what), values in sorted(samples.items())]
    print(f"{time.monotonic() - started:6.0f} s, {enqueued} tasks: {', '.join(parts)}", flush=True)


def breathe(run: Any, samples: dict, seed: random.Random) -> None:
    """Let a round go by: samples, and one kill at a random instant."""
    kill_at = time.monotonic() + seed.uniform(0, SPREAD)
    end = time.monotonic() + SPREAD
    while time.monotonic() < end:
        time.sleep(min(SAMPLE, max(0.05, end - time.monotonic())))
        measure(run.cluster, samples)
        if time.monotonic() > kill_at:
            kill_at = end + 1
            role = seed.choice(["worker", "pusher", "monitor", "scheduler"])
            if run.cluster.pids(role):
                with run.crash():
                    run.cluster.kill(role)


def soak(seconds: float, kind: str, directory: Path) -> list[str]:
    """Keep a cluster busy for a time; what is wrong at the end."""
    from django_q.models import Schedule
    from tests.faults.driver import Run
    from tests.faults.rigs import ALIAS, make_rig

    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    run = Run(make_rig(kind, directory), seed=1)
    Schedule.objects.using(ALIAS).create(
        func="tests.tasks.nothing", schedule_type=Schedule.MINUTES, minutes=1
    )
    try:
        run.start_cluster(recycle=100, scheduler=True)
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            run.produce(ROUND, SPREAD)
            breathe(run, samples, run.random)
            run.finish_producing()
            report(samples, len(run.accepted), started)
        verdict = run.settle()
        print(
            f"{verdict.tasks} tasks, {len(verdict.lost)} lost, {verdict.repeated} repeated, "
            f"{verdict.crashes} kills, {len(run.saved())} rows"
        )
        return [*grown(samples), *verdict.violations()]
    finally:
        run.close()


def main() -> int:
    """Read the command line, and run."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django_q.conf import Conf

    Conf.RETRY = 2
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    kind = sys.argv[2] if len(sys.argv) > 2 else "redis"
    with tempfile.TemporaryDirectory() as directory:
        wrong = soak(seconds, kind, Path(directory))
    print("\n".join(wrong) or "flat")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
