"""Send packages of 1 KB to 10 MB, of what can't be compressed, beside a bare pipe.

Each sample moves ``--megabytes`` of content, five packages at least. "drain MB/s" is from the first
task's end to the last; "pipe MB/s" is what two processes reach that do nothing but write and read
messages of that size.
"""

from __future__ import annotations

import os
import time
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection

from benchmarks.cases import Case, Measure
from benchmarks.command import main
from benchmarks.session import START_TIMEOUT, BenchmarkContext
from benchmarks.sides import Side

MB = 1_000_000


def sample(context: BenchmarkContext, side: Side, case: Case) -> dict[str, float]:
    """Take a sample."""
    size = case.size
    number = max(5, int(context.options.megabytes * MB / size))
    with context.session(side, case.configuration) as session:
        seconds = session.call("carry", number=number, size=size)
        session.start_cluster()
        session.wait_for_records(1, START_TIMEOUT)
        session.wait_for_records(number + 1, context.options.limit)
        # The first is a task without content.
        times = [at for at, value in session.records() if value]
    return {
        "enqueue MB/s": number * size / seconds / MB,
        "drain MB/s": (number - 1) * size / max(times[-1] - times[0], 1e-6) / MB,
        "pipe MB/s": pipe_rate(number, size),
    }


def pipe_rate(number: int, size: int) -> float:
    """Measure a bare pipe, in MB/s."""
    reader, writer = Pipe(duplex=False)
    content = os.urandom(size)
    child = get_context("fork").Process(target=write, args=(writer, content, number))
    child.start()
    reader.recv_bytes()
    begin = time.perf_counter()
    for _ in range(number):
        reader.recv_bytes()
    seconds = time.perf_counter() - begin
    child.join()
    return number * size / seconds / MB


def write(writer: Connection, content: bytes, number: int) -> None:
    """Write the messages, one more so that the clock starts with both sides running."""
    for _ in range(number + 1):
        writer.send_bytes(content)


MEASURE = Measure(
    "size",
    "Size of packages",
    sample,
    ("redis-none", "sqlite-none", "postgres-none"),
    size_kinds=(("bytes", "sizes"),),
    charted_column="drain MB/s",
)

if __name__ == "__main__":
    main(MEASURE)
