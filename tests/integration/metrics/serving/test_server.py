"""The HTTP server of metrics and probes, by real requests."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
import time
from asyncio import CancelledError
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from django_q.metrics.serving import main_thread
from django_q.metrics.serving import server as server_module
from django_q.metrics.serving.health import DEAD_SECONDS, Health
from django_q.metrics.serving.readiness import Readiness
from django_q.metrics.serving.server import MetricsServer
from django_q.processes.process_bodies import child_names
from django_q.processes.shared_state.process_table import ProcessTable
from django_q.processes.supervision.process_start import MAIN_ROLES
from tests.heartbeats import CLUSTER_ID, make_stat
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(broker):
    """Serve for a cluster that has just shown that it lives."""
    make_stat(pusher=6).save(broker)
    health = Health(ProcessTable(MAIN_ROLES), ProcessTable(child_names()))
    health.main.liveness.beat()
    with MetricsServer(("127.0.0.1", 0), Readiness(broker, CLUSTER_ID), health) as made:
        yield made


@pytest.fixture
def get(server):
    """Send a request, for which the server measures in this thread, the main one of its process."""

    def send(path, method="GET", **headers):
        connection = http.client.HTTPConnection(*server.server_address, timeout=30)
        connection.request(method, path, headers=headers)
        server.handle_request()
        while not is_readable(connection.sock):
            if server.work.bell.poll(0.01):
                server.work.do_asked()
        response = connection.getresponse()
        return response, response.read().decode()

    return send


def is_readable(connection):
    """Return True if an answer has come."""
    return bool(select.select([connection], [], [], 0)[0])


def test_metrics_are_openmetrics(get):
    response, text = get("/metrics")

    families = {family.name for family in text_string_to_metric_families(text)}
    assert response.status == 200
    assert families >= {"django_q_broker_up", "django_q_tasks_finished", "django_q_queue_tasks"}
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")


def test_a_token_is_asked_for_where_the_settings_have_one(get, conf):
    conf(metrics_token="s3cret")

    assert get("/metrics")[0].status == 401
    assert get("/metrics", Authorization="Bearer s3cret")[0].status == 200
    assert get("/healthz")[0].status == 200
    assert get("/readyz")[1] == "ok\n"


def test_health_is_that_of_the_main_process(get, server):
    response, text = get("/healthz")
    assert (response.status, text.splitlines()[0]) == (200, "ok")

    server.processes.main.liveness.memory[0] = time.monotonic() - DEAD_SECONDS - 1

    assert get("/healthz")[0].status == 503


def test_a_process_that_fails_to_start_keeps_a_cluster_from_being_ready(get, server):
    server.processes.children.entry("pusher").note_end(1, failed_starts=2)

    response, text = get("/readyz")

    assert response.status == 503
    assert text.startswith("No pusher has run for 0 seconds, 2 failed starts")


def test_a_cluster_that_is_not_ready_says_why(get, broker):
    make_stat(pusher=0).save(broker)

    response, text = get("/readyz")

    assert (response.status, text) == (503, "The pusher does not run.\n")


def test_other_paths_and_methods_are_refused(get):
    assert get("/")[0].status == 404
    assert get("/metrics/../etc/passwd")[0].status == 404
    assert get("/healthz", "POST")[0].status == 501
    assert get("/healthz?probe=1", "HEAD")[1] == ""


def test_an_error_is_told_without_its_text(get, server):
    def fail(headers):
        raise ValueError("redis://user:s3cret@host")

    server.routes["/metrics"] = fail

    assert get("/metrics")[1] == "No answer: ValueError.\n"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, CancelledError])
def test_what_a_broker_raises_in_the_main_thread_ends_neither_it_nor_the_request(
    get, server, monkeypatch, error
):
    def fail():
        raise error

    monkeypatch.setattr(server.readiness.broker, "queue_size", fail)

    assert get("/metrics")[0].status in (200, 503)
    monkeypatch.setattr(server.readiness, "problems", fail)
    assert get("/readyz")[1] == f"No answer: {error.__name__}.\n"


@pytest.fixture
def accepting(server):
    """Accept requests in a thread, as the process does; nobody measures for them."""
    threading.Thread(target=server.serve, daemon=True).start()
    return server


def test_health_is_told_while_the_broker_is_waited_for(accepting):
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(http_get, accepting.server_address, path)
                   for path in ["/metrics", "/readyz"] * 10]  # fmt: skip
        wait_until(lambda: len(accepting.work.asked) == 2)

        assert http_get(accepting.server_address, "/healthz") == 200
        assert not any(each.done() for each in waiting)

        while not all(each.done() for each in waiting):
            if accepting.work.bell.poll(0.01):
                accepting.work.do_asked()
        assert {each.result() for each in waiting} == {200}


def test_an_answer_that_does_not_come_is_one_of_a_kind(accepting, monkeypatch):
    monkeypatch.setattr(main_thread, "WORK_SECONDS", 0.05)

    assert http_get(accepting.server_address, "/readyz") == 503


def test_many_clients_that_say_nothing_hold_nobody_up_for_long(accepting, monkeypatch):
    monkeypatch.setattr(server_module, "READ_SECONDS", 0.2)

    with contextlib.ExitStack() as stack:
        for _number in range(server_module.MAX_REQUESTS + 5):
            stack.enter_context(socket.create_connection(accepting.server_address))

        assert http_get(accepting.server_address, "/healthz") == 200


def test_a_client_that_says_nothing_holds_nobody_up_for_long(server, monkeypatch):
    monkeypatch.setattr(server_module, "READ_SECONDS", 0.1)

    with socket.create_connection(server.server_address), ThreadPoolExecutor(1) as pool:
        answered = pool.submit(http_get, server.server_address)
        server.handle_request()
        server.handle_request()

        assert answered.result(30) == 200


def http_get(address, path="/healthz"):
    connection = http.client.HTTPConnection(*address, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().status


def test_a_request_that_has_no_end_is_not_read_for_ever(server):
    with socket.create_connection(server.server_address) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 40_000)
        server.handle_request()

        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
