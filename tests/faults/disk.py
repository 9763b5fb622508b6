"""A small disk for a database, which a fault fills."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: What a run stores takes a tenth of it.
SIZE = 128 * 1024 * 1024


def mount(place: Path) -> bool:
    """Mount a small disk, in memory, on a folder that is made; whether that is allowed here."""
    place.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "django_q-faults", str(place)]
    return subprocess.run(command, capture_output=True).returncode == 0


def unmount(place: Path) -> None:
    """Take a disk away, whoever has files open there."""
    if place.is_mount():
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextlib.contextmanager
def filled(place: Path) -> Iterator[None]:
    """Leave no room on a disk while the block runs."""
    ballast = place / "ballast"
    try:
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        yield
    finally:
        ballast.unlink()
