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
    redis_servers,
    size,
    standing,
    waiting,
)
from benchmarks.command import main

if __name__ == "__main__":
    measured = (
        *(drain, enqueue, latency, idle, memory, size, growth, options, standing, waiting),
        *(committing, redis_servers),
    )
    main(*(module.MEASURE for module in measured))
