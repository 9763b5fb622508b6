"""Time the dashboard's pages over tables of a given size.

``python -m benchmarks.dashboard_pages 1000 1000000``; with ``DJANGO_Q_TEST_DATABASE=postgres`` on
PostgreSQL. Prints for each page the best of three: milliseconds, those of the processor in this
process, which other work on the machine lengthens less, and queries.
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
from django.utils.module_loading import import_string

from benchmarks.site.measured.rows import insert_tasks

PAGES = {
    "overview": "",
    "charts of the hour": "charts/",
    "charts of the day": "charts/?period=day",
    "charts of the week": "charts/?period=week",
    "charts of the month": "charts/?period=month",
    "charts of a function": "charts/?period=month&func=shop.tasks.number_1",
    "queues": "queues/",
    "clusters": "clusters/",
    "schedules": "schedules/",
    "all tasks": "tasks/",
    "failures": "tasks/?q=state:failed",
    "a group": "tasks/?q=group:group-7",
    "a far page": "tasks/?q=state:succeeded&after={after}",
    "by function, found": "tasks/?q=func:number_7",
    "by function, none found": "tasks/?q=func:nowhere",
    "by error, none found": "tasks/?q=error:nowhere",
    "by arguments, none found": "tasks/?q=args:42",
    "a bare word, none found": "tasks/?q=nowhere",
    "the last hour, none found": "tasks/?q=since:1h+func:nowhere",
    "a task": "tasks/{id}/",
    "failures by kind": "failures/",
}


def main(sizes: list[int]) -> None:
    """Make a database for each size, and time the pages over it."""
    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    # By name: it reads the settings when it is imported.
    import_string("django_q.conf.Conf").BROKER_CLASS = "django_q.brokers.memory.Memory"
    runner = DiscoverRunner(verbosity=0, interactive=False)
    for size in sizes:
        databases = runner.setup_databases()
        try:
            insert_tasks(connection, size)
            # By name: its module reads the settings when it is imported.
            insert_counts = import_string("benchmarks.site.measured.counts.insert_counts")
            insert_counts(apps.get_model("django_q.Rollup"), size)
            report(size)
        finally:
            runner.teardown_databases(databases)


def report(size: int) -> None:
    """Print the times of the pages."""
    client = Client()
    client.force_login(apps.get_model("auth.User").objects.create_superuser("admin"))
    tasks = apps.get_model("django_q.Task").objects.order_by()
    task_id = tasks.filter(success__in=[False]).values_list("pk", flat=True).first()
    rows = tasks.filter(success__in=[True]).order_by("stopped").values_list("stopped", "pk")
    after = "f:{}/{}".format(*rows[min(500, size // 4)]).replace(" ", "T").replace("+", "%2B")
    print(f"{size:,} tasks on {connection.vendor}")
    for name, address in PAGES.items():
        address = "/admin/django_q/dashboard/" + address.format(id=task_id, after=after)
        seconds, busy, queries = visit(client, address)
        times = f"{seconds * 1000:7.0f} ms {busy * 1000:7.0f} ms CPU"
        print(f"  {name:26} {times} {queries:4} queries", flush=True)


def visit(client: Any, address: str) -> tuple[float, float, int]:
    """Fetch a page three times; the fastest, in seconds and of the processor, and its queries."""
    seconds, busy = [], []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            begin, worked = time.perf_counter(), time.process_time()
            response = client.get(address)
            seconds.append(time.perf_counter() - begin)
            busy.append(time.process_time() - worked)
        assert response.status_code == 200, address
    return min(seconds), min(busy), len(queries)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main([int(size) for size in sys.argv[1:]] or [1000, 1_000_000])
