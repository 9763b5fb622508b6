"""Green threads: a cluster knows when Python's own waiting is gone."""

from __future__ import annotations

import time

import pytest

from django_q.cluster import Cluster
from django_q.processes.supervision.green_threads import patched_by


@pytest.fixture(params=["gevent.hub", "eventlet.greenthread"])
def patched(request, monkeypatch):
    """Patch as a library does; its name."""

    def sleep(seconds: float = 0) -> None:
        """Stands for the library's."""

    sleep.__module__ = request.param
    monkeypatch.setattr(time, "sleep", sleep)
    return request.param.split(".")[0]


def test_python_as_it_is_is_not_patched():
    assert patched_by() is None


@pytest.mark.parametrize("method", ["start", "run"])
def test_a_patched_process_starts_no_cluster(patched, method):
    with pytest.raises(RuntimeError, match=f"{patched} has patched"):
        getattr(Cluster(), method)()
