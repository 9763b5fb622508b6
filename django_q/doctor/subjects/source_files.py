"""The code of clusters: whether files of the project were changed after they had started."""

from __future__ import annotations

import socket
import sys
import sysconfig
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from django.apps import apps
from django.conf import settings

from django_q.doctor.findings.finding import Finding, warning
from django_q.status import Stat
from django_q.unfinished.reading import broker_for

#: Files that are looked at, at most.
MAX_SOURCE_FILES = 5000
#: Folders whose files no worker imports for a task.
UNIMPORTED_FOLDERS = {"migrations", "tests", "node_modules", "__pycache__"}


def examine() -> Iterator[Finding]:
    """Compare the start of each cluster of this host with the newest file of the project."""
    stats = [stat for stat in Stat.get_all(broker_for(None)) if stat.host == socket.gethostname()]
    if not any(stat.tob for stat in stats):
        return
    newest = max(source_files(), key=modified_at, default=None)
    changed = modified_at(newest) if newest else 0
    for stat in stats:
        if stat.tob and stat.tob.timestamp() < changed:
            moment = datetime.fromtimestamp(changed, timezone.utc)
            yield warning(
                "code-older",
                f"The cluster {stat.name or stat.cluster_id} started at {stat.tob:%Y-%m-%d %H:%M} "
                f"UTC, and {newest} was changed at {moment:%Y-%m-%d %H:%M} UTC: it runs the code "
                "of before.",
                "Restart it.",
            )


def source_files() -> Iterator[Path]:
    """Yield the Python files of the project's apps, and of its settings."""
    if settings_file := getattr(sys.modules.get(settings.SETTINGS_MODULE or ""), "__file__", None):
        yield Path(settings_file)
    count = 0
    for app in apps.get_app_configs():
        if is_installed(Path(app.path)):
            continue
        for path in Path(app.path).rglob("*.py"):
            if UNIMPORTED_FOLDERS.isdisjoint(path.relative_to(app.path).parts):
                count += 1
                yield path
            if count >= MAX_SOURCE_FILES:
                return


def is_installed(path: Path) -> bool:
    """Return True for a package of the interpreter, which changes with a deploy only."""
    homes = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    return any(path.is_relative_to(home) for home in homes if home)


def modified_at(path: Path) -> float:
    """Return when a file was changed, in seconds since the epoch; 0 if it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
