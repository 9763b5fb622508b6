"""A wall clock that can be stepped: for chosen processes alone, by a library that they preload."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from functools import cache, cached_property
from pathlib import Path

from tests.workspace import workspace

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long step(void) {
    static volatile long long *shared;
    if (!shared) {
        const char *path = getenv("DJANGO_Q_FAULT_CLOCK");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0) return 0;
        shared = mmap(0, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
        close(file);
    }
    return *shared;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += step();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (where) *where = exact.tv_sec;
    return exact.tv_sec;
}
"""


@cache
def library() -> Path | None:
    """Compile the library; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    folder = Path(tempfile.mkdtemp(dir=workspace()))
    folder.chmod(0o755)  # a server may run as another user
    (folder / "clock.c").write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", "clock.so", "clock.c"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "clock.so"


class Clocked:
    """Mixed into a server: its wall clock can be stepped, where there is a compiler."""

    @cached_property
    def clock(self) -> SteppedClock | None:
        """Its clock; None where it can not be stepped."""
        return SteppedClock(self.directory) if library() else None

    def popen_options(self) -> dict:
        options = super().popen_options()
        if self.clock is None:
            return options
        return {**options, "env": {**os.environ, **self.clock.environment()}}


class SteppedClock:
    """The wall clock of the processes that have ``environment()``."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "clock"
        self.step(0)

    def environment(self) -> dict[str, str]:
        """Give what a process needs to have this clock."""
        return {"LD_PRELOAD": str(library()), "DJANGO_Q_FAULT_CLOCK": str(self.file)}

    def step(self, seconds: int) -> None:
        """Set the clock to so many seconds from the true time."""
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT)
        os.pwrite(descriptor, struct.pack("q", seconds), 0)
        os.close(descriptor)
