"""The HTTP server of ``qcluster --metrics-port``: metrics and probes.

A thread reads each request and answers it. The main thread alone calls the broker and the database:
whether the cluster lives is told while it waits for one of them.
"""

from __future__ import annotations

import contextlib
import io
import socket
import time
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import wait
from socketserver import TCPServer, ThreadingMixIn
from threading import BoundedSemaphore, Thread
from typing import Any, NamedTuple
from uuid import UUID

from django_q.brokers import Broker
from django_q.conf import Conf, logger
from django_q.exceptions import contain_error
from django_q.metrics.access import has_token
from django_q.metrics.collection import collect
from django_q.metrics.exposition.families import Family
from django_q.metrics.exposition.text_format import Exposition, exposition
from django_q.metrics.serving.health import Health
from django_q.metrics.serving.main_thread import MainThreadWork
from django_q.metrics.serving.readiness import Readiness
from django_q.processes.server_calls.call_timeout import call_timeout
from django_q.processes.shared_state.process_table import ProcessTable
from django_q.processes.supervision.process_start import log_ready, parent_flags
from django_q.servers.connections import close_old
from django_q.text.error_text import error_summary

#: Seconds in which a request must have come, and in which its answer must have gone.
READ_SECONDS, WRITE_SECONDS = 2.0, 5.0
#: Requests that are read and answered at a time.
MAX_REQUESTS = 32
#: Bytes of a request at most; there are no bodies.
MAX_HEAD_BYTES = 16384
PLAIN_TEXT = "text/plain; charset=utf-8"


class Answer(NamedTuple):
    """What a request is answered with."""

    status: int
    content: Exposition


class MetricsServer(ThreadingMixIn, TCPServer):
    """Answers requests by what it reads from the broker and the database."""

    allow_reuse_address = True
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], readiness: Readiness, health: Health) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.readiness, self.processes = readiness, health
        self.routes = {
            "/metrics": self.metrics,
            "/healthz": self.health,
            "/readyz": self.ready,
        }
        self.slots, self.work = BoundedSemaphore(MAX_REQUESTS), MainThreadWork()
        super().__init__(address, Handler)

    def serve(self) -> None:
        """Accept requests until the server is closed: the body of a thread."""
        with contextlib.suppress(OSError, ValueError):
            while True:
                self.handle_request()

    def server_close(self) -> None:
        """Close the server."""
        super().server_close()
        self.work.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a request as soon as there are few enough of them."""
        self.slots.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:  # there is no thread
            self.slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a request; the body of its thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def metrics(self, headers: Any) -> Answer:
        """Measure everything; for those with the token, if there is one."""
        if Conf.METRICS_TOKEN and not has_token(headers.get("Authorization", "")):
            return text_answer(401, "The token of the settings is missing.")
        return Answer(200, exposition(self.work.ask(self.families), headers.get("Accept", "")))

    def families(self) -> list[Family]:
        """Measure everything, in the main thread."""
        try:
            with call_timeout():
                return collect(self.readiness.broker)
        finally:
            close_old()

    def health(self, headers: Any) -> Answer:
        """Say whether the cluster is to be started again, and which processes run."""
        problems = self.processes.fatal_problems()
        lines = [*(problems or ["ok"]), "", *self.processes.lines()]
        return text_answer(503 if problems else 200, "\n".join(lines))

    def ready(self, headers: Any) -> Answer:
        """Say whether the cluster can work."""
        problems = [*self.processes.problems(), *self.work.ask(self.readiness.problems)]
        return text_answer(503 if problems else 200, "\n".join(problems) or "ok")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log why a request was not answered, which is mostly because its client went away."""
        logger.debug("a request for metrics was not answered", exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """Reads one request and answers it."""

    server: MetricsServer
    server_version, sys_version = "django_q", ""

    def setup(self) -> None:
        """Read the whole request, within a time that no slow client prolongs."""
        super().setup()
        self.rfile = io.BytesIO(read_head(self.connection))
        self.connection.settimeout(WRITE_SECONDS)

    def do_GET(self) -> None:
        """Answer with what the path names."""
        route = self.server.routes.get(self.path.partition("?")[0])
        if route is None:
            answer = text_answer(404, f"There is {', '.join(self.server.routes)}.")
        else:
            answer = self.answer(route)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content.content_type)
        self.send_header("Content-Length", str(len(answer.content.body)))
        self.send_header("Cache-Control", "no-store")
        if answer.status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="metrics"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content.body)

    do_HEAD = do_GET

    def answer(self, route: Any) -> Answer:
        """Call what answers a path; an error of it is told without its text, and logged."""
        try:
            return route(self.headers)
        except BaseException as error:  # a custom broker may raise anything
            contain_error(error)
            logger.error("%s could not be answered: %s", self.path, error_summary(error))
            return text_answer(503, f"No answer: {type(error).__name__}.")

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request, for those who debug."""
        logger.debug(format, *args)


def read_head(connection: socket.socket) -> bytes:
    """Read a request up to its empty line, for two seconds.

    Raises ``OSError`` if it has not come by then, has not ended, or is too long.
    """
    until, data = time.monotonic() + READ_SECONDS, b""
    while b"\r\n\r\n" not in data:
        connection.settimeout(max(0.01, until - time.monotonic()))
        chunk = connection.recv(4096)
        data += chunk
        if not chunk or len(data) > MAX_HEAD_BYTES or time.monotonic() > until:
            raise OSError("the request is incomplete, too long, or came too slowly")
    return data


def text_answer(status: int, text: str) -> Answer:
    """Make an answer of plain text."""
    return Answer(status, Exposition(PLAIN_TEXT, f"{text}\n".encode()))


def serve_metrics(
    host: str,
    port: int,
    cluster_id: UUID,
    tables: tuple[ProcessTable, ProcessTable],
    broker: Broker,
) -> None:
    """Serve until the parent ends: the body of the process. Raises what the address raises.

    ``tables`` are those of the main process and of the sentinel.
    """
    flags, readiness = parent_flags(), Readiness(broker, cluster_id)
    with MetricsServer((host, port), readiness, Health(*tables)) as server:
        Thread(target=server.serve, daemon=True).start()
        log_ready(f"serving metrics at {host}:{server.server_address[1]}")
        while not any(flag.is_set() for flag in flags):
            if server.work.bell in wait([server.work.bell, *flags]):
                server.work.do_asked()
