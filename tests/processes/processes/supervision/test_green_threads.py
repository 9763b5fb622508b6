"""A cluster that gevent has patched says why it does not start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.processes,
    pytest.mark.disturbances,
    pytest.mark.timeout(300),
    pytest.mark.django_db(transaction=True),
]


def test_a_cluster_that_gevent_has_patched_says_why_it_does_not_start(broker):
    command = "import sys; from gevent import monkey; monkey.patch_all(); "
    command += "from django.core.management import execute_from_command_line as run; "
    command += "run(['manage.py', 'qcluster'])"

    done = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert "gevent has patched" in done.stderr
    assert "Traceback" not in done.stderr
