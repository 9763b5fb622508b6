"""Time the pages of the admin over tables of a given size.

``python -m tests.benchmarks.admin_pages 10000 1000000``; with ``DJANGO_Q_TEST_DATABASE=postgres``
on PostgreSQL. Prints the milliseconds and the queries of each page, the best of three.
"""

from __future__ import annotations

import os
import sys
import time

import django
from django.conf import settings
from django.test.utils import CaptureQueriesContext

#: A pickled traceback, as a failure has it.
RESULT = "gASVFgAAAAAAAACMElZhbHVlRXJyb3IoJ25vJykgOpQu"

#: One statement makes all the rows; every tenth is a failure.
TASKS = {
    "postgresql": """
        INSERT INTO django_q_task (id, name, func, "group", cluster, result, started, stopped,
            success, attempt_count)
        SELECT md5(n::text), 'name-' || n, 'shop.tasks.number_' || (n % 50), 'group-' || (n % 500),
            'shop', '{result}', now() - n * interval '1 second', now() - n * interval '1 second',
            n % 10 > 0, 1 FROM generate_series(1, {rows}) AS n""",
    "sqlite": """
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})
        INSERT INTO django_q_task (id, name, func, "group", cluster, result, started, stopped,
            success, attempt_count)
        SELECT printf('%%032x', n), 'name-' || n, 'shop.tasks.number_' || (n %% 50),
            'group-' || (n %% 500), 'shop', '{result}', datetime('now', '-' || n || ' seconds'),
            datetime('now', '-' || n || ' seconds'), n %% 10 > 0, 1 FROM numbers""",
}
PAGES = {
    "successes": "success/",
    "failures": "failure/",
    "successes, page 50": "success/?p=50",
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
    from django.test.runner import DiscoverRunner

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
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from django_q.models import OrmQ
    from django_q.signing import SignedPackage

    User.objects.create_superuser("admin")
    package = {"id": "a" * 32, "name": "n", "func": "f", "args": ("x" * 500,), "kwargs": {}}
    payload = SignedPackage.dumps(package | {"started": timezone.now()})
    row = {"key": "shop", "payload": payload, "lock": timezone.now()}
    OrmQ.objects.bulk_create([OrmQ(**row) for _ in range(20_000)], batch_size=1000)
    statement = TASKS[connection.vendor].format(rows=size, result=RESULT)
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("%%", "%"))
        cursor.execute("ANALYZE")


def report(size: int) -> None:
    """Print the times of the pages."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client

    from django_q.models import Success

    client = Client()
    client.force_login(User.objects.get())
    task_id = Success.objects.order_by().first().pk
    print(f"{size:,} tasks on {connection.vendor}")
    for name, address in PAGES.items():
        runs = []
        for _ in range(3):
            with CaptureQueriesContext(connection) as queries:
                begin = time.perf_counter()
                response = client.get("/admin/django_q/" + address.format(id=task_id))
                runs.append(time.perf_counter() - begin)
            assert response.status_code == 200, name
        print(f"  {name:24} {min(runs) * 1000:7.0f} ms {len(queries):4} queries")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main([int(size) for size in sys.argv[1:]] or [10_000, 1_000_000])
