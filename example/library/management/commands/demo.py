"""``manage.py demo``: the whole site at work, from an empty database to the last result."""

from __future__ import annotations

import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from django.utils import timezone
from redis import RedisError

import django_q
from django_q.brokers import Broker, get_broker
from django_q.models import Task
from library.enqueue import ExpectedOutcomes, enqueue_all
from library.screen import Screen

MANAGE = settings.EXAMPLE / "manage.py"
CLUSTER_LOG = settings.DATA / "qcluster.log"

#: Seconds that all tasks together may take, and that the cluster may take to stop.
TASKS_TIMEOUT, STOP_TIMEOUT = 120, 30


class Command(BaseCommand):
    """Migrate, start a cluster, give it work, show what comes back."""

    help = "See django_q at work on the files of this project."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--serve", action="store_true", help="leave the site and its admin up")

    def handle(self, *args: Any, serve: bool, **options: Any) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        screen = Screen(self.stdout, self.style)
        password = prepare()
        broker = empty_broker()
        version = ".".join(map(str, django_q.VERSION))
        screen.title(
            f"django_q {version}",
            f"queue: {broker.info()}   cluster log: {project_path(CLUSTER_LOG)}",
        )
        with running_cluster() as cluster:
            show_tasks(enqueue_all(), cluster, screen)
            if serve:
                serve_site(password, screen)
        screen.line(f"The cluster has stopped, exit code {cluster.returncode}.")
        if cluster.returncode:
            raise CommandError(f"The cluster did not stop in good order, see {CLUSTER_LOG}.")


def prepare() -> str:
    """Begin with an empty site; return the password of its admin."""
    shutil.rmtree(settings.DATA, ignore_errors=True)
    settings.DATA.mkdir()
    call_command("migrate", verbosity=0)
    password = secrets.token_urlsafe(9)
    get_user_model().objects.create_superuser("admin", password=password)
    return password


def empty_broker() -> Broker:
    """Take what an earlier demo has left off the queue."""
    broker = get_broker()
    try:
        broker.delete_queue()
    except RedisError as error:
        raise CommandError(f"REDIS_URL must name a server that answers: {error}") from error
    return broker


@contextmanager
def running_cluster() -> Iterator[subprocess.Popen]:
    """Run ``manage.py qcluster`` beside this process, and stop it in the end."""
    command = [sys.executable, str(MANAGE), "qcluster"]
    with CLUSTER_LOG.open("w") as log:
        # A session of its own: Ctrl-C is for this process, which then stops the cluster.
        cluster = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield cluster
    finally:
        cluster.terminate()
        try:
            cluster.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            cluster.kill()
            cluster.wait()


def show_tasks(expected: ExpectedOutcomes, cluster: subprocess.Popen, screen: Screen) -> None:
    """Show each task as it ends; raises CommandError when one ends as it should not."""
    began, deadline = timezone.now(), time.monotonic() + TASKS_TIMEOUT
    seen: dict[str, Task] = {}
    screen.head()
    while len(seen) < len(expected):
        for task in Task.objects.exclude(id__in=seen).order_by("stopped"):
            seen[task.id] = task
            screen.task(task, began, as_expected=task.success is (task.id not in expected.failing))
        check_progress(cluster, deadline, f"{len(seen)} of {len(expected)} tasks ended")
        time.sleep(0.05)
    check_outcomes(expected, seen, screen)


def check_progress(cluster: subprocess.Popen, deadline: float, so_far: str) -> None:
    """Raise CommandError when no further result can be hoped for."""
    if cluster.poll() is not None:
        raise CommandError(
            f"The cluster ended by itself; {so_far}.\n{CLUSTER_LOG.read_text()[-2000:]}"
        )
    if time.monotonic() > deadline:
        raise CommandError(f"Time is up; {so_far}.\n{CLUSTER_LOG.read_text()[-2000:]}")


def check_outcomes(expected: ExpectedOutcomes, seen: dict[str, Task], screen: Screen) -> None:
    """Raise CommandError unless each task ended as expected."""
    good = sum(task.success for task in seen.values())
    bad = len(seen) - good
    right = all(task.success is (id not in expected.failing) for id, task in seen.items())
    complete = (expected.succeeding | expected.failing) <= seen.keys()
    screen.line()
    screen.show_outcome(f"{good} tasks succeeded, {bad} failed as they should.", right and complete)
    if not (right and complete):
        raise CommandError(f"Some tasks did not end as they should, see {CLUSTER_LOG}.")


def serve_site(password: str, screen: Screen) -> None:
    """Serve the site until Ctrl-C."""
    port = free_port(8000)
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, str(MANAGE), "runserver", "--noreload", f"127.0.0.1:{port}"]
    log = (settings.DATA / "runserver.log").open("w")
    with log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        screen.line()
        screen.line(f"  The site   {address}")
        screen.line(f"  Its admin  {address}admin/   user 'admin', password '{password}'")
        screen.line("  Ctrl-C ends it.")
        try:
            server.wait()
        except KeyboardInterrupt:
            server.terminate()
    screen.line()


def free_port(preferred: int) -> int:
    """Take a port of this machine: the preferred one, or any that is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise CommandError("No port of this machine is free.")


def project_path(path: Any) -> str:
    """Write a path as it is seen from the project."""
    return str(path.relative_to(settings.PROJECT))
