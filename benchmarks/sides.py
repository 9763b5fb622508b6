"""Sides: which code is measured, by which interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROJECT_FOLDER = Path(__file__).resolve().parent.parent

#: What every side has on its path.
SITE_FOLDER = Path(__file__).resolve().parent / "site"


@dataclass(frozen=True)
class Side:
    """Code under measurement."""

    label: str | None  #: what the tables call it; None: what is installed there
    python: str  #: the interpreter
    checkout: Path | None = None  #: where its django_q is; None: where the interpreter finds it

    def environment(self) -> dict[str, str]:
        """Give the environment of its processes."""
        path = [str(SITE_FOLDER), *([str(self.checkout)] if self.checkout else [])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}

    @cached_property
    def versions(self) -> dict[str, str]:
        """Ask the interpreter what is installed."""
        command = [self.python, "-m", "measured.versions"]
        # Not from the checkout: the directory one is in comes first on the path.
        done = subprocess.run(
            command,
            env=self.environment(),
            cwd=SITE_FOLDER,
            check=True,
            capture_output=True,
            text=True,
        )
        return json.loads(done.stdout)

    @cached_property
    def name(self) -> str:
        """Name it in the tables."""
        return self.label or self.versions["queue"]


def project() -> Side:
    """This checkout, with the interpreter that runs."""
    return Side("project", sys.executable, PROJECT_FOLDER)


def same_code() -> Side:
    """The same code once more: what differs is noise."""
    return Side("same code", sys.executable, PROJECT_FOLDER)


def side_from_text(text: str) -> Side:
    """An interpreter with a django_q of its own, or another checkout of this project."""
    path = Path(text)
    if path.is_dir():
        return Side(f"checkout {path.resolve().name}", sys.executable, path.resolve())
    return Side(None, text)
