"""Runs the faults in several processes at once, and sums up: what is not an option is pytest's.

python -m tests.faults [--jobs 4] [-k 'kill and redis']
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.figures import table
from tests.faults.shards import SEEDS, SHARD

#: Seconds between two lines of progress.
REPORT = 30
#: What a run that has ended says in its line, and whether that is good.
ENDS = {" PASSED ": True, " SKIPPED ": True, " FAILED ": False, " ERROR ": False}
#: Exit codes of pytest that are no failure: all passed, and nothing was left for this part.
GOOD = (0, 5)


class Part:
    """One pytest process that runs a part of the faults, on servers of its own."""

    def __init__(self, shard: str, options: list[str], figures: Path) -> None:
        self.log = figures.with_name(f"part-{shard.replace('/', '-of-')}.log")
        environment = {
            **os.environ,
            SHARD: shard,
            "DJANGO_Q_FAULT_FIGURES": str(figures),
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "200",
        }
        command = [sys.executable, "-m", "pytest", "tests/faults", "-m", "faults", "-v"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*command, "--color=no", *options],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def ends(self) -> list[bool]:
        """Read how the runs so far have ended."""
        lines = self.log.read_text(errors="replace").partition("= FAILURES =")[0].splitlines()
        return [good for line in lines for text, good in ENDS.items() if text in f"{line} "]

    def failures(self) -> str:
        """Give what pytest says of the runs that failed; all it has said where it was ended."""
        text = self.log.read_text(errors="replace")
        return text[max(text.find("= FAILURES ="), text.find("= ERRORS =")) :][-200_000:]


def follow(parts: list[Part]) -> None:
    """Print what has been done from time to time, until all is done."""
    started = reported = time.monotonic()
    while any(part.process.poll() is None for part in parts):
        time.sleep(0.5)
        if time.monotonic() - reported > REPORT:
            reported = time.monotonic()
            report(parts, reported - started)
    report(parts, time.monotonic() - started)


def report(parts: list[Part], seconds: float) -> None:
    """Print one line of progress."""
    ends = [good for part in parts for good in part.ends()]
    print(f"{seconds:6.0f} s: {len(ends)} runs, {ends.count(False)} failed", flush=True)


def run(jobs: int, options: list[str], figures: Path) -> bool:
    """Run all parts at once; whether nothing failed."""
    parts = [Part(f"{index + 1}/{jobs}", options, figures) for index in range(jobs)]
    try:
        follow(parts)
    finally:
        for part in parts:
            part.process.terminate()
            part.process.wait()
    bad = [part for part in parts if part.process.returncode not in GOOD]
    for part in bad:
        print(part.failures())
    return not bad and any(part.ends() for part in parts)


def main() -> int:
    """Read the command line, run, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="processes")
    known, options = parser.parse_known_args()
    os.environ.setdefault(SEEDS, "20")
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder, "figures.jsonl")
        figures.touch()
        good = run(known.jobs, options, figures)
        keep(figures)
        print(table(figures.read_text().splitlines()))
    return not good


def keep(figures: Path) -> None:
    """Add the figures to those of earlier runs, where a file for that is named."""
    if path := os.environ.get("DJANGO_Q_FAULT_FIGURES"):
        with open(path, "a") as file:
            file.write(figures.read_text())


if __name__ == "__main__":
    sys.exit(main())
