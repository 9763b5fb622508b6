"""Time the pages of the admin over tables of a given size.

``python -m benchmarks.admin_pages 10000 1000000``; with ``DJANGO_Q_TEST_DATABASE=postgres`` on
PostgreSQL. Prints the milliseconds and the queries of each page, the best of three.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.runner import DiscoverRunner
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.module_loading import import_string

from benchmarks.site.measured.rows import insert_tasks

PAGES = {
    "successes": "success/",
    "failures": "failure/",
    "successes, a far page": "success/?p={page}",
    "successes of a group": "success/?group=group-7",
    "successes of a cluster": "success/?cluster=shop",
    "successes by function": "success/?o=3",
    "search, many found": "success/?q=number_7",
    "search, none found": "success/?q=nowhere",
    "a task by its id": "success/?q={id}",
    "a task": "success/{id}/change/",
    "the queue": "ormq/",
}


def main(sizes: list[int]) -> None:
    """Make a database for each size, and time the pages over it."""
    django.setup()
    runner = DiscoverRunner(verbosity=0, interactive=False)
    settings.ALLOWED_HOSTS = ["testserver"]
    for size in sizes:
        databases = runner.setup_databases()
        try:
            fill(size)
            report(size)
        finally:
            runner.teardown_databases(databases)


def fill(size: int) -> None:
    """Make the tasks, and 20,000 that are queued."""
    apps.get_model("auth.User").objects.create_superuser("admin")
    queue = apps.get_model("django_q.OrmQ")
    package = {"id": "a" * 32, "name": "n", "func": "f", "args": ("x" * 500,), "kwargs": {}}
    # By name: it reads the settings when it is imported.
    dumps = import_string("django_q.signing.SignedPackage").dumps
    row = {"key": "shop", "payload": dumps(package | {"started": timezone.now()})}
    rows = [queue(**row, lock=timezone.now()) for _ in range(20_000)]
    queue.objects.bulk_create(rows, batch_size=1000)
    insert_tasks(connection, size)


def report(size: int) -> None:
    """Print the times of the pages."""
    client = Client()
    client.force_login(apps.get_model("auth.User").objects.get())
    task_id = apps.get_model("django_q.Success").objects.order_by().first().pk
    print(f"{size:,} tasks on {connection.vendor}")
    page = min(50, size // 200)
    for name, address in PAGES.items():
        address = "/admin/django_q/" + address.format(id=task_id, page=page)
        seconds, queries = visit(client, address)
        print(f"  {name:24} {seconds * 1000:7.0f} ms {queries:4} queries")


def visit(client: Any, address: str) -> tuple[float, int]:
    """Fetch a page three times; the seconds of the fastest, and its queries."""
    runs = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            begin = time.perf_counter()
            response = client.get(address)
            runs.append(time.perf_counter() - begin)
        assert response.status_code == 200, address
    return min(runs), len(queries)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main([int(size) for size in sys.argv[1:]] or [10_000, 1_000_000])
