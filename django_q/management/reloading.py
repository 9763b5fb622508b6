"""``qcluster --reload``: restart a cluster when a file of the project has changed.

The files are found by Django's reloader, the one of ``runserver``. It runs in a process of its own,
which starts the cluster as another one: a cluster must not fork from a process with threads.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.utils import autoreload

from django_q.conf import logger

#: Unix signals that stop the cluster, and this process with it.
FORWARDED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: Folders of installed packages, which nobody edits.
INSTALLED_FOLDERS = ("site-packages", "dist-packages")
#: Waits until its standard input ends, as it does with this process, and stops the cluster.
GUARD = ("/bin/sh", "-c", 'read _; kill -TERM "$1"', "guard")


def is_reloaded() -> bool:
    """Return True in the process that a reloader has started, as under ``runserver``."""
    return os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true"


class ReloadedCluster:
    """A process with the command of this one, which is started again after each change."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None
        self.guard: subprocess.Popen | None = None  # stops it where this process was killed
        self.is_stopping = False  # whether a Unix signal has come
        self.is_changed = False

    def start(self) -> None:
        """Start the cluster, in a session of its own: Ctrl-C reaches it by this process alone."""
        self.process = subprocess.Popen(
            autoreload.get_child_arguments(),
            env={**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"},
            start_new_session=True,
        )
        self.guard = subprocess.Popen(
            [*GUARD, str(self.process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        if self.is_stopping:  # a signal came meanwhile
            self.process.terminate()

    def wait(self) -> int:
        """Wait until the cluster has ended; return its exit code."""
        code = self.process.wait()
        self.end_guard()
        return code

    def end_guard(self) -> None:
        """End the guard at once: another process may get the number of the cluster."""
        if self.guard is not None:
            self.guard.kill()
            self.guard.communicate()
            self.guard = None

    def forward_signal(self, number: int, frame: Any) -> None:
        """Stop the cluster; a handler of Unix signals. A second one ends running tasks, too."""
        self.is_stopping = True
        if self.process:
            self.process.terminate()

    def note_change(self, sender: Any, file_path: Path, **kwargs: Any) -> bool:
        """Note that a file has changed; a receiver of ``file_changed``.

        Returns True, so that Django's reloader does not end this process.
        """
        if not self.is_changed:
            logger.info("%s has changed: the cluster restarts.", file_path)
        self.is_changed = True
        return True

    def restart(self) -> None:
        """Stop the cluster in good order, and start it with the files as they are now."""
        self.is_changed = False
        self.process.terminate()
        self.wait()
        if not self.is_stopping:
            self.start()

    def report_end(self) -> None:
        """Log once that the cluster has ended by itself, as over an error in a file."""
        if self.process.returncode is None and self.process.poll() is not None:
            self.end_guard()
            text = "the cluster has ended with code %s and starts again when a file changes"
            logger.error(text, self.process.returncode)

    def run(self) -> int:
        """Restart the cluster after each change until a Unix signal comes. Returns its exit code.

        The cluster is started again even if it could not start over an error in a file.
        """
        with self.handlers():
            reloader = watching_reloader()
            self.start()
            for _ in reloader.tick():
                if self.is_stopping:
                    break
                if self.is_changed:
                    self.restart()
                self.report_end()
            return self.wait()

    @contextlib.contextmanager
    def handlers(self) -> Iterator[None]:
        """Handle Unix signals and changes of files during a block."""
        before = {each: signal.signal(each, self.forward_signal) for each in FORWARDED_SIGNALS}
        autoreload.file_changed.connect(self.note_change)
        try:
            yield
        finally:
            autoreload.file_changed.disconnect(self.note_change)
            for number, handler in before.items():
                signal.signal(number, handler)


def watching_reloader() -> autoreload.BaseReloader:
    """Make a reloader that also watches modules which only the workers import.

    It finds those that this process has imported; beside them, all of the project's own apps.
    """
    reloader = autoreload.get_reloader()
    for config in apps.get_app_configs():
        path = Path(config.path)
        if not any(folder in path.parts for folder in INSTALLED_FOLDERS):
            reloader.watch_dir(path, "**/*.py")
    autoreload.autoreload_started.send(sender=reloader)
    return reloader
