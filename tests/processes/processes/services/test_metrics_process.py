"""``qcluster --metrics-port``: a real cluster, asked over HTTP."""

from __future__ import annotations

import contextlib
import signal
import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from django_q.tasks import async_task
from tests.ports import free_port
from tests.waiting import wait_until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


class Port:
    """The port of a cluster."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text of an answer; 0 without one."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def total(self, name: str) -> float:
        """Add up the samples of a family."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return sum(s.value for f in families if f.name == f"django_q_{name}" for s in f.samples)


def test_a_cluster_is_measured_and_probed(running_cluster):
    port = free_port()
    cluster = running_cluster("--metrics-port", str(port), workers=1)
    served = Port(port)
    wait_until(lambda: served.get("/readyz")[0] == 200)

    for _ in range(3):
        async_task("tests.tasks.multiply", 2, 3)
    async_task("tests.tasks.raise_error")

    wait_until(lambda: served.total("tasks_finished") == 4)
    assert served.total("tasks_failed") == 1
    assert served.total("cluster_workers") == 1
    assert served.get("/healthz") == (200, "ok\n")

    cluster.kill("metrics")
    wait_until(lambda: served.get("/healthz")[0] == 200)
    cluster.wait_for("reincarnated metrics")
    cluster.kill("pusher", signal.SIGKILL)
    wait_until(lambda: served.total("process_restarts") == 1)
    wait_until(lambda: served.get("/readyz")[0] == 200)

    assert cluster.stop() == 0
    assert served.get("/healthz")[0] == 0
    assert cluster.remaining_processes() == []


def test_a_port_that_is_taken_does_not_stop_a_cluster(running_cluster):
    port = free_port()
    with contextlib.closing(socket.create_server(("127.0.0.1", port))):
        cluster = running_cluster("--metrics-port", str(port), workers=1)
        cluster.wait_for("metrics has failed")
        cluster.wait_for("in use")

    assert cluster.stop() == 0
