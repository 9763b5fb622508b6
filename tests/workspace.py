"""The files and the processes of a test run, gone when the test run is.

A watcher outlives a test run that is killed, ends what it has started and removes its files.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

#: Where the test run keeps its files, and which process made that; set for its child processes.
WORKSPACE = "DJANGO_Q_TEST_WORKSPACE"
OWNER = "DJANGO_Q_TEST_WORKSPACE_OWNER"

#: What the watcher of a process runs: wait for the end of that, then end what it has left behind.
#: A child of a test run has a watcher too, which leaves alone what the test run has started.
WATCH = """
import os, pathlib, shutil, signal, sys, time
parent, workspace, owner = int(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
while os.getppid() == parent and workspace.exists():
    time.sleep(0.2)
for file in workspace.glob("*/server.pid"):
    try:
        pid, starter = map(int, file.read_text().split())
        if starter == parent:
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass
time.sleep(0.2)
if owner == parent:
    shutil.rmtree(workspace, ignore_errors=True)
"""


@cache
def workspace() -> Path:
    """Give the temporary directory of this test run; its child processes share it."""
    if inherited := os.environ.get(WORKSPACE):
        return Path(inherited)
    path = Path(tempfile.mkdtemp(prefix="django_q-tests-"))
    path.chmod(0o755)  # PostgreSQL may run as another user
    os.environ[WORKSPACE] = str(path)
    os.environ[OWNER] = str(os.getpid())
    atexit.register(remove_workspace, path, os.getpid())
    return path


def remove_workspace(path: Path, owner: int) -> None:
    """Remove the temporary directory, unless a child process asks."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


@cache
def start_watcher() -> int:
    """Start the process that cleans up after this one, should it be killed; the id of this one."""
    watched, place = os.getpid(), str(workspace())
    command = [sys.executable, "-c", WATCH, str(watched), place, os.environ[OWNER]]
    # A session of its own: what kills a whole test run must not reach it.
    closed = subprocess.DEVNULL
    watcher = subprocess.Popen(
        command, start_new_session=True, stdin=closed, stdout=closed, stderr=closed
    )
    watcher.returncode = 0  # it ends after us, which is no fault
    return watched


def end_with_test_run(process: subprocess.Popen, directory: Path | None = None) -> Path:
    """Have the watcher end a process that a test run has left, when it was killed.

    Returns the file that says so, which goes when the process has ended: others may get its number.
    """
    watched = start_watcher()
    directory = directory or Path(tempfile.mkdtemp(dir=workspace(), prefix="process"))
    file = directory / "server.pid"
    file.write_text(f"{process.pid} {watched}")
    return file
