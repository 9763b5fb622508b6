"""Says what the test command runs, what it leaves out, and how long that takes on this machine.

python tests/plan.py; the first environment of tox, which has no package but Python's own
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Seconds that each environment keeps a processor busy, and seconds that it waits for time to
#: pass, on the machine where they were measured; without the first installation.
FIGURES = {
    "py310-dj52": (300, 120),
    "py311-dj52": (320, 140),
    "py312-dj60": (245, 80),
    "py313-dj61": (345, 140),
    "py314-dj61": (320, 140),
    "processes": (230, 250),
    "disturbances": (190, 260),
    "package": (260, 70),
}
#: Seconds that ``work()`` took there.
MEASURED = 0.033
#: What takes part only where somebody asks for it, and why.
ON_DEMAND = {
    "mariadb": "the tests of the database; DJANGO_Q_TEST_MARIADB_URL has to name a server",
    "browser": "the dashboard in Debian's chromium, which has to be installed",
    "promtool": "the metrics, by promtool of Debian's prometheus; DJANGO_Q_TEST_PROMTOOL names it",
    "faults": "20 seeds of each fault, which takes hours; a few are part of 'disturbances'",
    "switch": "a site changes over from Django Q and django-q2, which it installs",
    "clients": "the tests of packages for Django Q and django-q2, which it downloads",
    "task-clients": "applications for Django's tasks framework, which it downloads",
    "upstream": "Django's own tests of its tasks framework, which it downloads",
    "benchmarks": "how fast it is; 'package' runs them at a tiny size",
    "soak": "ten minutes of mixed load",
    "demo": "the example site at work",
    "docs": "the documentation",
    "lint": "the linter",
    "typing": "types: the public modules, and calls of task functions",
}


@dataclass
class Plan:
    """What a run of tox without arguments is made of."""

    runs: list[str]  # environments
    left_out: dict[str, str]  # why, by environment


def environments() -> list[str]:
    """Read which environments tox runs when it is not told, but for this one."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    return [name for name in tox["tox"]["env_list"].split() if name != "plan"]


def version_of(environment: str) -> str | None:
    """Give the Python that an environment is for, as "3.12"; None where any will do."""
    found = re.match(r"py3(\d+)", environment)
    return f"3.{found[1]}" if found else None


def is_here(version: str) -> bool:
    """Whether a Python is installed; a shim of pyenv may stand for one that is not."""
    if version == ".".join(map(str, sys.version_info[:2])):
        return True
    program = shutil.which(f"python{version}")
    return bool(program) and not subprocess.run([program, "-c", ""], capture_output=True).returncode


def make_plan() -> Plan:
    """Find out what runs here."""
    skip = os.environ.get("TOX_SKIP_ENV")
    plan = Plan([], {})
    for name in environments():
        version = version_of(name)
        if skip and re.match(skip, name):
            plan.left_out[name] = "TOX_SKIP_ENV says so"
        elif version and not is_here(version):
            plan.left_out[name] = f"Python {version} is not here"
        else:
            plan.runs.append(name)
    plan.left_out |= {**parts_left_out(), **ON_DEMAND}
    return plan


def parts_left_out() -> dict[str, str]:
    """Name the faults that this machine can not be given."""
    found = {}
    if os.geteuid() != 0:
        found["faults of disks and networks"] = "only root may make small disks and namespaces"
    if not (shutil.which("cc") or shutil.which("gcc")):
        found["faults of clocks"] = "there is no C compiler"
    return found


def work() -> float:
    """Do a fixed piece of work; the seconds of a processor that it took."""
    best = 60.0
    for _ in range(3):
        start = time.process_time()
        sum(len(str(number)) for number in range(300_000))
        best = min(best, time.process_time() - start)
    return best


def seconds(name: str, pace: float) -> float:
    """Estimate how long an environment takes, where a processor takes ``pace`` times as long."""
    busy, waiting = FIGURES[name]
    return busy * pace + waiting


def minutes(amount: float) -> str:
    """Write a time as nobody knows it better."""
    return "a minute" if amount < 90 else f"{round(amount / 60)} minutes"


def lines(plan: Plan, pace: float) -> list[str]:
    """Write the plan."""
    width = max(map(len, [*plan.runs, *plan.left_out]))
    total = sum(seconds(name, pace) for name in plan.runs)
    return [
        "This runs, one after another:",
        *(f"  {name:{width}}  about {minutes(seconds(name, pace))}" for name in plan.runs),
        f"In all about {minutes(total)} on this machine as long as nothing else keeps it busy, and",
        "some more the first time, when each environment is installed. With --parallel, what an",
        "environment prints comes when it has ended.",
        "Left out (python3 -m tox -e NAME runs one of them):",
        *(f"  {name:{width}}  {reason}" for name, reason in plan.left_out.items()),
    ]


if __name__ == "__main__":
    print("\n".join(lines(make_plan(), work() / MEASURED)), flush=True)
