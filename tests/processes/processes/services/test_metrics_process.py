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

    def health(self) -> tuple[int, dict[str, str]]:
        """Return the status, and what is said of each process by its name."""
        status, text = self.get("/healthz")
        lines = text.partition("\n\n")[2].splitlines()
        return status, {name: words.strip() for name, _, words in map(first_word, lines)}

    def total(self, name: str) -> float:
        """Add up the samples of a family."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return sum(s.value for f in families if f.name == f"django_q_{name}" for s in f.samples)


def first_word(line: str) -> tuple[str, str, str]:
    """Divide a line behind its first word."""
    return line.partition(" ")


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
    status, processes = served.health()
    assert status == 200
    for name in ("sentinel", "logger", "metrics", "monitor", "worker-1", "pusher"):
        assert processes[name].startswith(str(cluster.pids(name)[0]))

    cluster.kill("metrics")
    wait_until(lambda: served.get("/healthz")[0] == 200)
    cluster.wait_for("reincarnated metrics")
    killed = cluster.kill("pusher", signal.SIGKILL)
    wait_until(lambda: served.total("process_restarts") == 1)
    wait_until(lambda: served.get("/readyz")[0] == 200)
    assert not served.health()[1]["pusher"].startswith(str(killed))

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


def test_a_pusher_that_exits_each_time_keeps_a_cluster_from_being_ready_and_does_not_end_it(
    running_cluster,
):
    port = free_port()
    broker_class = "tests.subclassed_brokers.ExitingORM"
    cluster = running_cluster("--metrics-port", str(port), workers=1, broker_class=broker_class)
    cluster.wait_for("reincarnated pusher", 3)
    served = Port(port)

    wait_until(lambda: "failed starts, the latest one ended with exit code 7" in ready(served))
    status, processes = served.health()

    assert status == 200
    assert "exit code 7" in processes["pusher"]


def ready(served: Port) -> str:
    """Return why a cluster is not ready; nothing while it is."""
    status, text = served.get("/readyz")
    return text if status == 503 else ""
