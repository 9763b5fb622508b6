"""A sketch of a distribution of times: small, with a bounded relative error, and mergeable.

The buckets grow by a constant factor, as in DDSketch (Masson, Rim and Lee, "DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019,
https://arxiv.org/abs/1908.10693). The factor is a root of two, as in OpenTelemetry's exponential
histograms of scale 3, so that sketches of all clusters and releases have the same buckets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import ceil, log2

#: Buckets from a time to its double.
BUCKETS_PER_DOUBLING = 8
#: By how much one bucket is greater than the one below.
BUCKET_FACTOR = 2 ** (1 / BUCKETS_PER_DOUBLING)
#: How far a quantile may be from the true one, as a share of that: 4.3 %.
RELATIVE_ERROR = (BUCKET_FACTOR - 1) / (BUCKET_FACTOR + 1)
#: Seconds. Shorter and longer times count as these, so a sketch has 441 buckets at most.
MIN_SKETCHED_SECONDS, MAX_SKETCHED_SECONDS = 1e-6, 1e9


class Sketch:
    """How many times, in seconds, are in each bucket."""

    __slots__ = ("buckets",)

    def __init__(self) -> None:
        #: Numbers of times. Bucket ``i`` is above ``BUCKET_FACTOR ** (i - 1)``, up to the next.
        self.buckets: defaultdict[int, int] = defaultdict(int)

    def add(self, seconds: float, weight: int = 1) -> None:
        """Count a time, ``weight`` times."""
        # By comparisons: min() and max() would take longer than the rest.
        if not seconds > MIN_SKETCHED_SECONDS:
            seconds = MIN_SKETCHED_SECONDS
        elif seconds > MAX_SKETCHED_SECONDS:
            seconds = MAX_SKETCHED_SECONDS
        bucket = ceil(log2(seconds) * BUCKETS_PER_DOUBLING)
        self.buckets[bucket] += weight

    def merge(self, buckets: Iterable[tuple[int, int]]) -> None:
        """Add the buckets of another sketch: the same as if its times had been counted here."""
        own = self.buckets
        if not own:  # a copy, which is no loop in Python
            own.update(buckets)
            return
        for bucket, count in buckets:
            own[bucket] += count

    @property
    def count(self) -> int:
        """How many times were counted."""
        return sum(self.buckets.values())

    def quantile(self, share: float) -> float | None:
        """Return the time, in seconds, below which ``share`` of them are; None without any."""
        found = self.quantiles((share,))
        return found[0] if found else None

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Return the quantiles of several shares, which grow; an empty list without any times."""
        buckets = sorted(self.buckets)
        #: How many times are in a bucket or below it.
        below = list(accumulate(map(self.buckets.__getitem__, buckets)))
        if not below:
            return []
        found = (buckets[bisect_right(below, share * (below[-1] - 1))] for share in shares)
        return [2 * BUCKET_FACTOR**bucket / (BUCKET_FACTOR + 1) for bucket in found]
