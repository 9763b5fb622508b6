"""Run tests that enqueue, drain and read a result by ``django_q.testing``; tell how long it takes.

``python -m benchmarks.testing_kit 1000``; with ``--profile``, what costs. Each test is one of
``TestCase`` that records a task, looks for it, runs it, and reads its row from SQLite in memory.
"""

from __future__ import annotations

import cProfile
import pstats
import sys
import time
import unittest
from typing import Any

import django
from django.conf import settings

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "benchmark",
    "USE_TZ": True,
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    "INSTALLED_APPS": ["django.contrib.contenttypes", "django_q"],
    "Q_CLUSTER": {"name": "shop", "orm": "default", "timeout": 60, "retry": 90},
}
#: Lines of a profile that are shown.
PROFILE_LINES = 40


def make_suite(number: int) -> unittest.TestSuite:
    """Make so many tests."""
    from django.test import TestCase  # noqa: PLC0415 - needs settings

    from django_q.tasks import async_task, fetch  # noqa: PLC0415 - needs settings
    from django_q.testing import assert_enqueued, drain, enqueued  # noqa: PLC0415 - as well

    class KitTests(TestCase):
        def test_a_task_is_enqueued_and_run(self) -> None:
            with enqueued() as tasks:
                async_task("math.sqrt", 49)
                assert_enqueued("math.sqrt", (49,))
                drain()
                assert fetch(tasks[0].id).result == 7

    return unittest.TestSuite(KitTests("test_a_task_is_enqueued_and_run") for _ in range(number))


def main(number: int, is_profiled: bool) -> None:
    """Run the tests, and print what they took."""
    settings.configure(**SETTINGS)
    django.setup()
    from django.test.runner import DiscoverRunner  # noqa: PLC0415 - needs settings

    runner, result, profile = DiscoverRunner(verbosity=0), unittest.TestResult(), cProfile.Profile()
    databases = runner.setup_databases()
    suite = make_suite(number)
    began, cpu = time.perf_counter(), time.process_time()
    if is_profiled:
        profile.runcall(suite.run, result)
    else:
        suite.run(result)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    runner.teardown_databases(databases)
    for _, text in result.errors + result.failures:
        raise SystemExit(text)
    print(f"{number} tests: {seconds:.2f} s, {cpu:.2f} s of a processor")
    if is_profiled:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(PROFILE_LINES)


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:] if text.isdigit()]
    main(next(iter(numbers), 1000), "--profile" in sys.argv)
