"""A limit of open files that is too low is said."""

from __future__ import annotations

import resource

import pytest

from tests.waiting import wait_until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize("files", [16, 24, 28, 32, 36, 40])
def test_a_limit_of_open_files_that_is_too_low_is_said(prepared, files):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    cluster = prepared(limit, ready=False, workers=8, scheduler=True)
    wait_until(lambda: cluster.process.poll() is not None or "running." in cluster.log(), 60)
    cluster.stop()

    assert "Exception ignored" not in cluster.log()
    assert "Traceback" not in cluster.log()
    assert "Raise it, as with 'ulimit -n'" in cluster.log() or "can not be started" in cluster.log()
