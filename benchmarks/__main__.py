"""All measures, one after the other."""

from benchmarks import (
    committing,
    drain,
    enqueue,
    growth,
    idle,
    latency,
    memory,
    options,
    progress,
    redis_servers,
    size,
    standing,
    waiting,
)
from benchmarks.command import main

if __name__ == "__main__":
    measured = (
        *(drain, enqueue, latency, idle, memory, size, growth, options, standing, waiting),
        *(committing, redis_servers, progress),
    )
    main(*(module.MEASURE for module in measured))
