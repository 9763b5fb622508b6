"""Clusters that run the code of before."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import tests.settings
from django_q.doctor.subjects.source_files import examine, source_files
from tests.heartbeats import make_stat
from tests.integration.doctor.found import found

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("host", "hours", "ids"),
    [
        (socket.gethostname(), -200_000, {"code-older"}),
        (socket.gethostname(), 1, set()),
        ("another host", -200_000, set()),
    ],
)
def test_a_cluster_of_this_host_that_started_before_a_file_was_changed_is_found(
    host, hours, ids, broker
):
    started = datetime.now(timezone.utc) + timedelta(hours=hours)
    make_stat(host=host, tob=started).save(broker)

    assert found(examine).keys() == ids


def test_the_settings_and_the_apps_of_the_project_are_looked_at_and_no_installed_ones():
    files = set(source_files())

    assert Path(tests.settings.__file__) in files
    assert not any("site-packages" in str(path) for path in files)
    assert not any("migrations" in path.parts for path in files)
