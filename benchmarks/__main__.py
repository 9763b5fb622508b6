"""All measures, one after the other."""

from benchmarks import (
    drain,
    enqueue,
    growth,
    idle,
    latency,
    memory,
    options,
    progress,
    size,
    standing,
    waiting,
)
from benchmarks.command import main

if __name__ == "__main__":
    measured = (
        *(drain, enqueue, latency, idle, memory, size, growth),
        *(options, standing, waiting, progress),
    )
    main(*(module.MEASURE for module in measured))
