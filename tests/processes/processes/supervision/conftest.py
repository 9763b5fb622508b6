"""Programs that prepare something before a cluster starts."""

from __future__ import annotations

import pytest

from tests.clusters import RunningCluster


@pytest.fixture
def prepared(broker, request):
    """Start a cluster in a process that has been prepared before it is one of Python."""
    clusters = []

    def start(prepare, ready: bool = True, **options) -> RunningCluster:
        class Prepared(RunningCluster):
            pass

        Prepared.prepare = staticmethod(prepare)
        clusters.append(Prepared(**options))
        return clusters[-1].wait_ready() if ready else clusters[-1]

    yield start
    for cluster in clusters:
        cluster.end()
