"""The package as it was before tasks had terms, from the history of the checkout; its clusters."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.clusters import RunningCluster
from tests.workspace import workspace

CHECKOUT = Path(__file__).parent.parent
#: The file with which terms came.
FIRST_FILE = "django_q/brokers/terms.py"


def git(*arguments: str) -> bytes:
    """Ask the history; empty where there is none, or not so much of it."""
    try:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True)
    except FileNotFoundError:
        return b""
    return b"" if done.returncode else done.stdout


@cache
def earlier_release() -> Path | None:
    """Unpack the package as it was before; the directory that it is in."""
    added = git("log", "--diff-filter=A", "--format=%H", "--", FIRST_FILE).decode().split()
    archive = git("archive", f"{added[-1]}^", "django_q") if added else b""
    if not archive:
        return None
    directory = Path(tempfile.mkdtemp(dir=workspace(), prefix="earlier"))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(directory)
    return directory


class EarlierCluster(RunningCluster):
    """A cluster of the package as it was before. Skips the test where the history lacks it."""

    def launch(self, arguments: Sequence[str], **environment: str) -> None:
        directory = earlier_release()
        if directory is None:
            pytest.skip("the history of this checkout does not go back to before terms")
        # The working directory is found first, and what is installed last.
        self.directory = directory
        super().launch(arguments, **environment, PYTHONPATH=str(CHECKOUT))
