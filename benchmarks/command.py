"""The command line that all measures share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import chart, report, sides, text
from benchmarks.cases import Case, Measure
from benchmarks.configurations import CONFIGURATIONS
from benchmarks.session import BenchmarkContext
from benchmarks.sides import Side


def comma_separated(kind: Callable[[str], Any]) -> Callable[[str], list]:
    """Read values that are separated by commas."""

    def read(text: str) -> list:
        return [kind(word) for word in text.split(",") if word]

    return read


def configuration(text: str) -> str:
    """Read the name of a configuration."""
    if text not in CONFIGURATIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(CONFIGURATIONS)}")
    return text


configurations, numbers = comma_separated(configuration), comma_separated(int)

#: Name, how it is read, default, help.
SIZE_OPTIONS: tuple[tuple[str, Callable, Any, str], ...] = (
    ("tasks", int, 10_000, "drain, enqueue, options, standing, redis_servers: tasks of a sample"),
    ("latency-tasks", int, 500, "latency: tasks of a sample"),
    ("idle-seconds", float, 30, "idle: how long to look"),
    ("sizes", numbers, [10**3, 10**4, 10**5, 10**6, 10**7], "size: bytes, separated by commas"),
    ("megabytes", float, 50, "size: content of a sample"),
    ("queued", numbers, [10**3, 10**4, 10**5, 10**6], "growth: lengths of the queue"),
    ("saved", numbers, [0, 10**3, 10**4, 10**5, 10**6], "growth: rows of the table"),
    ("window", int, 10_000, "growth: tasks that are timed"),
    ("delayed", int, 10**6, "standing: tasks that are due in a week"),
    ("tracked", int, 10**3, "standing: tasks beside them that can be found by their ids"),
    ("rounds", int, 5, "standing, committing: how often a sample repeats what it measures"),
    ("writers", int, 16, "committing: processes that commit"),
    ("window-seconds", float, 5, "committing: for how long they do each time"),
    ("pairs", int, 11, "progress: pairs of tasks of a sample"),
    ("settle", float, 2, "seconds in which a warm cluster comes to rest"),
    ("limit", float, 300, "seconds after which a sample is given up"),
)


def make_parser(measures: tuple[Measure, ...]) -> argparse.ArgumentParser:
    """Make the parser; options of other measures are there and do nothing."""
    parser = argparse.ArgumentParser(description=", ".join(m.title for m in measures))
    add = parser.add_argument
    add("--only", type=configurations, help=f"of: {', '.join(CONFIGURATIONS)}")
    add("--repetitions", type=int, default=3)
    add("--workers", type=int, default=2)
    add("--against", action="append", default=[], help="an interpreter, or another checkout")
    add("--self", action="store_true", help="the same code once more, to see the noise")
    add("--redis", help="URL of an empty Redis database; by default a server is started")
    add("--postgres", help="URL of a PostgreSQL server on which databases may be made")
    add("--json", type=Path, help="write everything here")
    add("--rst", type=Path, help="write the tables here, and the chart beside them as .svg")
    for name, kind, default, words in SIZE_OPTIONS:
        add(f"--{name}", type=kind, default=default, help=words)
    return parser


def main(*measures: Measure, arguments: list[str] | None = None) -> None:
    """Take the samples, print the tables, and write the files that are asked for."""
    words = sys.argv[1:] if arguments is None else arguments
    options = make_parser(measures).parse_args(words)
    # Leave in good order: clusters have sessions of their own, and would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    context = BenchmarkContext(options)
    compared = [sides.project(), *map(sides.side_from_text, options.against)]
    compared += [sides.same_code()] if options.self else []
    if len({side.name for side in compared}) < len(compared):
        raise SystemExit("Two sides have the same name: --against each version once.")
    outcome = report.Outcome(measures, options, facts(compared))
    try:
        for repetition in range(options.repetitions):
            for measure in measures:
                repeat(context, measure, rotated(compared, repetition), outcome)
            publish(outcome)  # each time: a long run that is stopped leaves what it has
    finally:
        context.services.close()
    print(text.plain(outcome))
    sys.exit(1 if outcome.errors else 0)


def rotated(compared: list[Side], repetition: int) -> list[Side]:
    """Another order each time, so that none always follows the same one."""
    start = repetition % len(compared)
    return compared[start:] + compared[:start]


def repeat(
    context: BenchmarkContext, measure: Measure, compared: list[Side], outcome: report.Outcome
) -> None:
    """Take one sample of each case and side, the sides of a case one after the other."""
    for case in measure.cases(context.options):
        for side in compared:
            outcome.add(measure, case, side.name, attempt(context, measure, case, side))


def attempt(context: BenchmarkContext, measure: Measure, case: Case, side: Side) -> dict[str, Any]:
    """Take a sample; a side that can't gives no numbers but a reason."""
    begin = time.monotonic()
    try:
        sample = measure.sample(context, side, case)
    except RuntimeError as error:
        sample = {"error": str(error)}
    words = (measure.name, case.label, side.name, f"({time.monotonic() - begin:.0f} s)")
    print(*words, report.sample_text(sample), file=sys.stderr, flush=True)
    return sample


def without_folder(word: str) -> str:
    """Shorten an absolute path, which says nothing to who reads it elsewhere."""
    return Path(word).name if word.startswith("/") else word


def facts(compared: list[Side]) -> dict[str, Any]:
    """Tell what was run, and on what."""
    return {
        "command": shlex.join(["python", *map(without_folder, sys.orig_argv[1:])]),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count(),
        },
        "sides": {side.name: side.versions for side in compared},
    }


def publish(outcome: report.Outcome) -> None:
    """Write the files that are asked for."""
    options = outcome.options
    if options.json:
        options.json.write_text(json.dumps(outcome.as_dict(), indent=1) + "\n")
    if options.rst:
        picture = options.rst.with_suffix(".svg")
        picture.write_text(chart.draw(text.panels(outcome)))
        options.rst.write_text(text.rst(outcome, picture.name))
