"""All measures, one after the other."""

from benchmarks import drain, enqueue, growth, idle, latency, memory, size
from benchmarks.command import main

if __name__ == "__main__":
    main(*(m.MEASURE for m in (drain, enqueue, latency, idle, memory, size, growth)))
